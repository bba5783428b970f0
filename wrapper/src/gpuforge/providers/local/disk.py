# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The layout of an image's disk, as values: nothing here touches a file.

Every identifier on the disk comes from the image's digest, so that the same image is the same disk wherever and
whenever it is assembled.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from gpuforge.errors import Problem, Refused

SECTOR: Final = 512
MIB: Final = 1 << 20
GIB: Final = 1 << 30

# Partition types of the GPT: UEFI specification 2.10 (table 5.7) for the first, GRUB's manual ("BIOS installation")
# for the second, the Discoverable Partitions Specification (root, x86-64) for the third.
TYPE_ESP: Final = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
TYPE_BIOS_BOOT: Final = "21686148-6449-6E6F-744E-656564454649"
TYPE_ROOT_X86_64: Final = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"

# Numbers as on Debian's and Ubuntu's cloud images, so that /dev/sda1 is the root everywhere and tools that grow
# "partition 1" find it; on the disk it comes last, which is what makes it growable.
ROOT_NUMBER: Final = 1
BIOS_NUMBER: Final = 14
ESP_NUMBER: Final = 15

_BIOS_MIB: Final = 1
_ESP_MIB: Final = 126  # shim, GRUB and MokManager twice take 10 MiB; firmware updates are staged here too
_GPT_TAIL_MIB: Final = 1  # the backup table (33 sectors), rounded up to keep the root aligned

_NAMESPACE: Final = uuid.UUID("6f0d3c5e-5d0b-5b0e-9a54-8d1d1c0c7f1a")  # of all identifiers made here; random once
_BLOCK: Final = 4096
_INODE: Final = 256
_BYTES_PER_INODE: Final = 16384  # mke2fs.conf's ratio for file systems of this size
_RESERVED: Final = 0.01  # share of blocks kept for root (mkfs -m 1)
_JOURNAL: Final = (
    64 * MIB
)  # mke2fs takes 64 MiB up to 16 GiB of file system; more on larger disks, where it matters less
_SLACK: Final = 96 * MIB  # superblock copies, descriptors, and room to boot: logs, keys, cloud-init's files


@dataclass(frozen=True, slots=True)
class Partition:
    """One entry of the GPT. ``start`` and ``sectors`` count sectors of 512 bytes."""

    number: int
    name: str
    type_guid: str
    guid: uuid.UUID
    start: int
    sectors: int

    @property
    def offset(self) -> int:
        """First byte on the disk."""
        return self.start * SECTOR

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.sectors * SECTOR


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """The disk of one image. ``esp_volume_id`` is the FAT serial number (32 bits); the rest are GPT and ext4
    identifiers."""

    size_bytes: int
    disk_guid: uuid.UUID
    root_uuid: uuid.UUID
    hash_seed: uuid.UUID
    esp_volume_id: int
    root: Partition
    bios: Partition
    esp: Partition

    @property
    def esp_uuid(self) -> str:
        """The ESP's serial number as Linux writes it ("1A2B-3C4D")."""
        return f"{self.esp_volume_id >> 16:04X}-{self.esp_volume_id & 0xFFFF:04X}"


@dataclass(frozen=True, slots=True)
class TreeSize:
    """What a tree takes on an ext4 of 4 KiB blocks: ``bytes`` of data and directories, ``inodes`` in number."""

    bytes: int
    inodes: int


def make_plan(digest: str, size_gib: int) -> DiskPlan:
    """The disk of *size_gib* GiB for the image with this *digest* (any text; the same text gives the same disk)."""

    def ident(what: str) -> uuid.UUID:
        return uuid.uuid5(_NAMESPACE, f"{digest}:{what}")

    def partition(number: int, name: str, type_guid: str, start_mib: int, end_mib: int) -> Partition:
        per = MIB // SECTOR
        return Partition(number, name, type_guid, ident(name), start_mib * per, (end_mib - start_mib) * per)

    end = size_gib * GIB // MIB - _GPT_TAIL_MIB
    esp_start = 1 + _BIOS_MIB
    root_start = esp_start + _ESP_MIB
    return DiskPlan(
        size_bytes=size_gib * GIB,
        disk_guid=ident("disk"),
        root_uuid=ident("root file system"),
        hash_seed=ident("directory hash seed"),
        esp_volume_id=ident("ESP").fields[0],
        root=partition(ROOT_NUMBER, "root", TYPE_ROOT_X86_64, root_start, end),
        bios=partition(BIOS_NUMBER, "bios", TYPE_BIOS_BOOT, 1, esp_start),
        esp=partition(ESP_NUMBER, "esp", TYPE_ESP, esp_start, root_start),
    )


def sfdisk_script(plan: DiskPlan) -> str:
    """Input of sfdisk(8) that writes the plan's partition table."""
    lines = ["label: gpt", f"label-id: {plan.disk_guid}", "unit: sectors", "first-lba: 2048", ""]
    lines += [
        f"{part.number} : start={part.start}, size={part.sectors}, type={part.type_guid}, uuid={part.guid},"
        f" name={part.name}"
        for part in sorted((plan.root, plan.bios, plan.esp), key=lambda part: part.start)
    ]
    return "\n".join(lines) + "\n"


def capacity(plan: DiskPlan) -> TreeSize:
    """The largest tree that the plan's root can hold and still boot."""
    inodes = plan.root.bytes // _BYTES_PER_INODE
    usable = plan.root.bytes * (1 - _RESERVED) - inodes * _INODE - _JOURNAL - _SLACK
    return TreeSize(max(0, int(usable)), inodes)


def check_fit(plan: DiskPlan, tree: TreeSize) -> None:
    """Refuse a tree that does not fit.

    Raises:
        Refused: with the smallest ``disk.size_gib`` that does.
    """
    room = capacity(plan)
    if tree.bytes <= room.bytes and tree.inodes <= room.inodes:
        return
    size = plan.size_bytes // GIB
    enough = size + 1
    while (wider := capacity(make_plan("", enough))).bytes < tree.bytes or wider.inodes < tree.inodes:
        enough += 1
    raise Refused(
        f"the image needs {tree.bytes / GIB:.2f} GiB in {tree.inodes} files,"
        f" the root partition of a disk of {size} GiB holds {room.bytes / GIB:.2f} GiB in {room.inodes}",
        doing="assembling the disk",
        hint=f"set disk.size_gib to {enough} or more, or leave layers out",
        problems=[Problem("disk.size_gib", f"{size} is too small", f"at least {enough} is needed")],
    )


def raw_bytes(tree: TreeSize) -> int:
    """Bytes that the sparse raw file of *tree* takes on the builder's disk."""
    return tree.bytes + tree.inodes * _INODE + _SLACK


def mke2fs_features() -> str:
    """Features of mke2fs(8) to leave off, as its -O argument.

    GRUB 2.06 (Debian 12, Ubuntu 22.04) reads no file system with metadata_csum_seed, Linux before 5.15 none with
    orphan_file; newer ones lose nothing here without them.
    """
    return "^metadata_csum_seed,^orphan_file"


def block_roundup(size: int) -> int:
    """*size* bytes rounded up to blocks of ext4."""
    return -(-size // _BLOCK) * _BLOCK
