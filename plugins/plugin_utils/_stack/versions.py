# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Versions of the stack: dotted numbers, compared as numbers."""

from __future__ import annotations

import re
from typing import Tuple

_VERSION = re.compile(r"\d+(\.\d+)*")
_BRANCH = re.compile(r"\d{3}")


def is_version(text: object) -> bool:
    """Whether *text* is numbers with dots between them and nothing else."""
    return isinstance(text, str) and _VERSION.fullmatch(text) is not None


def is_branch(text: object) -> bool:
    """Whether *text* is a driver branch: three digits."""
    return isinstance(text, str) and _BRANCH.fullmatch(text) is not None


def order(version: str) -> Tuple[int, ...]:
    """What versions are sorted by; zeros at the end count for nothing, so 26.1 and 26.1.0 are the same.

    Raises ValueError for what is no version.
    """
    numbers = [int(part) for part in version.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def series(kernel: str) -> Tuple[int, int]:
    """The series of a kernel: 7.0 of 7.0.12 and of 7."""
    major, _, rest = kernel.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)


def branch_of(version: str) -> str:
    """The branch of a driver's version: its first number."""
    return version.partition(".")[0]


def minor_of(release: str) -> str:
    """The toolkit of a CUDA release: 13.2 of 13.2.1."""
    return ".".join(release.split(".")[:2])


def leading(version: str) -> str:
    """The numbers that a package's version begins with: 1.6.20 of 5:1.6.20~ds1-1; empty where it begins otherwise."""
    numbers = _VERSION.match(version.rpartition(":")[2].strip())
    return numbers[0] if numbers else ""


def upstream(version: str) -> str:
    """The version itself in a Debian package version: 535.261.03 of 1:535.261.03-1~deb12u1."""
    return version.rpartition(":")[2].partition("-")[0].strip()
