# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads what a kernel module says about itself (version, vermagic) from the module file, without kmod.

A module is an ELF object; its section ``.modinfo`` is a list of NUL-terminated ``key=value`` texts
(include/linux/moduleparam.h of the kernel: __MODULE_INFO).
"""

from __future__ import annotations

import gzip
import lzma
import struct
import zlib
from typing import Callable, Dict, Mapping

# From elf.h: the header and the section header of a 64-bit little-endian object.
_ELF_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_MAGIC = b"\x7fELF\x02\x01"

_OPENERS: Mapping[str, Callable[[bytes], bytes]] = {
    ".ko": bytes,
    ".xz": lzma.decompress,
    ".gz": gzip.decompress,
}


class ModinfoError(Exception):
    """The module file cannot be read or understood; the message says why."""


class PackedModule(ModinfoError):
    """The module file is packed in a way that Python's library cannot undo."""


def parse_modinfo(blob: bytes) -> Dict[str, str]:
    """First value of each key in the ``.modinfo`` section of a module. Raises ModinfoError if that is not one."""
    if blob[:6] != _MAGIC:
        raise ModinfoError("not a 64-bit little-endian ELF file")
    try:
        header = _ELF_HEADER.unpack_from(blob)
        table, entry_size, entries, names_index = header[6], header[11], header[12], header[13]
        sections = [_SECTION.unpack_from(blob, table + entry_size * number) for number in range(entries)]
        names_at = sections[names_index][4]
        for section in sections:
            start = names_at + section[0]
            if blob[start : blob.index(b"\0", start)] == b".modinfo":
                return parse_pairs(blob[section[4] : section[4] + section[5]])
    except (struct.error, IndexError, ValueError) as exc:
        raise ModinfoError("the ELF file is cut short or damaged") from exc
    raise ModinfoError("no .modinfo section: not a kernel module")


def parse_pairs(section: bytes) -> Dict[str, str]:
    """First value of each key in NUL-terminated ``key=value`` texts: the section, or what ``modinfo -0`` prints."""
    found: Dict[str, str] = {}
    for entry in section.split(b"\0"):
        key, sign, value = entry.decode("utf-8", "replace").partition("=")
        if sign:
            found.setdefault(key, value)
    return found


def read_module(path: str) -> bytes:
    """The module file ``path`` (as the reading machine names it), unpacked.

    Plain, .xz and .gz files are read; .zst, which the standard library cannot unpack before Python 3.14, raises
    `PackedModule`. Everything else that goes wrong raises ModinfoError.
    """
    suffix = path[path.rindex(".") :]
    if suffix == ".zst":
        raise PackedModule(f"{path}: packed with zstd, which needs kmod's modinfo")
    opener = _OPENERS.get(suffix)
    if opener is None:
        raise ModinfoError(f"{path}: unknown compression {suffix}")
    try:
        with open(path, "rb") as file:
            return opener(file.read())
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as exc:
        raise ModinfoError(f"{path}: {exc}") from exc
    except OSError as exc:
        raise ModinfoError(f"{path}: {exc.strerror or exc}") from exc


def read_modinfo(path: str) -> Dict[str, str]:
    """What the module file ``path`` says about itself. Raises as `read_module`, and ModinfoError for what is none."""
    blob = read_module(path)
    try:
        return parse_modinfo(blob)
    except ModinfoError as exc:
        raise ModinfoError(f"{path}: {exc}") from exc
