# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Order of kernel releases."""

from __future__ import annotations

import re
from typing import List, Tuple, Union

_NUMBER = re.compile(r"(\d+)")


def release_key(release: str) -> Tuple[Tuple[str, int], ...]:
    """A key that sorts kernel releases by their numbers: 6.1.0-9-amd64 comes before 6.1.0-56-cloud-amd64.

    A release candidate (6.12-rc5) comes before its release (6.12.0) because "-" sorts before ".".
    """
    parts = _NUMBER.split(release)
    texts, numbers = parts[0::2], [int(number) for number in parts[1::2]]
    return tuple(zip(texts, [*numbers, -1]))


def newest(releases: List[str]) -> Union[str, None]:
    """The newest release, or None of none."""
    return max(releases, key=release_key, default=None)
