"""One sysctl key's description: what kind of value it takes and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, Tuple

INT_MAX = 2147483647
UINT_MAX = 4294967295
LONG_MAX = 9223372036854775807


@dataclass(frozen=True)
class Key:
    """One key: ``kind`` is int, ints, name, text, readonly, action, gone or pages.

    ``low``/``high`` bound each number; ``count`` is how many numbers; ``rising`` means none may be smaller than the
    one before; ``names`` are the known words of a ``name``; ``module`` must be loaded for the key to exist.
    """

    kind: str
    source: str
    low: int = 0
    high: int = LONG_MAX
    count: int = 1
    rising: bool = False
    names: Tuple[str, ...] = ()
    module: str = ""
    hint: str = ""


def ints(source: str, keys: Iterable[str], low: int = 0, high: int = INT_MAX, module: str = "") -> Dict[str, Key]:
    """A table part: several whole-number keys of one range and one source."""
    return {key: Key("int", source, low, high, module=module) for key in keys}
