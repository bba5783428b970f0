# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Values as nvidia-smi prints them: numbers with units, Yes/No, and the many ways to say that there is none.

A value that is absent or "N/A" is None, never 0 and never False; a value that should be there and cannot be read is
None and a named problem.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from ._problem import problem
from ._smi_tree import Element

# "There is no such value here": no fault. nvidia-smi prints these with and without brackets.
_ABSENT = frozenset(
    (
        "",
        "n/a",
        "not supported",
        "not found",
        "not available",
        "unknown",
        "no data",
        "function not found",
        "requested functionality has been deprecated",
    )
)
_LOST = re.compile(r"gpu is lost|fallen off the bus|gpu access blocked", re.IGNORECASE)
_RESET = re.compile(r"gpu requires reset|reset required", re.IGNORECASE)
# Texts of nvmlErrorString() that stand in place of a value (nvml.h, nvmlReturn_t).
_FAILED = re.compile(
    r"unknown error|err!|driver not loaded|timeout|irq issue|corrupted inforom|blocked the request|"
    r"version mismatch|in use by another client|insufficient (?:memory|external power|size)|"
    r"invalid argument",
    re.IGNORECASE,
)
_FORBIDDEN = re.compile(r"insufficient permissions", re.IGNORECASE)  # a fault only for the fields we are asked for
# The whole number or none of it: of ``12,5`` not 12, of ``0x10`` not 0.
_MOST = 2.0**64  # NVML's "no such value" of 64 bits, all ones, is no value either
_NUMBER = re.compile(r"^([-+]?\d+(?:\.\d+)?)\s*([A-Za-z%/()]*)(?![\w.,])")
# Every driver prints MiB; before 340 it was called MB. The others are for a program that thinks better of it.
_MEBIBYTES = {"mib": 1.0, "mb": 1.0, "kib": 1 / 1024, "gib": 1024.0, "tib": 1048576.0}
_TRUE = frozenset(("yes", "enabled", "active", "true", "supported"))
_FALSE = frozenset(("no", "disabled", "not active", "false", "inactive"))


def _bare(text: str) -> str:
    """Return the text without brackets around it and without repeated space."""
    return " ".join(text.replace("[", " ").replace("]", " ").split())


def is_absent(text: str) -> bool:
    """Return whether a printed value means that there is none."""
    return _bare(text).lower() in _ABSENT


def failure(text: str) -> Optional[str]:
    """Return ``gpu-lost``, ``gpu-requires-reset`` or ``field-unreadable`` when a text is an error, else None."""
    if _LOST.search(text):
        return "gpu-lost"
    if _RESET.search(text):
        return "gpu-requires-reset"
    return "field-unreadable" if _FAILED.search(text) else None


class Fields:
    """Typed access to one element's descendants, collecting what could not be read.

    :param element: the ``<gpu>`` or ``<mig_device>`` element.
    :param subject: the PCI address, for the problems.
    """

    def __init__(self, element: Element, subject: str) -> None:
        self.element = element
        self.subject = subject
        self.problems: List[Dict[str, str]] = []

    def text(self, *paths: str) -> Optional[str]:
        """Return the first usable text at one of *paths*, or None."""
        for path in paths:
            found = self.element.find(path)
            if found is None or is_absent(found.text) or failure(found.text) is not None:
                continue
            if _FORBIDDEN.search(found.text):
                self._unreadable(path, found.text)
                continue
            return _bare(found.text)
        return None

    def _unreadable(self, paths: str, text: str) -> None:
        self.problems.append(problem("field-unreadable", f"{paths}: cannot be read from {text[:80]!r}", self.subject))

    def real(self, *paths: str) -> Optional[float]:
        """Return a number, its unit dropped."""
        text = self.text(*paths)
        if text is None or text.lower() == "none":
            return None
        match = _NUMBER.match(text)
        if match is None or not abs(float(match.group(1))) < _MOST:
            self._unreadable(paths[0], text)
            return None
        return float(match.group(1))

    def whole(self, *paths: str, least: int = 0) -> Optional[int]:
        """Return a whole number, its unit dropped. Below *least* it is no count, and cannot be read."""
        value = self.real(*paths)
        if value is not None and value < least:
            self._unreadable(paths[0], f"{value:g}")
            return None
        return None if value is None else int(value)

    def mebibytes(self, *paths: str) -> Optional[int]:
        """Return an amount of memory in MiB."""
        text = self.text(*paths)
        if text is None or text.lower() == "none":
            return None
        match = _NUMBER.match(text)
        factor = _MEBIBYTES.get(match.group(2).lower()) if match else None
        amount = float(match.group(1)) * factor if match and factor else -1.0
        if not 0 <= amount < _MOST:
            self._unreadable(paths[0], text)
            return None
        return int(amount)

    def flag(self, *paths: str) -> Optional[bool]:
        """Return True for Yes/Enabled/Active, False for No/Disabled/Not Active."""
        text = self.text(*paths)
        if text is None or text.lower() == "none":
            return None
        # "Yes (needs a reboot)" and "Licensed (Expiry: N/A)" carry a remark in parentheses.
        word = text.split("(")[0].strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        self._unreadable(paths[0], text)
        return None

    def total(self, *paths: str) -> Optional[int]:
        """Return the sum of those of *paths* that hold a number, or None when none does."""
        found = [value for value in (self.whole(path) for path in paths) if value is not None]
        return sum(found) if found else None

    def sweep(self) -> None:
        """Name every value below the element that is an error text (processes excepted)."""
        by_kind: Dict[str, List[str]] = {}
        for path, text in self.element.leaves():
            kind = None if path.startswith(("processes", "accounted_processes")) else failure(text)
            if kind is not None:
                by_kind.setdefault(kind, []).append(path)
        for kind, where in sorted(by_kind.items()):
            what = {
                "gpu-lost": "the driver says the GPU is lost",
                "gpu-requires-reset": "the driver says the GPU must be reset",
            }.get(kind, "not readable")
            shown = ", ".join(where[:5]) + (f" and {len(where) - 5} more" if len(where) > 5 else "")
            self.problems.append(problem(kind, f"{what}: {shown}", self.subject))
