"""Compare and read kernel values the way the kernel prints them."""

from __future__ import annotations

from typing import Set


def cpu_set(text: str) -> Set[int]:
    """CPU numbers of a kernel list such as ``0-3,8``; an empty text is the empty set.

    Raises ValueError when the text is no such list.
    """
    found: Set[int] = set()
    for part in text.strip().split(","):
        if not part.strip():
            continue
        low, _dash, high = part.strip().partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found


def canonical(text: str, style: str = "plain") -> str:
    """The comparable form of what a file of this style holds.

    ``plain``: single spaces, no ends. ``choice``: the word in brackets, or the whole when there are none.
    ``cpulist``: every CPU written out.
    """
    words = text.split()
    if style == "choice":
        chosen = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
        return chosen[0] if chosen else " ".join(words)
    if style == "cpulist":
        try:
            return ",".join(str(cpu) for cpu in sorted(cpu_set(text)))
        except ValueError:
            return " ".join(words)
    return " ".join(words)


def same(found: str, wanted: str, style: str = "plain") -> bool:
    """True if the two texts mean one value to the kernel."""
    return canonical(found, style) == canonical(wanted, style)


def choices(text: str) -> Set[str]:
    """Every word a bracket file such as THP's ``enabled`` offers."""
    return {word.strip("[]") for word in text.split()}
