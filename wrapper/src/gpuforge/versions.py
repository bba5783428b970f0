# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which of two versions is newer."""

from __future__ import annotations

import re

_CHUNKS = re.compile(r"(\D*)(\d*)")


def _weight(char: str) -> int:
    """Order of a character outside numbers: "~" before the end of the text, then letters, then the rest."""
    if char == "~":
        return -1
    return ord(char) + (0 if char.isalpha() else 256) if char else 0


def _compare_part(left: str, right: str) -> int:
    lefts, rights = _CHUNKS.findall(left), _CHUNKS.findall(right)
    for index in range(max(len(lefts), len(rights))):
        ltext, lnumber = lefts[index] if index < len(lefts) else ("", "")
        rtext, rnumber = rights[index] if index < len(rights) else ("", "")
        for place in range(max(len(ltext), len(rtext))):
            if order := _weight(ltext[place : place + 1]) - _weight(rtext[place : place + 1]):
                return order
        if order := int(lnumber or 0) - int(rnumber or 0):
            return order
    return 0


def split_debian(version: str) -> tuple[int, str, str]:
    """Epoch, upstream version and revision of a Debian version; an absent epoch is 0, an absent revision "0"."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")
    return int(epoch), upstream, revision


def compare_debian(left: str, right: str) -> int:
    """Negative, zero or positive as *left* is older than, the same as, or newer than *right*, by deb-version(7)."""
    (lepoch, lupstream, lrevision), (repoch, rupstream, rrevision) = split_debian(left), split_debian(right)
    return lepoch - repoch or _compare_part(lupstream, rupstream) or _compare_part(lrevision, rrevision)


def compare_python(left: str, right: str) -> int | None:
    """As ``compare_debian`` by PEP 440; None where one of the two is no version by that rule."""
    from packaging.version import InvalidVersion, Version

    try:
        one, other = Version(left), Version(right)
    except InvalidVersion:
        return None
    return (one > other) - (one < other)
