# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a spec can expect of the booted node: ``verify.expect``.

The node's own check reads the same keys (a test compares the two): a mistake is found before the bake, not after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Rule = tuple[Callable[[object], bool], str]

# Names of the numbers that a node's checks compare with.
THRESHOLDS: Final = (
    "ecc_uncorrected_volatile",
    "ecc_uncorrected_aggregate",
    "rows_remapped_uncorrected",
    "temperature_c",
)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_thresholds(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        name in THRESHOLDS and (number is None or _is_number(number)) for name, number in value.items()
    )


_COUNT: Final = "a whole number, 0 or more"
_SWITCH: Final = "true or false"

# For each key, which values make sense, and in words.
EXPECT: Final[Mapping[str, Rule]] = {
    "count": (_is_count, _COUNT),
    "model": (_is_text, "text"),
    "driver": (_is_text, "text"),
    "image": (_is_switch, _SWITCH),
    "ecc": (_is_switch, _SWITCH),
    "mig": (_is_switch, _SWITCH),
    "persistence": (_is_switch, _SWITCH),
    "nvlinks": (_is_count, _COUNT),
    "pcie_width": (_is_count, _COUNT),
    "thresholds": (_is_thresholds, f"a mapping of numbers; names: {', '.join(THRESHOLDS)}"),
}
