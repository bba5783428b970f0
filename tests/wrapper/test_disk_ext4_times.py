# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Times in a real ext4 image: the tree alone decides them, and the file system stays sound."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuforge.errors import GpuforgeError
from gpuforge.providers.local import ext4_times
from gpuforge.providers.local.tools import find_tool

EPOCH = 1_700_000_000
OFFSET = 1 << 20


def _crc32c(data: bytes, seed: int) -> int:
    """CRC-32C, bit by bit, as the kernel seeds it."""
    crc = seed
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def _with_checksum(inode: bytes, seed: int) -> bytes:
    blank = bytearray(inode)
    struct.pack_into("<H", blank, 0x7C, 0)
    struct.pack_into("<H", blank, 0x82, 0)
    crc = _crc32c(bytes(blank), seed)
    struct.pack_into("<H", blank, 0x7C, crc & 0xFFFF)
    struct.pack_into("<H", blank, 0x82, crc >> 16)
    return bytes(blank)


@given(inode=st.binary(min_size=256, max_size=256), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 2**33))
def test_the_checksum_of_any_inode_stays_right_whatever_it_is_seeded_with(inode: bytes, seed: int, epoch: int) -> None:
    sound = _with_checksum(inode, seed)
    settled = ext4_times.settle_inode(sound, epoch, checksums=True)
    assert settled == _with_checksum(settled, seed)


@pytest.mark.parametrize(
    ("mtime", "epoch", "wanted"),
    [(1000, EPOCH, 1000), (EPOCH + 5, EPOCH, EPOCH), (-5, EPOCH, -5), (5_000_000_000, 4_999_999_999, 4_999_999_999)],
    ids=["older", "newer", "before 1970", "after 2038"],
)
def test_no_time_lies_after_the_epoch_and_all_equal_the_modification_time(mtime: int, epoch: int, wanted: int) -> None:
    def pack(value: int) -> tuple[int, int]:
        low = ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
        return low, (value - low) >> 32

    inode = bytearray(os.urandom(256))
    struct.pack_into("<i", inode, 0x10, pack(mtime)[0])
    struct.pack_into("<I", inode, 0x88, pack(mtime)[1] & 3)
    settled = ext4_times.settle_inode(bytes(inode), epoch, checksums=False)
    for seconds, extra in ((0x08, 0x8C), (0x0C, 0x84), (0x10, 0x88), (0x90, 0x94)):
        low, high = struct.unpack_from("<i", settled, seconds)[0], struct.unpack_from("<I", settled, extra)[0] & 3
        assert low + (high << 32) == wanted


def _make_tree(folder: Path, read_at: int) -> None:
    folder.mkdir()
    (folder / "a").mkdir()
    (folder / "a/b").write_text("text")
    (folder / "ä c").symlink_to("a/b")
    os.link(folder / "a/b", folder / "hard")
    for number in range(300):
        (folder / "a" / f"{number}").write_bytes(b"x" * number)
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (read_at, 1_600_000_000), follow_symlinks=False)


def _mkfs(tree: Path, image: Path, *options: str) -> None:
    with image.open("wb") as handle:
        handle.truncate(64 << 20)
    subprocess.run(
        [find_tool("mkfs.ext4") or "mkfs.ext4", "-q", "-F", "-U", "6f0d3c5e-5d0b-4b0e-9a54-8d1d1c0c7f1a", *options,
         "-E", f"offset={OFFSET},hash_seed=6f0d3c5e-5d0b-4b0e-9a54-8d1d1c0c7f1a", "-d", str(tree), str(image), "60M"],
        check=True, env={**os.environ, "E2FSPROGS_FAKE_TIME": str(EPOCH)},
    )  # fmt: skip


@pytest.mark.parametrize("options", [(), ("-O", "^metadata_csum,^64bit")], ids=["checksums", "plain"])
def test_two_copies_of_a_tree_become_the_same_bytes_and_a_sound_file_system(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    images = []
    for name, read_at in (("one", 1_600_000_100), ("two", 1_600_000_200)):
        _make_tree(tmp_path / name, read_at)
        image = tmp_path / f"{name}.img"
        _mkfs(tmp_path / name, image, *options)
        images.append(image)
    before = [image.read_bytes() for image in images]
    for image in images:
        ext4_times.settle_times(image, OFFSET, EPOCH)
    after = [image.read_bytes() for image in images]
    assert before[0] != before[1], "the copies had the same times to begin with: this test would show nothing"
    assert after[0] == after[1]
    alone = tmp_path / "alone.img"
    alone.write_bytes(after[0][OFFSET:])
    checked = subprocess.run(
        [find_tool("e2fsck") or "e2fsck", "-f", "-n", str(alone)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    shown = subprocess.run(
        [find_tool("debugfs") or "debugfs", "-R", "stat /a/b", str(alone)], capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"([acm]|cr)time: (0x\w+)", shown)) == {
        (kind, hex(1_600_000_000)) for kind in ("a", "c", "m", "cr")
    }


def test_what_is_no_ext4_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "zeros"
    image.write_bytes(bytes(1 << 16))
    with pytest.raises(GpuforgeError, match="no ext4"):
        ext4_times.settle_times(image, 0, EPOCH)
