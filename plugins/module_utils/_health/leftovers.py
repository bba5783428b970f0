# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Tells what was left in an image from what the machine made itself since it booted.

In an unpacked image everything found was left in it. On a machine that has just booted for the first time, whatever is
older than the boot came with the image.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Optional

from .machine import Machine

#: Seconds by which a file may seem older than the boot: the kernel reckons the moment of the boot from the clock as it
#: is now, which a time server may have moved since, and in whole seconds. Small, because a file that is left out by
#: mistake matters more than a false alarm.
SLACK = 10.0


class NoBootTime(OSError):
    """/proc/stat does not tell when the machine booted."""


def boot_time(machine: Machine) -> Optional[float]:
    """UNIX seconds of the boot, from ``btime`` in /proc/stat (proc(5)); None in an unpacked tree.

    Raises OSError when the booted machine does not tell.
    """
    if not machine.booted:
        return None
    found = re.search(r"^btime (\d+)$", machine.tree.read_text("/proc/stat"), re.MULTILINE)
    if found is None:
        raise NoBootTime(0, "no btime in it", "/proc/stat")
    return float(found.group(1))


def is_left(machine: Machine, path: str, *, by_change: bool = False) -> bool:
    """Whether the file came with the image.

    Its time of modification decides. ``by_change`` takes the time of the last change of the inode where that is
    later: for files whose time of modification is copied from elsewhere, such as downloads.
    """
    booted_at = boot_time(machine)
    if booted_at is None:
        return True
    info = machine.tree.stat(path)
    made = max(info.st_mtime, info.st_ctime) if by_change else info.st_mtime
    return made < booted_at - SLACK


def homes(machine: Machine) -> List[str]:
    """Every home: those that exist of /etc/passwd, whatever lies in /home, and what new homes are made of."""
    tree = machine.tree
    named = [line.split(":")[5] for line in tree.read_text("/etc/passwd").splitlines() if line.count(":") >= 6]
    found = {home.rstrip("/") for home in [*named, "/root", "/etc/skel", *tree.glob("/home/*")]}
    return sorted(home for home in found if home and tree.is_dir(home))


def find(machine: Machine, patterns: Iterable[str]) -> List[str]:
    """Sorted paths that match; a pattern that begins with ``~/`` is tried in every home."""
    found = set()
    for pattern in patterns:
        places = [home + pattern[1:] for home in homes(machine)] if pattern.startswith("~/") else [pattern]
        for place in places:
            found.update(machine.tree.glob(place))
    return sorted(found)
