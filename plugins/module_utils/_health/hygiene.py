# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``hygiene``: an image carries no secret, no identity and no traces of its making.

They prove what the role image_seal promises, and share no code with it. They mean something in an unpacked image and on
a machine right after its first boot; on a node that has been in use they are not asked unless named.
"""

from __future__ import annotations

import functools
import stat
from typing import Callable, List, Sequence

from .hygiene_traces import TRACES, Trace
from .leftovers import find, is_left
from .machine import Machine
from .model import Check, Outcome, failed, passed, unknown

#: How many paths are spelt out.
_SHOWN = 8


def of_a_system(ask: Callable[[Machine], Outcome]) -> Callable[[Machine], Outcome]:
    """Ask only where a system is: an empty or a wrong folder would pass every question about what must not be there."""

    @functools.wraps(ask)
    def asked(machine: Machine) -> Outcome:
        if not machine.tree.is_file("/etc/passwd"):
            return unknown("no /etc/passwd: this is not the tree of a system", remedy="Give the root of a system.")
        return ask(machine)

    return asked


def verdict_on(found: Sequence[str], expected: str) -> Outcome:
    """Fail with the paths that were found, pass when there are none."""
    if not found:
        return passed("none", expected)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return failed(", ".join(found[:_SHOWN]) + more, expected)


def traces(machine: Machine, trace: Trace) -> List[str]:
    """The paths of that kind that came with the image. Raises OSError."""
    found = []
    for path in find(machine, trace.patterns):
        if path.endswith(trace.harmless):
            continue
        info = machine.tree.stat(path)
        # A link holds nothing either (Debian 13 has one to /var/log/wtmp.db); what it leads to is judged where it lies.
        if trace.empty_is_fine and (stat.S_ISLNK(info.st_mode) or (stat.S_ISREG(info.st_mode) and info.st_size == 0)):
            continue
        if is_left(machine, path, by_change=trace.by_change):
            found.append(path)
    return found


def _asks_for(trace: Trace) -> Callable[[Machine], Outcome]:
    @of_a_system
    def ask(machine: Machine) -> Outcome:
        return verdict_on(traces(machine, trace), trace.title)

    return ask


#: After every failed check of this group.
SEAL_AGAIN = "Do not use this image; have the role image_seal remove it as the last layer and bake again."

CHECKS = tuple(
    Check(trace.id, trace.title, trace.severity, f"{trace.why} {SEAL_AGAIN}", _asks_for(trace)) for trace in TRACES
)
