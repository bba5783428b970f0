# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Disks of a real Debian: the same bytes each time, booted by every firmware, and each fault told by its name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuforge.events import Event
from gpuforge.providers.local import guest_checks
from gpuforge.providers.local.boot import BootResult, verify_image
from gpuforge.providers.local.disk import make_plan
from gpuforge.providers.local.guest_checks import GuestCommand
from gpuforge.providers.local.qemu import Firmware
from tests.image.disk_maker import Wanted, make_disk

# A tree of its own and five boots; the quickstart boots in every run.
pytestmark = pytest.mark.slow

BOOT_SECONDS = 900.0
MORE = (
    GuestCommand("network", "ip -brief address show scope global"),
    GuestCommand("update-grub", "update-grub && cat /boot/grub/grub.cfg"),
    GuestCommand("sources", "cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -c ^deb"),
)


@pytest.fixture(scope="module")
def tree(request: pytest.FixtureRequest) -> Path:
    """A Debian that can boot: GPUFORGE_TEST_TREE, or the newest base of the work directory."""
    if given := os.environ.get("GPUFORGE_TEST_TREE"):
        return Path(given)
    work: Path = request.getfixturevalue("bookworm_base")
    return max((work / "bases").glob("*/tree"), key=lambda path: path.stat().st_mtime)


@pytest.fixture
def make(tree: Path, tmp_path: Path) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Makes a disk of the tree in a folder with an awkward name: the folder, and what the maker said."""

    def call(name: str = "a", **wanted: Any) -> tuple[Path, dict[str, Any]]:
        folder = tmp_path / f"dïsk, {name} b"
        folder.mkdir()
        answer = make_disk(Wanted(tree=str(tree), folder=str(folder), **wanted))
        return folder / "out", answer

    return call


def _boot(
    image: Path, firmware: Firmware, commands: tuple[GuestCommand, ...] | None, seconds: float = BOOT_SECONDS
) -> tuple[BootResult, list[Event]]:
    events: list[Event] = []
    scratch = image.parent / "scrätch, dir"
    scratch.mkdir()
    result = verify_image(
        image, firmware=firmware, scratch=scratch, emit=events.append, commands=commands, timeout_s=seconds
    )
    assert not list(scratch.iterdir()), "the overlay or the keys are still there"
    assert (image / f"boot-{firmware}.log").stat().st_size > 0
    return result, events


def test_the_same_tree_gives_the_same_disk(make: Callable[..., tuple[Path, dict[str, Any]]]) -> None:
    one, two = (make(name, formats=["raw"], size_gib=2)[1] for name in ("one", "two"))
    assert one["artifacts"] == two["artifacts"]
    assert one["left"] == ["disk.raw"]


@pytest.mark.parametrize("firmware", ["bios", "uefi", pytest.param("uefi-secure", marks=pytest.mark.slow)])
def test_it_boots(make: Callable[..., tuple[Path, dict[str, Any]]], firmware: Firmware) -> None:
    image, made = make()
    result, events = _boot(image, firmware, (*guest_checks.SYSTEM_COMMANDS, *MORE))
    assert result.errors == (), result.serial_tail
    assert result.ok
    assert result.state == "running"
    assert result.powered_off
    assert result.answers["firmware"].stdout.strip() == firmware
    assert result.answers["esp"].stdout.startswith("vfat")
    assert "10.0.2.15" in result.answers["network"].stdout
    written = result.answers["update-grub"].stdout
    assert f"root=UUID={make_plan('test', 4).root_uuid} ro console=tty0 console=ttyS0,115200n8" in written
    assert int(result.answers["sources"].stdout) >= 1
    digest = hashlib.sha256((image / "disk.qcow2").read_bytes()).hexdigest()
    assert digest == made["artifacts"]["qcow2"], "the boot has written to the image"
    assert events[0].status == "start"
    assert events[-1].status == "ok"


def test_a_disk_for_google_boots_from_its_tar_and_faults_are_all_told(
    make: Callable[..., tuple[Path, dict[str, Any]]],
) -> None:
    """One boot of an image that lacks the checker and the manifest and has a failing unit."""
    unit = "[Unit]\nDescription=fails\n[Service]\nType=oneshot\nExecStart=/bin/false\n"
    folder, want = "etc/systemd/system", "[Unit]\nWants=breaks.service\n"
    files = {f"{folder}/breaks.service": unit, f"{folder}/multi-user.target.d/breaks.conf": want}
    image, _ = make(formats=["gce"], files=files)
    (image / "manifest.json").write_text("{}\n")
    result, events = _boot(image, "bios", None)
    kinds = [finding.kind for finding in result.errors]
    assert kinds == ["state", "units", "check-missing", "command"], result.errors
    assert result.state == "degraded"
    assert result.failed_units == ("breaks.service",)
    error = result.error("image-1")
    assert error is not None
    assert error.exit_code == 5
    for part in (
        "breaks.service failed",
        "gpuforge-node is not in the image",
        "boot-bios.log",
        "last lines of the serial",
    ):
        assert part in error.render()
    assert events[-1].status == "failed"


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("panic", {"replace": {"boot/grub/grub.cfg": ("  initrd ", "  # initrd ")}}),
        ("initramfs", {"replace": {"boot/grub/grub.cfg": ("root=UUID=", "root=UUID=0bad-")}}),
        ("grub", {"files": {"boot/grub/grub.cfg": None}}),
        ("timeout", {"files": {"etc/systemd/system/ssh.service": "[Service]\nExecStart=/bin/sleep infinity\n"}}),
    ],
)
def test_a_boot_that_gets_stuck_is_told_by_its_kind(
    make: Callable[..., tuple[Path, dict[str, Any]]], kind: str, changes: dict[str, Any]
) -> None:
    image, _ = make(**changes)
    result, _ = _boot(image, "bios", guest_checks.SYSTEM_COMMANDS, 60 if kind == "timeout" else 700)
    assert [finding.kind for finding in result.errors] == [kind], result.serial_tail
    assert result.seconds_to_ssh is None
    assert len(result.serial_tail) > 5
    assert result.seconds < 720


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(
    make: Callable[..., tuple[Path, dict[str, Any]]], tree: Path
) -> None:
    big = {f"opt/{number}": "x" * (100 << 20) for number in range(5)}
    _, made = make(size_gib=1, files=big)
    assert made["exit_code"] == 3
    assert "set disk.size_gib to 2 or more" in made["error"]
    assert made["left"] == []


@pytest.mark.parametrize(("unchecked", "code"), [(False, 3), (True, 4)], ids=["before", "in the middle"])
def test_a_full_disk_is_told_with_what_it_takes_and_nothing_stays(
    make: Callable[..., tuple[Path, dict[str, Any]]], unchecked: bool, code: int
) -> None:
    _, made = make(room_mib=150, unchecked=unchecked)
    assert made["exit_code"] == code
    assert "bytes" in made["error"]
    assert "MiB" in made["error"]
    assert "out" in made["error"]
    assert made["left"] == []


def test_a_tree_that_cannot_boot_is_refused_with_everything_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "f").mkdir()
    made = make_disk(Wanted(tree=str(tmp_path / "empty"), folder=str(tmp_path / "f")))
    for part in ("shim-signed", "grub-efi-amd64-signed", "grub-pc-bin", "there is no kernel"):
        assert part in made["error"]
    assert made["left"] == []
