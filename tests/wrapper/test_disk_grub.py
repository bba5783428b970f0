# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""GRUB's files, and its core image in the place where the boot sector looks for it."""

from __future__ import annotations

import struct

import pytest

from gpuforge.errors import GpuforgeError
from gpuforge.providers.local import grub
from gpuforge.providers.local.disk import SECTOR, make_plan

PLAN = make_plan("x", 10)
BOOT = bytes(range(256)) + bytes(SECTOR - 256 - 2) + b"\x55\xaa"


def test_the_first_entry_is_the_newest_kernel_with_the_trees_own_arguments() -> None:
    text = grub.grub_cfg(PLAN, ["6.2", "6.1"], grub.GrubSettings("console=ttyS0 iommu=pt", "Debian"))
    entries = [line for line in text.splitlines() if line.startswith("menuentry")]
    assert entries == ["menuentry 'Debian, 6.2' {", "menuentry 'Debian, 6.1' {"]
    assert f"linux /boot/vmlinuz-6.2 root=UUID={PLAN.root_uuid} ro console=ttyS0 iommu=pt\n" in text
    assert "initrd /boot/initrd.img-6.2\n" in text
    assert text.index("vmlinuz-6.2") < text.index("vmlinuz-6.1")
    assert "set default=0\n" in text


def test_a_title_cannot_end_its_quotes() -> None:
    text = grub.grub_cfg(PLAN, ["6.1"], grub.GrubSettings("", "it's' {"))
    assert "menuentry 'its {, 6.1' {" in text


def test_every_start_finds_the_root_by_its_uuid() -> None:
    for text in (grub.core_cfg(PLAN), grub.esp_stub(PLAN), grub.grub_cfg(PLAN, ["6.1"], grub.GrubSettings(""))):
        assert str(PLAN.root_uuid) in text


def test_the_core_image_leaves_grub_cfg_to_grubs_normal_mode() -> None:
    # Started from the core image's own script, grub.cfg would run before GRUB knows where its commands are.
    assert "configfile" not in grub.core_cfg(PLAN)
    assert "configfile $prefix/grub.cfg" in grub.esp_stub(PLAN)


def test_the_drop_in_gives_the_guest_a_serial_console() -> None:
    assert 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200n8"\n' in grub.default_dropin()


def test_boot_sector_and_core_know_where_the_other_is() -> None:
    core = b"\xeb" * (5 * SECTOR + 7)
    boot, padded = grub.embed_core(BOOT, core, PLAN)
    assert len(boot) == 440
    assert struct.unpack_from("<Q", boot, 0x5C) == (PLAN.bios.start,)
    assert boot[0x66:0x68] == b"\x90\x90"
    assert boot[:0x5C] == BOOT[:0x5C]
    assert len(padded) == 6 * SECTOR
    assert struct.unpack_from("<QHH", padded, 0x1F4) == (PLAN.bios.start + 1, 5, 0x820)
    assert padded[SECTOR : len(core)] == core[SECTOR:]


@pytest.mark.parametrize(
    ("boot", "core", "message"),
    [
        (b"\0" * SECTOR, b"\0" * 2 * SECTOR, "not a boot sector"),
        (BOOT[:-1], b"\0" * 2 * SECTOR, "not a boot sector"),
        (BOOT, b"\0" * SECTOR, "has 1 sectors"),
        (BOOT, b"\0" * (PLAN.bios.bytes + 1), "its partition 2048"),
    ],
)
def test_what_is_not_grubs_is_refused(boot: bytes, core: bytes, message: str) -> None:
    with pytest.raises(GpuforgeError, match=message):
        grub.embed_core(boot, core, PLAN)
