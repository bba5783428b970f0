# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which kernels a tree can boot, newest first, by the order of Debian's versions (never by the kernel that is
running)."""

from __future__ import annotations

from functools import cmp_to_key
from pathlib import Path

from gpuforge.versions import compare_debian


def newest_first(versions: list[str]) -> list[str]:
    """*versions* sorted, the newest first."""
    return sorted(versions, key=cmp_to_key(compare_debian), reverse=True)


def bootable_kernels(root: Path) -> list[str]:
    """Versions in the tree at *root* that have modules, a kernel image and an initramfs, newest first."""
    modules, boot = root / "usr/lib/modules", root / "boot"
    if not modules.is_dir():
        modules = root / "lib/modules"  # a tree from before the /usr merge
    names = [entry.name for entry in modules.iterdir()] if modules.is_dir() else []
    return newest_first(
        [name for name in names if (boot / f"vmlinuz-{name}").is_file() and (boot / f"initrd.img-{name}").is_file()]
    )
