# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Our part of /etc/nccl.conf: a block between two marks, below whatever a person wrote there.

NCCL sets a variable from the first line that names it and never over the environment (NVIDIA/nccl 2.30.7
src/misc/param.cc: ``setenv`` without overwriting), so lines above the block win over it. The first mark carries a
digest of the block: a block that does not match it was edited by hand and is not touched.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Dict, List, Optional

_BEGIN = "# BEGIN gpuforge fabric sha256:"
_END = "# END gpuforge fabric"
_MARK = re.compile(r"^# BEGIN gpuforge fabric sha256:(\S*)$")


class EditedError(Exception):
    """The block was edited by hand, so that writing or removing it would lose somebody's work."""


@dataclass(frozen=True)
class Parts:
    """A file taken apart. ``block`` is None where there is none; ``own`` is all the rest, in its order."""

    own: str
    block: Optional[str]
    edited: str  # why the block counts as edited by hand; empty when it does not


def digest(block: str) -> str:
    """SHA-256 of a block's text, as the first mark carries it."""
    return hashlib.sha256(block.encode()).hexdigest()


def parse(text: str) -> Parts:
    """Take the text of a file apart."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if _MARK.match(line.rstrip("\n"))]
    if not starts:
        return Parts(text, None, "")
    start = starts[0]
    ends = [number for number in range(start + 1, len(lines)) if lines[number].rstrip("\n") == _END]
    if len(starts) > 1 or not ends:
        own = "".join(line for line in lines if not _MARK.match(line.rstrip("\n")) and line.rstrip("\n") != _END)
        return Parts(own, "", "the marks of gpuforge's block are not one first and one last")
    block = "".join(lines[start + 1 : ends[0]])
    found = _MARK.match(lines[start].rstrip("\n"))
    intact = found is not None and found.group(1) == digest(block)
    own = "".join(lines[:start] + lines[ends[0] + 1 :])
    return Parts(own, block, "" if intact else "lines between gpuforge's marks were edited by hand")


def put(text: str, block: str, *, force: bool = False) -> str:
    """Return the file's text with *block* as its last part, in place of an earlier block.

    :param force: replace a block that was edited by hand, too.
    :raises EditedError: the earlier block was edited by hand, and not *force*.
    """
    own = take_out(text, force=force)
    if own and not own.endswith("\n"):
        own += "\n"
    return f"{own}{_BEGIN}{digest(block)}\n{block}{_END}\n"


def take_out(text: str, *, force: bool = False) -> str:
    """Return the file's text without our block: what somebody else wrote, and nothing when nobody did.

    :raises EditedError: as in ``put``.
    """
    parts = parse(text)
    if parts.edited and not force:
        raise EditedError(parts.edited)
    return parts.own


def settings(text: str) -> Dict[str, str]:
    """Return what NCCL takes from a file: the first line that names a variable, ``#`` only in the first column."""
    found: Dict[str, str] = {}
    for line in text.replace("\r", "").splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, value)
    return found


def changes(before: str, after: str) -> List[str]:
    """Return what a new text changes for NCCL, one line a variable, such as ``+ NCCL_NET=gIB``."""
    old, new = settings(before), settings(after)
    lines = []
    for name in sorted({**old, **new}):
        if old.get(name) != new.get(name):
            lines += [f"- {name}={old[name]}"] if name in old else []
            lines += [f"+ {name}={new[name]}"] if name in new else []
    return lines
