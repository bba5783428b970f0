# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Seconds as people read them: ``0.4 s``, ``12.0 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes as people read them, in powers of 1024: ``512 B``, ``1.4 GiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
