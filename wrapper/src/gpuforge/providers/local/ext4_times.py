# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Make the times in a fresh ext4 image depend on the tree alone.

``mkfs.ext4 -d`` copies the access and change times of the files, which differ between two copies of one tree and
after each read. Here every inode's access and change time becomes its modification time, and none lies after the
image's own time. The inodes carry checksums; CRC-32C is linear, so the new checksum follows from the old one and the
bits that changed, whatever they are seeded with.

Structures: Linux Documentation/filesystems/ext4, "Super Block", "Block Group Descriptors", "Index Nodes".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from gpuforge.errors import GpuforgeError

_MAGIC: Final = 0xEF53
_INCOMPAT_64BIT: Final = 0x80
_RO_COMPAT_METADATA_CSUM: Final = 0x400

# Offsets in an inode of 256 bytes: seconds (32 bits), and the extra word of 30 bits of nanoseconds and 2 of epoch.
_ATIME, _CTIME, _MTIME = 0x08, 0x0C, 0x10
_CTIME_EXTRA, _MTIME_EXTRA, _ATIME_EXTRA, _CRTIME, _CRTIME_EXTRA = 0x84, 0x88, 0x8C, 0x90, 0x94
_CHECKSUM_LOW, _CHECKSUM_HIGH = 0x7C, 0x82
_EXTRA_SIZE = 0x80
_MODE, _LINKS = 0x00, 0x1A
_CHANGED: Final = (*range(_ATIME, _MTIME + 4), *range(_CTIME_EXTRA, _CRTIME_EXTRA + 4))
_POLYNOMIAL: Final = 0x82F63B78  # CRC-32C, reflected


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the inodes are: ``inode_size`` bytes each; ``tables`` as (byte offset, inodes in use at its front)."""

    inode_size: int
    tables: tuple[tuple[int, int], ...]
    checksums: bool


def _read_layout(image: int, offset: int) -> _Layout:
    block0 = os.pread(image, 1024, offset + 1024)
    if struct.unpack_from("<H", block0, 0x38)[0] != _MAGIC:
        raise GpuforgeError("there is no ext4 file system where one was made", doing="setting times in the image")
    blocks = struct.unpack_from("<I", block0, 0x4)[0]
    first, log_size = struct.unpack_from("<II", block0, 0x14)
    per_group, inodes_per_group = struct.unpack_from("<I", block0, 0x20)[0], struct.unpack_from("<I", block0, 0x28)[0]
    incompat, ro_compat = struct.unpack_from("<II", block0, 0x60)
    size = 1024 << log_size
    wide = bool(incompat & _INCOMPAT_64BIT)
    descriptor = struct.unpack_from("<H", block0, 0xFE)[0] if wide else 32
    if wide:
        blocks |= struct.unpack_from("<I", block0, 0x150)[0] << 32
    groups = -(-(blocks - first) // per_group)
    raw = os.pread(image, groups * descriptor, offset + (first + 1) * size)
    tables = []
    for group in range(groups):
        entry = raw[group * descriptor : (group + 1) * descriptor]
        table, unused = struct.unpack_from("<I", entry, 0x8)[0], struct.unpack_from("<H", entry, 0x1C)[0]
        if wide:
            table |= struct.unpack_from("<I", entry, 0x28)[0] << 32
            unused |= struct.unpack_from("<H", entry, 0x32)[0] << 16
        if unused < inodes_per_group:
            tables.append((offset + table * size, inodes_per_group - unused))
    return _Layout(struct.unpack_from("<H", block0, 0x58)[0], tuple(tables), bool(ro_compat & _RO_COMPAT_METADATA_CSUM))


@cache
def _table() -> tuple[int, ...]:
    """CRC-32C of each byte, without start and end values."""
    out = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        out.append(crc)
    return tuple(out)


@cache
def _contributions(size: int) -> dict[int, tuple[int, ...]]:
    """By position: what each difference of that byte does to the checksum of an inode of *size* bytes."""
    table = _table()
    shifted = list(table)
    found: dict[int, tuple[int, ...]] = {}
    for position in range(size - 1, _ATIME - 1, -1):
        if position in _CHANGED:
            found[position] = tuple(shifted)
        shifted = [table[crc & 0xFF] ^ (crc >> 8) for crc in shifted]
    return found


def crc32c_raw(data: bytes) -> int:
    """CRC-32C of *data* with start and end values of zero: the linear part, which is all that a difference needs."""
    table, crc = _table(), 0
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def _settled(inode: bytes, epoch: int) -> bytes:
    """*inode* with its times settled, its checksum not yet."""
    new = bytearray(inode)
    seconds, extra = struct.unpack_from("<i", new, _MTIME)[0], struct.unpack_from("<I", new, _MTIME_EXTRA)[0]
    if seconds + ((extra & 3) << 32) >= epoch:
        # Seconds are 32 bits with sign; two more bits in the extra word count the wraps (until the year 2446).
        low = ((epoch & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
        seconds, extra = low, ((epoch - low) >> 32) & 3
    for place in (_ATIME, _CTIME, _MTIME):
        struct.pack_into("<i", new, place, seconds)
    for place in (_CTIME_EXTRA, _MTIME_EXTRA, _ATIME_EXTRA):
        struct.pack_into("<I", new, place, extra)
    struct.pack_into("<iI", new, _CRTIME, seconds, extra)
    return bytes(new)


def settle_inode(inode: bytes, epoch: int, *, checksums: bool) -> bytes:
    """One inode (256 bytes or more) with access, change and creation time equal to the modification time, and none of
    them after *epoch* (UNIX seconds); its checksum stays right where *checksums* says that it has one."""
    new = _settled(inode, epoch)
    if checksums and new != inode:
        delta, contributions = 0, _contributions(len(inode))
        for position in _CHANGED:
            if difference := inode[position] ^ new[position]:
                delta ^= contributions[position][difference]
        low, high = (
            struct.unpack_from("<H", inode, _CHECKSUM_LOW)[0],
            struct.unpack_from("<H", inode, _CHECKSUM_HIGH)[0],
        )
        out = bytearray(new)
        struct.pack_into("<H", out, _CHECKSUM_LOW, low ^ (delta & 0xFFFF))
        struct.pack_into("<H", out, _CHECKSUM_HIGH, high ^ (delta >> 16))
        new = bytes(out)
    return new


def _inodes(table: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(table), size):
        yield table[start : start + size]


def settle_times(image: Path, offset: int, epoch: int) -> None:
    """Settle the times of all inodes in use of the ext4 that starts at byte *offset* of *image*.

    Raises:
        GpuforgeError: there is no ext4 of inodes with extra times (256 bytes) there.
    """
    handle = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    try:
        layout = _read_layout(handle, offset)
        if layout.inode_size < 160:
            raise GpuforgeError(
                f"inodes of {layout.inode_size} bytes keep no precise times", doing="setting times in the image"
            )
        for start, count in layout.tables:
            table = os.pread(handle, count * layout.inode_size, start)
            new = b"".join(
                settle_inode(inode, epoch, checksums=layout.checksums)
                if inode[_MODE : _MODE + 2] != b"\0\0"
                and inode[_LINKS : _LINKS + 2] != b"\0\0"
                and inode[_EXTRA_SIZE] >= 24
                else inode
                for inode in _inodes(table, layout.inode_size)
            )
            if new != table:
                os.pwrite(handle, new, start)
    finally:
        os.close(handle)
