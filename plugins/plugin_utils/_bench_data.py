# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The collection's own thresholds and program for benchmarks, and how sizes are written."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Sequence

import yaml

_HERE = os.path.dirname(os.path.abspath(__file__))
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_KEYS = {"node_type", "nodes", "test", "least", "most", "unit", "from_bytes", "kind", "source", "certainty", "note"}


class ThresholdError(Exception):
    """Entries that cannot be used; the message names every one."""


def thresholds(own: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the user's entries, then those of the collection.

    :raises ThresholdError: with every problem of the user's entries.
    """
    problems = [f"thresholds[{index}]: {problem}" for index, entry in enumerate(own) for problem in _problems(entry)]
    if problems:
        raise ThresholdError("; ".join(problems))
    with open(os.path.join(_HERE, "benchmark_thresholds.yml"), encoding="utf-8") as file:
        known = yaml.safe_load(file)
    return [*own, *known]


def _problems(entry: Dict[str, Any]) -> List[str]:
    found = [f"unknown key {key}, known are {', '.join(sorted(_KEYS))}" for key in sorted(set(entry) - _KEYS)]
    found += [f"{key} is missing" for key in ("node_type", "test") if key not in entry]
    if "least" not in entry and "most" not in entry:
        found.append("least or most is missing")
    for key in ("least", "most", "from_bytes", "nodes"):
        value = entry.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0):
            found.append(f"{key} is {value!r}, not a number above 0")
    if entry.get("kind", "gate") not in ("gate", "measured"):
        found.append(f"kind is {entry['kind']!r}, not gate or measured")
    return found


def torch_program() -> str:
    """Return the text of the program that torchrun starts."""
    with open(os.path.join(_HERE, "torch_all_reduce.py"), encoding="utf-8") as file:
        return file.read()


def parse_size(text: Optional[str]) -> Optional[int]:
    """Return bytes of ``8G``, ``512M``, ``4096``; None for None.

    :raises ValueError: it is no size.
    """
    if text is None:
        return None
    match = re.match(r"^\s*(\d+)\s*([KMG]?)(?:i?B)?\s*$", text, re.IGNORECASE)
    if match is None or int(match.group(1)) == 0:
        raise ValueError(f"{text!r} is no size: write bytes, or 512K, 64M, 8G")
    return int(match.group(1)) * _UNITS[match.group(2).upper()]
