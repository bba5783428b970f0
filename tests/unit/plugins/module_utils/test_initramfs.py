"""Initramfs images of every packing, whole and damaged."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._initramfs import InitramfsError, read_initramfs
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import cpio

FILES = {"./etc/modprobe.d/a.conf": "blacklist nouveau\n", "usr/bin/tool": "x" * 70_001, "odd": "123"}
NAMES = {"etc/modprobe.d/a.conf", "usr/bin/tool", "odd"}
ARCHIVE = cpio(FILES)


def through(*argv: str) -> bytes:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return subprocess.run(argv, input=ARCHIVE, capture_output=True, check=True).stdout


PACKED = {
    "plain": lambda: ARCHIVE,
    "gzip": lambda: gzip.compress(ARCHIVE),
    "xz": lambda: lzma.compress(ARCHIVE),
    "lzma": lambda: lzma.compress(ARCHIVE, format=lzma.FORMAT_ALONE),
    "bzip2": lambda: bz2.compress(ARCHIVE),
    "zstd": lambda: through("zstd", "-c"),
    "lz4": lambda: through("lz4", "-c", "-l"),
}


def read(path: Path, content: bytes) -> dict[str, bytes]:
    path.write_bytes(content)
    return read_initramfs(str(path), lambda name: name.endswith(".conf"))


@pytest.mark.parametrize("kind", PACKED)
def test_every_packing(kind: str, tmp_path: Path) -> None:
    found = read(tmp_path / "initrd", PACKED[kind]())
    assert set(found) == NAMES
    assert found["etc/modprobe.d/a.conf"] == b"blacklist nouveau\n"
    assert found["odd"] == b""


@pytest.mark.parametrize("kind", PACKED)
def test_behind_an_early_archive(kind: str, tmp_path: Path) -> None:
    early = cpio({"kernel/x86/microcode/AuthenticAMD.bin": "m" * 5000})
    found = read(tmp_path / "initrd", early + b"\0" * (-len(early) % 512) + PACKED[kind]())
    assert set(found) == NAMES | {"kernel/x86/microcode/AuthenticAMD.bin"}


@pytest.mark.parametrize("kind", PACKED)
def test_cut_short_is_no_answer(kind: str, tmp_path: Path) -> None:
    content = PACKED[kind]()
    for length in (1, 5, 20, len(content) // 2, len(content) - 30):
        with pytest.raises(InitramfsError, match=str(tmp_path)):
            read(tmp_path / "initrd", content[:length])


@pytest.mark.parametrize("content", [b"MZ", b"070701" + b"z" * 200, ARCHIVE[:120] + b"\xff" * 300])
def test_nonsense_is_no_answer(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InitramfsError):
        read(tmp_path / "initrd", content)


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(InitramfsError, match="zstd, which is not installed"):
        read(tmp_path / "initrd", b"\x28\xb5\x2f\xfd" + b"\0" * 20)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InitramfsError, match="No such file"):
        read_initramfs(str(tmp_path / "initrd"), bool)
