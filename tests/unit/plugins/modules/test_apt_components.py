"""The one file with what the sources of a system lack: the module's whole cycle on a tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.gpuforge.node.plugins.modules import apt_components

PATH = "/etc/apt/sources.list.d/own.sources"
SUITES = [
    {"suite": "trixie", "components": ["main", "contrib"], "uri": "http://deb.example/debian"},
    {
        "suite": "trixie-backports",
        "components": ["main", "contrib"],
        "uri": "http://deb.example/debian",
        "like": ["trixie"],
    },
    {"suite": "trixie-security", "components": ["contrib"], "optional": True},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list.d/debian.sources").write_text(
        "Types: deb\nURIs: http://mirror.lan/debian\nSuites: trixie\nComponents: main\nSigned-By: /lan.gpg\n"
    )
    return tmp_path


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def _run(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"root": str(root), "path": PATH, "suites": SUITES, "_ansible_check_mode": check, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            apt_components.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return _run


def test_check_run_check_run_absent(root: Path, run: Any) -> None:
    own = root / PATH.lstrip("/")
    planned = run(check=True)
    assert planned["changed"]
    assert not own.exists()

    done = run()
    assert done["changed"]
    assert done["diff"] == planned["diff"]
    assert own.read_text() == done["diff"]["after"]
    assert own.stat().st_mode & 0o777 == 0o644
    assert "Signed-By: /lan.gpg" in own.read_text()
    assert "debian.sources" not in done["diff"]["after"]

    assert not run(check=True)["changed"]
    assert not run()["changed"]

    assert run(check=True, state="absent")["changed"]
    assert own.exists()
    assert run(state="absent")["changed"]
    assert not own.exists()
    assert not run(state="absent")["changed"]


def test_what_is_added_and_what_the_index_lacks(root: Path, run: Any) -> None:
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").write_text("Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\n")
    lists = root / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    sizes = {"main": 100, "contrib": 200}
    release = "SHA256:\n" + "".join(f" {'0' * 64} {sizes[name]} {name}/binary-amd64/Packages\n" for name in sizes)
    (lists / "mirror.lan_debian_dists_trixie_InRelease").write_text(release)
    (lists / "mirror.lan_debian_dists_trixie_main_binary-amd64_Packages").write_text("")
    done = run()
    assert done["added"] == [
        {"suite": "trixie", "uri": "http://mirror.lan/debian", "components": ["contrib"]},
        {"suite": "trixie-backports", "uri": "http://mirror.lan/debian", "components": ["main", "contrib"]},
    ]
    # The index has the first suite, but not the component that is added to it.
    assert done["index_missing"] == ["trixie", "trixie-backports"]
    (lists / "mirror.lan_debian_dists_trixie_contrib_binary-amd64_Packages.lz4").write_text("")
    assert run()["index_missing"] == ["trixie-backports"]
    # An empty component has no file.
    (lists / "mirror.lan_debian_dists_trixie-backports_InRelease").write_text(
        release.replace(" 200 contrib", " 0 contrib")
    )
    (lists / "mirror.lan_debian_dists_trixie-backports_main_binary-amd64_Packages").write_text("")
    assert run()["index_missing"] == []


def test_a_file_that_is_not_needed_any_more_goes(root: Path, run: Any) -> None:
    run()
    (root / "etc/apt/sources.list").write_text(
        "deb http://x trixie contrib\ndeb http://x trixie-backports main contrib\n"
    )
    assert run()["changed"]
    assert not (root / PATH.lstrip("/")).exists()


def test_a_suite_that_is_not_optional_needs_an_address(run: Any) -> None:
    assert "uri" in run(suites=[{"suite": "trixie", "components": ["main"]}])["msg"]
