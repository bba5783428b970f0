# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What GRUB reads and how it starts, as text and bytes: nothing here touches a file.

Paths: GRUB is found three ways, and all three end in /boot/grub/grub.cfg on the root file system, which the package's
``update-grub`` writes anew in the guest.

* BIOS: boot code in the first sector loads the core image from the BIOS boot partition.
* UEFI: the firmware starts EFI/BOOT/BOOTX64.EFI, which is shim; shim starts the signed GRUB beside it, and that reads
  the stub in EFI/debian (the folder built into the signed binary) or beside itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gpuforge.errors import GpuforgeError
from gpuforge.providers.local.disk import SECTOR, DiskPlan

CONSOLE: Final = "console=tty0 console=ttyS0,115200n8"
SERIAL: Final = "serial --unit=0 --speed=115200"
TIMEOUT_S: Final = 1  # seconds; long enough to hold a key on a serial console, short enough for a fleet

# Modules in the BIOS core image: what it takes to find the root file system and read grub.cfg; the rest is loaded from
# /boot/grub/i386-pc.
CORE_MODULES: Final = ("biosdisk", "part_gpt", "ext2", "search_fs_uuid", "normal")

# Offsets in GRUB's boot sector and in the first sector of its core image, from the sources of GRUB 2.06 and 2.12,
# include/grub/i386/pc/boot.h and include/grub/offsets.h.
_BOOT_CODE_BYTES: Final = 440  # the disk signature and the protective MBR's partition table follow
_KERNEL_SECTOR: Final = 0x5C
_DRIVE_CHECK: Final = 0x66
_BLOCKLIST: Final = 0x1F4
_KERNEL_SEGMENT: Final = 0x820  # 0x800 and one sector, where the boot sector's loader goes on
_NOP: Final = b"\x90"


@dataclass(frozen=True, slots=True)
class GrubSettings:
    """What /etc/default/grub and its drop-ins say. ``cmdline`` holds the kernel arguments for every boot."""

    cmdline: str
    title: str = "Linux"


def core_cfg(plan: DiskPlan) -> str:
    """The script inside the BIOS core image. GRUB goes on to its normal mode after it, which reads $prefix/grub.cfg.

    Starting grub.cfg from here instead would run it before the list of commands is read from $prefix.
    """
    return f"search.fs_uuid {plan.root_uuid} root\nset prefix=($root)/boot/grub\n"


def esp_stub(plan: DiskPlan) -> str:
    """grub.cfg on the ESP: the signed GRUB starts with it, in its normal mode."""
    return (
        f"search --no-floppy --fs-uuid --set=root {plan.root_uuid}\n"
        "set prefix=($root)/boot/grub\n"
        "configfile $prefix/grub.cfg\n"
    )


def default_dropin() -> str:
    """/etc/default/grub.d/50-gpuforge.cfg: the settings that ``update-grub`` uses in the guest.

    It sets the arguments of the console; drop-ins that sort after it append to GRUB_CMDLINE_LINUX.
    """
    return (
        "# Written by gpuforge when the image was assembled; update-grub reads it. Put your own settings into a file\n"
        '# that sorts after this one and append: GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX ..."\n'
        f"GRUB_TIMEOUT={TIMEOUT_S}\n"
        f'GRUB_CMDLINE_LINUX="{CONSOLE}"\n'
        'GRUB_CMDLINE_LINUX_DEFAULT=""\n'
        'GRUB_TERMINAL="console serial"\n'
        f'GRUB_SERIAL_COMMAND="{SERIAL}"\n'
        "GRUB_DISABLE_OS_PROBER=true\n"
    )


def grub_cfg(plan: DiskPlan, kernels: Sequence[str], settings: GrubSettings) -> str:
    """The first grub.cfg, for the boots until ``update-grub`` runs in the guest. *kernels* newest first, at least
    one."""
    lines = [
        "# Written by gpuforge when the image was assembled; update-grub replaces it.",
        "set default=0",
        f"set timeout={TIMEOUT_S}",
        SERIAL,
        "terminal_input console serial",
        "terminal_output console serial",
        f"search --no-floppy --fs-uuid --set=root {plan.root_uuid}",
    ]
    for kernel in kernels:
        lines += [
            f"menuentry '{settings.title.replace(chr(39), '')}, {kernel}' {{",
            f"  linux /boot/vmlinuz-{kernel} root=UUID={plan.root_uuid} ro {settings.cmdline}".rstrip(),
            f"  initrd /boot/initrd.img-{kernel}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def embed_core(boot_img: bytes, core_img: bytes, plan: DiskPlan) -> tuple[bytes, bytes]:
    """The boot code for the first sector and the core image for the BIOS boot partition, each knowing where the other
    is.

    This is what grub-bios-setup does to a disk with a BIOS boot partition.

    Raises:
        GpuforgeError: the images are not GRUB's or the core does not fit its partition.
    """
    if len(boot_img) != SECTOR or boot_img[-2:] != b"\x55\xaa":
        raise GpuforgeError("boot.img is not a boot sector", doing="embedding GRUB", hint="reinstall grub-pc-bin")
    padded = bytearray(core_img + bytes(-len(core_img) % SECTOR))
    sectors = len(padded) // SECTOR
    if not 2 <= sectors <= plan.bios.sectors:
        raise GpuforgeError(
            f"GRUB's core image has {sectors} sectors, its partition {plan.bios.sectors}", doing="embedding GRUB"
        )
    boot = bytearray(boot_img[:_BOOT_CODE_BYTES])
    struct.pack_into("<Q", boot, _KERNEL_SECTOR, plan.bios.start)
    # The sector first asks whether it came from a hard disk; GRUB's installer takes the jump out on hard disks.
    boot[_DRIVE_CHECK : _DRIVE_CHECK + 2] = _NOP * 2
    struct.pack_into("<QHH", padded, _BLOCKLIST, plan.bios.start + 1, sectors - 1, _KERNEL_SEGMENT)
    return bytes(boot), bytes(padded)
