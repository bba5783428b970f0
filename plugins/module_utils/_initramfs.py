# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Lists what is in an initramfs, and reads small files of it, without initramfs-tools.

An initramfs is one cpio archive after the other, each as it is or compressed, with zeros between them
(Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import subprocess
import zlib
from contextlib import contextmanager
from typing import IO, Any, Callable, Dict, Iterator, Mapping, Tuple

_MAGIC = (b"070701", b"070702")
_HEADER = 110  # bytes: the magic and 13 numbers of 8 hexadecimal digits
_LAST = "TRAILER!!!"
#: Bytes read at once where content is passed over.
_CHUNK = 1 << 16
#: Bytes of a file whose content is wanted; what is asked for are configuration files.
_LARGEST = 1 << 20

#: First bytes of what the standard library unpacks.
_LIBRARY: Mapping[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\xfd7zXZ": lzma.LZMAFile,
    b"]\x00\x00": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
}
#: First bytes of what needs a program: the initramfs was made with it, so it is there as a rule.
_PROGRAMS: Mapping[bytes, Tuple[str, ...]] = {
    b"\x28\xb5\x2f\xfd": ("zstd", "-dcq"),
    b"\x02\x21\x4c\x18": ("lz4", "-dcq"),
    b"\x04\x22\x4d\x18": ("lz4", "-dcq"),
}


class InitramfsError(Exception):
    """The image cannot be read or understood; the message says why."""


def read_initramfs(path: str, wanted: Callable[[str], bool]) -> Dict[str, bytes]:
    """``{name: content}`` of every file in the image, the content only of those whose name is ``wanted``.

    Names have no leading slash. Raises InitramfsError.
    """
    found: Dict[str, bytes] = {}
    try:
        with open(path, "rb") as file:
            _archives(file, wanted, found, packed=False)
    except (OSError, EOFError, lzma.LZMAError, zlib.error, ValueError) as exc:
        raise InitramfsError(f"{path}: {exc}") from exc
    except InitramfsError as exc:
        raise InitramfsError(f"{path}: {exc}") from exc
    return found


def _archives(file: IO[bytes], wanted: Callable[[str], bool], found: Dict[str, bytes], packed: bool) -> None:
    while True:
        start = _past_zeros(file)
        if not start:
            return
        start += file.read(6 - len(start))
        if start in _MAGIC:
            _archive(file, start, wanted, found)
            continue
        if packed:
            raise InitramfsError("no cpio archive where one should begin")
        with _unpacked(start, file) as inner:
            _archives(inner, wanted, found, packed=True)
        return


def _past_zeros(file: IO[bytes]) -> bytes:
    """The first byte that is not zero, empty at the end of the file."""
    while True:
        byte = file.read(1)
        if byte != b"\0":
            return byte


def _archive(file: IO[bytes], magic: bytes, wanted: Callable[[str], bool], found: Dict[str, bytes]) -> None:
    while True:
        header = magic + _exactly(file, _HEADER - len(magic))
        if header[:6] not in _MAGIC:
            raise InitramfsError("damaged cpio archive")
        numbers = [int(header[at : at + 8], 16) for at in range(6, _HEADER, 8)]
        size, name_size = numbers[6], numbers[11]
        # Name and content are each filled up so that what follows begins at a multiple of four.
        name = _exactly(file, name_size + -(_HEADER + name_size) % 4)[: name_size - 1].decode("utf-8", "replace")
        if name == _LAST:
            return
        name = name[2:] if name.startswith("./") else name.lstrip("/")
        if size <= _LARGEST and wanted(name):
            found[name] = _exactly(file, size)
        else:
            found[name] = b""
            _pass_over(file, size)
        _pass_over(file, -size % 4)
        magic = b""


def _exactly(file: IO[bytes], size: int) -> bytes:
    parts = []
    while size > 0:
        part = file.read(size)
        if not part:
            raise InitramfsError("cut short")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _pass_over(file: IO[bytes], size: int) -> None:
    while size > 0:
        size -= len(_exactly(file, min(size, _CHUNK)))


@contextmanager
def _unpacked(start: bytes, rest: IO[bytes]) -> Iterator[IO[bytes]]:
    """What a compressed part unpacks to; ``start`` was already read from it."""
    for magic, unpack in _LIBRARY.items():
        if start.startswith(magic):
            with unpack(_Joined(start, rest)) as file:
                yield file
            return
    for magic, argv in _PROGRAMS.items():
        if start.startswith(magic):
            with _through(argv, start, rest) as file:
                yield file
            return
    raise InitramfsError(f"unknown compression (it begins with {start.hex()})")


class _Joined(io.RawIOBase):
    """Bytes that were already read, then the rest of their file."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(data) :]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _through(argv: Tuple[str, ...], start: bytes, rest: IO[bytes]) -> Iterator[IO[bytes]]:
    program = shutil.which(argv[0])
    if program is None:
        raise InitramfsError(f"it is packed with {argv[0]}, which is not installed here")
    # The program reads the file itself, from where the compressed part begins; our own reading ahead must not count.
    os.lseek(rest.fileno(), rest.tell() - len(start), os.SEEK_SET)
    process = subprocess.Popen([program, *argv[1:]], stdin=rest, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        if process.stdout is None or process.stderr is None:
            raise InitramfsError(f"{argv[0]} has no output")
        yield process.stdout
        errors = process.stderr.read().decode("utf-8", "replace").strip()
        if process.wait() != 0:
            raise InitramfsError(f"{argv[0]} ended with {process.returncode}: {errors}")
    finally:
        process.kill()
        process.communicate()
