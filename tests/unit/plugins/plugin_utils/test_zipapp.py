"""The on-node program as one file: the same bytes every time, and able to run where only Python is."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils import _zipapp
from ansible_collections.gpuforge.node.plugins.plugin_utils._zipapp import (
    PACKAGE,
    SHEBANG,
    PackError,
    collect,
    default_source,
    pack,
    pack_once,
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "gpuforge-node"
    path.write_bytes(pack())
    path.chmod(0o755)
    return path


def run(program: Path, *arguments: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    # -I: nothing of this checkout or of the user's site may help.
    return subprocess.run(
        [python, "-I", str(program), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def oldest_python() -> str:
    """A Python 3.9, by the name it has where one is installed; GPUFORGE_PYTHON39 names it otherwise."""
    names = [os.environ.get("GPUFORGE_PYTHON39"), shutil.which("python3.9")]
    names += map(str, sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python3")))
    for name in filter(None, names):
        # A shim of that name may stand for a version that is not chosen.
        done = subprocess.run(
            [name, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False
        )
        if done.stdout.startswith("3.9."):
            return name
    pytest.skip("no Python 3.9 here: set GPUFORGE_PYTHON39")


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """Other times, other permissions, another order on the disk: the same program."""
    copy = tmp_path / "module_utils"
    shutil.copytree(default_source(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    for number, path in enumerate(sorted(copy.rglob("*.py"), reverse=True)):
        os.utime(path, (number, number))
        path.chmod(0o600)
    assert pack(str(copy)) == pack()


def test_it_is_a_program_and_an_archive() -> None:
    data = pack()
    assert data.startswith(SHEBANG)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert f"{PACKAGE}/_health/run.py" in names
    assert f"{PACKAGE}/_gpu.py" in names


def test_it_holds_only_what_it_imports() -> None:
    """Cores of modules that the program has no use for stay out, and so does everything of Ansible."""
    files = collect(default_source())
    assert "_pinned_wheel.py" not in files
    outside = {
        line.strip()
        for text in files.values()
        for line in text.splitlines()
        if line.strip().startswith(("import ansible", "from ansible"))
    }
    assert outside == set()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackError, match=r"_node_cli\.py: No such file"):
        pack(str(tmp_path))
    (tmp_path / "_node_cli.py").write_text("from ._gone import x\n")
    with pytest.raises(PackError, match=r"_gone\.py: No such file"):
        pack(str(tmp_path))
    (tmp_path / "_node_cli.py").write_text("def (:\n")
    with pytest.raises(PackError, match=r"_node_cli\.py: .*line 1"):
        pack(str(tmp_path))


def test_imports_are_followed_in_every_form(tmp_path: Path) -> None:
    package = tmp_path / "_pkg" / "_sub"
    package.mkdir(parents=True)
    (tmp_path / "_node_cli.py").write_text("from . import _one\nfrom ._pkg import two\nimport os\n")
    (tmp_path / "_one.py").write_text("def f():\n    from ._pkg._sub.deep import x\n")
    (tmp_path / "_pkg" / "__init__.py").write_text("two = 2\n")
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("from ..._late import y\nx = 1\n")
    (tmp_path / "_late.py").write_text("y = 1\n")
    (tmp_path / "_unused.py").write_text("")
    assert sorted(collect(str(tmp_path))) == [
        "_late.py",
        "_node_cli.py",
        "_one.py",
        "_pkg/__init__.py",
        "_pkg/_sub/__init__.py",
        "_pkg/_sub/deep.py",
    ]


@pytest.mark.parametrize("command", ["", "check", "facts", "fabric", "tune"])
def test_help_on_the_oldest_python(program: Path, command: str) -> None:
    done = run(program, *command.split(), "--help", python=oldest_python())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: gpuforge-node")


def test_checks_on_the_oldest_python(program: Path, tmp_path: Path) -> None:
    for folder in ("etc", "var/lib/dpkg"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "var/lib/dpkg/status").write_text("")
    done = run(program, "check", "--root", str(tmp_path), "--format", "json", python=oldest_python())
    report = json.loads(done.stdout)
    assert done.returncode == 3
    assert report["verdict"] == "monitor"
    assert {item["status"] for item in report["checks"]} == {"skipped", "unknown"}


def test_facts_on_the_oldest_python(program: Path, tmp_path: Path) -> None:
    done = run(program, "facts", "--json", "--root", str(tmp_path), python=oldest_python())
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"gpu", "topology", "fabric"}


def test_it_starts_at_once(program: Path) -> None:
    """At most 0.2 s of CPU time more than Python itself takes, in the best of five: a scheduler's prolog runs it."""

    def best(*argv: str) -> float:
        times = []
        for _ in range(5):
            begin = os.times()
            subprocess.run([sys.executable, "-I", *argv], capture_output=True, check=True)
            end = os.times()
            times.append(end.children_user + end.children_system - begin.children_user - begin.children_system)
        return min(times)

    assert best(str(program), "--help") - best("-c", "") < 0.2


def test_the_script_writes_the_same_program(tmp_path: Path, repo: Path) -> None:
    output = tmp_path / "new" / "gpuforge-node"
    done = subprocess.run(
        [sys.executable, str(repo / "scripts" / "gpuforge_node.py"), str(output)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.read_bytes() == pack()
    assert output.stat().st_mode & 0o777 == 0o755
    assert f"{len(pack())} bytes" in done.stdout


def test_a_run_packs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pack_once(str(tmp_path)) == pack()
    monkeypatch.setattr(_zipapp, "pack", lambda **_: pytest.fail("packed again"))
    assert pack_once(str(tmp_path)).startswith(SHEBANG)
