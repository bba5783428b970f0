"""Which packages a machine needs, which it lacks, and how they are asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gpuforge.providers.local.tools import PACKAGES
from setup_steps import system
from setup_steps.problems import SetupError
from setup_steps.system import System

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n# a comment=1\n'


def test_os_release_is_read() -> None:
    assert system.parse_os_release(DEBIAN) == System("debian", "12")
    assert system.parse_os_release("ID=arch\n") == System("arch", "unknown")


def test_an_unknown_system_is_told_what_to_install(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text('ID=fedora\nVERSION_ID="42"\n')
    with pytest.raises(SetupError) as caught:
        system.this_system(file)
    text = str(caught.value)
    for part in ("fedora 42", "debian 12", "debian 13", "ubuntu 22.04", "ubuntu 24.04", "qemu-utils", "=skip"):
        assert part in text


@pytest.mark.parametrize("known", system.SUPPORTED)
def test_a_test_needs_what_a_bake_needs_and_more(known: tuple[str, str]) -> None:
    bake, test, slow = (set(system.packages_for(name, System(*known))) for name in system.SETS)
    assert bake < test <= slow
    assert {"mmdebstrap", "qemu-utils"} <= bake
    assert {"podman", "shellcheck"} <= test - bake


def test_the_interpreters_packages_come_along() -> None:
    assert "python3.11-venv" in system.packages_for("bake", System("debian", "12"), ("python3.11-venv",))


def fake_dpkg(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    done = subprocess.CompletedProcess([], 1, stdout=output, stderr="dpkg-query: no packages found matching x")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_kwargs: done)


def test_only_a_complete_installation_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dpkg(monkeypatch, "a installed\nb:amd64 installed\nc config-files\nd half-configured\n")
    assert system.missing(["a", "b", "c", "d", "e"]) == ("c", "d", "e")


@pytest.mark.parametrize(
    ("euid", "sudo", "terminal", "wanted"),
    [
        (0, None, False, ()),
        (0, "/usr/bin/sudo", True, ()),
        (1000, "/usr/bin/sudo", True, ("/usr/bin/sudo", "env", "http_proxy=p")),
        # Without a terminal a question for the password would hang or fail without a word.
        (1000, "/usr/bin/sudo", False, ("/usr/bin/sudo", "-n", "env", "http_proxy=p")),
        (1000, None, True, None),
    ],
)
def test_how_to_become_root(euid: int, sudo: str | None, terminal: bool, wanted: tuple[str, ...] | None) -> None:
    assert system.privilege(euid, {"http_proxy": "p", "HOME": "/x"}, sudo, terminal=terminal) == wanted


def test_without_root_and_sudo_the_message_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "privilege", lambda *_args, **_kwargs: None)
    with pytest.raises(SetupError) as caught:
        system.install(["mtools", "ovmf"])
    assert "run as root: apt-get update && apt-get install --yes --no-install-recommends mtools ovmf" in str(
        caught.value
    )


def test_root_installs_without_questions(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(system, "privilege", lambda *_args, **_kwargs: ())
    monkeypatch.setattr(system, "run", lambda _doing, argv, **_kwargs: ran.append(argv) or "")
    monkeypatch.setattr(system, "missing", lambda _packages: ())
    system.install(["mtools"])
    assert "needed from the system: mtools" in capsys.readouterr().err
    update, install = ran
    assert update[:4] == ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "apt-get"]
    assert install[4:8] == ["install", "--yes", "--no-install-recommends", "mtools"]


def test_apt_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "privilege", lambda *_args, **_kwargs: ())
    monkeypatch.setattr(system, "run", lambda *_args, **_kwargs: "")
    monkeypatch.setattr(system, "missing", lambda packages: tuple(packages))
    with pytest.raises(SetupError, match="not installed: mtools"):
        system.install(["mtools"])


def test_every_tool_that_the_builder_asks_for_comes_from_a_package_named_here() -> None:
    """The builder names a package for each tool that it misses; the set-up must have installed it."""
    # Parts of every Debian and Ubuntu.
    assert sorted(set(PACKAGES.values()) - set(system.BAKE) - {"tar", "util-linux"}) == []
