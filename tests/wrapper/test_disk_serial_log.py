# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The serial line tells a boot that goes on from each way of getting stuck."""

from __future__ import annotations

import pytest

from gpuforge.providers.local.serial_log import find_stuck, plain, tail

GOOD = """\
SeaBIOS (version 1.16.2-debian-1.16.2-1)
Booting from Hard Disk...
GRUB loading..
Welcome to GRUB!

  Booting `Debian, 6.1.0-56-cloud-amd64'

[    0.000000] Linux version 6.1.0-56-cloud-amd64
[    0.000000] Command line: BOOT_IMAGE=/boot/vmlinuz root=UUID=2d0428ca ro console=ttyS0 panic=0
Begin: Running /scripts/local-premount ... done.
[  OK  ] Reached target multi-user.target - Multi-User System.
localhost login: """


@pytest.mark.parametrize(
    ("kind", "last_lines"),
    [
        ("no-bootable-disk", "Boot failed: not a bootable disk\nNo bootable device."),
        ("no-bootable-disk", "BdsDxe: No bootable option or device was found."),
        ("no-bootable-disk", 'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0): Access Denied'),
        ("grub", "error: no such device: 2d0428ca.\nEntering rescue mode...\ngrub rescue> "),
        ("grub", "   Minimal BASH-like line editing is supported.\n\ngrub> "),
        ("grub", "error: file `/boot/vmlinuz' not found.\n Failed to boot both default and fallback entries.\n"),
        (
            "initramfs",
            "Gave up waiting for root.\nALERT!  UUID=2d does not exist.  Dropping to a shell!",
        ),
        ("initramfs", "BusyBox v1.35.0 (Debian) built-in shell (ash)\n\n(initramfs) "),
        ("emergency", "You are in emergency mode. After logging in, type ..."),
        ("panic", "[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
    ],
)
def test_each_way_of_getting_stuck_has_its_name(kind: str, last_lines: str) -> None:
    stuck = find_stuck(GOOD + "\n" + last_lines)
    assert stuck is not None
    assert stuck.kind == kind
    assert find_stuck(GOOD) is None


def test_the_message_quotes_the_line_that_decided() -> None:
    stuck = find_stuck("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\nCPU: 0")
    assert stuck is not None
    assert "Attempted to kill init! exitcode=0x00000100" in stuck.message
    assert "CPU" not in stuck.message


def test_control_sequences_are_taken_out() -> None:
    assert plain(b"\x1b[2J\x1b[01;01H\x1b[0;32m  OK  \x1b[0m\r\nnext\x00\xff\r\n") == "  OK  \nnext\ufffd\n"


def test_the_tail_leaves_out_empty_lines() -> None:
    assert tail("one\n\n  \ntwo  \nthree\n", 2) == ("two", "three")
