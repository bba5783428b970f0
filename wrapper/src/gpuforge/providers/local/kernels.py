# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which kernels a tree can boot, newest first, by the order of Debian's versions (never by the kernel that is
running)."""

from __future__ import annotations

import re
from functools import cmp_to_key
from pathlib import Path

_PARTS = re.compile(r"(\D*)(\d*)")


def _weight(char: str) -> int:
    """Order of one character in a part without digits: "~" before the end, letters before the rest (deb-version(7))."""
    if char == "~":
        return -1
    if not char:
        return 0
    return ord(char) if char.isalpha() else ord(char) + 256


def compare_versions(left: str, right: str) -> int:
    """Negative, zero or positive as *left* is older than, as old as, or newer than *right*, by deb-version(7).

    Works on the upstream part only: kernel names have no epoch, and the dashes in them are ordinary characters.
    """
    lefts, rights = _PARTS.findall(left), _PARTS.findall(right)
    for index in range(max(len(lefts), len(rights))):
        (ltext, lnumber), (rtext, rnumber) = (
            parts[index] if index < len(parts) else ("", "") for parts in (lefts, rights)
        )
        for place in range(max(len(ltext), len(rtext))):
            order = _weight(ltext[place : place + 1]) - _weight(rtext[place : place + 1])
            if order:
                return order
        if order := int(lnumber or 0) - int(rnumber or 0):
            return order
    return 0


def newest_first(versions: list[str]) -> list[str]:
    """*versions* sorted, the newest first."""
    return sorted(versions, key=cmp_to_key(compare_versions), reverse=True)


def bootable_kernels(root: Path) -> list[str]:
    """Versions in the tree at *root* that have modules, a kernel image and an initramfs, newest first."""
    modules, boot = root / "usr/lib/modules", root / "boot"
    if not modules.is_dir():
        modules = root / "lib/modules"  # a tree from before the /usr merge
    names = [entry.name for entry in modules.iterdir()] if modules.is_dir() else []
    return newest_first(
        [name for name in names if (boot / f"vmlinuz-{name}").is_file() and (boot / f"initrd.img-{name}").is_file()]
    )
