# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a node is expected to be: the content of /etc/gpuforge/expect.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from .model import HealthError
from .thresholds import THRESHOLDS
from .tree import Tree

EXPECT_FILE = "/etc/gpuforge/expect.json"


@dataclass(frozen=True)
class Expect:
    """Expectations; None means that nothing in particular is expected.

    ``count``: number of GPUs. ``model``: text that each GPU's name contains, upper and lower case alike ("H100").
    ``driver``: driver version, whole ("535.309.01") or a branch ("535"). ``image``: whether the machine was made from
    an image that carries a manifest; false says that a missing manifest is in order. ``ecc``, ``mig``,
    ``persistence``: whether the mode is on. ``nvlinks``: active links of each GPU. ``pcie_width``: least number of
    PCIe lanes of each GPU. ``thresholds``: numbers that replace those of thresholds.py, None for one that shall not
    be judged.
    """

    count: Optional[int] = None
    model: Optional[str] = None
    driver: Optional[str] = None
    image: Optional[bool] = None
    ecc: Optional[bool] = None
    mig: Optional[bool] = None
    persistence: Optional[bool] = None
    nvlinks: Optional[int] = None
    pcie_width: Optional[int] = None
    thresholds: Mapping[str, Optional[float]] = field(default_factory=dict)

    def threshold(self, name: str) -> Optional[float]:
        """The number that is in force, None when nothing is judged."""
        return self.thresholds.get(name, THRESHOLDS[name].limit)

    @property
    def wants_gpu(self) -> bool:
        """Whether the node is said to have a GPU."""
        return bool(self.count) or (self.count is None and self.model is not None)

    @property
    def wants_driver(self) -> bool:
        """Whether the node is said to have the NVIDIA driver."""
        return self.wants_gpu or self.driver is not None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_thresholds(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        name in THRESHOLDS and (number is None or (isinstance(number, (int, float)) and not isinstance(number, bool)))
        for name, number in value.items()
    )


#: For each key, which values make sense and how to say so.
_RULES: Mapping[str, Tuple[Callable[[object], bool], str]] = {
    "count": (_is_count, "a whole number, 0 or more"),
    "model": (_is_text, "text"),
    "driver": (_is_text, "text"),
    "image": (_is_bool, "true or false"),
    "ecc": (_is_bool, "true or false"),
    "mig": (_is_bool, "true or false"),
    "persistence": (_is_bool, "true or false"),
    "nvlinks": (_is_count, "a whole number, 0 or more"),
    "pcie_width": (_is_count, "a whole number, 0 or more"),
    "thresholds": (_is_thresholds, "an object of numbers; names: " + ", ".join(THRESHOLDS)),
}


def version_matches(found: str, wanted: str) -> bool:
    """Whether a version is the wanted one or of the wanted branch: 535.309.01 is of 535 and of 535.309, not of 53."""
    return found == wanted or found.startswith(wanted.rstrip(".") + ".")


def parse_expect(data: object) -> Expect:
    """Check a decoded expectation. Raises HealthError that names every problem at once."""
    if not isinstance(data, Mapping):
        raise HealthError('the expectation must be a JSON object such as {"count": 8, "model": "H100"}')
    known = list(_RULES)
    problems: List[str] = []
    values: Dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            problems.append(
                f"unknown key {key!r}" + (f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(known)})")
            )
            continue
        is_right, words = _RULES[key]
        if value is not None and not is_right(value):
            problems.append(f"{key} must be {words}, not {json.dumps(value, default=str)}")
            continue
        if value is not None:
            values[key] = value
    if problems:
        raise HealthError("the expectation is wrong: " + "; ".join(problems))
    return Expect(**values)


def parse_expect_text(text: str, name: str) -> Expect:
    """As `parse_expect`, from the text of the file ``name``."""
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise HealthError(f"{name} is not JSON: {exc}") from exc
    try:
        return parse_expect(data)
    except HealthError as exc:
        raise HealthError(f"{name}: {exc}") from exc


def read_expect(
    tree: Tree, data: Optional[Mapping[str, Any]] = None, thresholds: Optional[Mapping[str, Any]] = None
) -> Expect:
    """What is expected of the machine: ``data`` when given, else its own file if it has one; ``thresholds`` win.

    Raises HealthError for expectations that make no sense, and OSError when the file cannot be read.
    """
    if data is not None:
        expect = parse_expect(data)
    elif tree.is_file(EXPECT_FILE):
        expect = parse_expect_text(tree.read_text(EXPECT_FILE), EXPECT_FILE)
    else:
        expect = Expect()
    if not thresholds:
        return expect
    return replace(expect, thresholds={**expect.thresholds, **parse_expect({"thresholds": thresholds}).thresholds})
