# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Finds the files that patterns of `_seal_rules` mean below a root, and what must not be touched while sealing."""

from __future__ import annotations

import os
import re
import stat
from fnmatch import fnmatchcase
from typing import Dict, Iterable, Iterator, List, Sequence, Tuple

from ._rootfs import inside, read_text

DISK_FILE_SYSTEMS = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "overlay", "vfat")
"""What a mount of an image itself can be; anything else mounted is not part of it."""


def homes(root: str) -> List[str]:
    """Return the homes of all users as paths inside ``root``, each once."""
    found = ["/root", "/etc/skel"]
    for line in read_text(root, "/etc/passwd").splitlines() if os.path.exists(inside(root, "/etc/passwd")) else ():
        fields = line.split(":")
        if len(fields) == 7 and fields[5].startswith("/"):
            found.append(os.path.normpath(fields[5]))
    parent = inside(root, "/home")
    found += [os.path.join("/home", name) for name in (os.listdir(parent) if os.path.isdir(parent) else [])]
    real: Dict[str, str] = {}
    for home in found:
        where = inside(root, home)
        if os.path.isdir(where):
            real.setdefault(where, home)
    return sorted(real.values())


def foreign_mounts(root: str, mountinfo: str) -> List[str]:
    """Return host paths below ``root`` where something is mounted that the image does not consist of.

    ``mountinfo`` is the text of /proc/self/mountinfo, proc_pid_mountinfo(5): field 4 is the folder of the mounted file
    system that is seen there (not "/" means a bind mount), field 5 the mount point, and the type follows a lone "-".
    """
    base = os.path.realpath(root)
    found = []
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        folder, point = fields[3], re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        kind = fields[fields.index("-") + 1]
        if point == base or not point.startswith(base.rstrip("/") + "/"):
            continue
        bound = folder != "/" and kind != "btrfs"
        if bound or kind not in DISK_FILE_SYSTEMS:
            found.append(point)
    return found


class Guard:
    """Knows which host paths are not to be touched: mounts of others, and the files of the running program."""

    def __init__(self, kept: Iterable[str]) -> None:
        self.kept = tuple(sorted({os.path.realpath(path) for path in kept}))

    def holds(self, path: str) -> bool:
        """Return whether ``path`` is kept itself or lies in something that is."""
        return any(path == kept or path.startswith(kept.rstrip("/") + "/") for kept in self.kept)

    def reaches_into(self, path: str) -> bool:
        """Return whether something kept lies below ``path``."""
        return any(kept.startswith(path.rstrip("/") + "/") for kept in self.kept)


def _entries(folder: str) -> List[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) and not os.path.islink(folder) else []


def _below(folder: str, guard: Guard) -> Iterator[str]:
    """Yield ``folder`` and every folder below it; links are not followed."""
    yield folder
    for name in _entries(folder):
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path) and not guard.holds(path):
            yield from _below(path, guard)


def _expand(folders: List[str], part: str, last: bool, guard: Guard) -> List[str]:
    """Return the host paths that one part of a pattern means in each of ``folders``."""
    if part == "**":
        deep = [path for folder in folders for path in _below(folder, guard)]
        return [os.path.join(folder, name) for folder in deep for name in _entries(folder)] if last else deep
    if not any(sign in part for sign in "*?["):
        return [path for path in (os.path.join(folder, part) for folder in folders) if os.path.lexists(path)]
    return [os.path.join(folder, name) for folder in folders for name in _entries(folder) if fnmatchcase(name, part)]


def find(root: str, patterns: Sequence[str], guard: Guard, users: Sequence[str]) -> List[str]:
    """Return the host paths that the patterns mean, sorted, each once; what the guard holds is left out.

    ``users`` are the homes that ``~`` stands for. The fixed head of a pattern may go through links (they are resolved
    inside ``root``); from the first wildcard on, links are names like others and are never followed.
    """
    found = set()
    for pattern in patterns:
        for whole in [user + pattern[1:] for user in users] if pattern.startswith("~") else [pattern]:
            found.update(_find_one(root, whole, guard))
    return sorted(path for path in found if not guard.holds(path))


def _find_one(root: str, pattern: str, guard: Guard) -> List[str]:
    parts = [part for part in pattern.split("/") if part]
    head: Tuple[str, ...] = ()
    for part in parts[:-1]:
        if any(sign in part for sign in "*?["):
            break
        head += (part,)
    start = inside(root, "/" + "/".join(head))
    folders = [start] if os.path.isdir(start) and not guard.holds(start) else []
    rest = parts[len(head) :]
    for number, part in enumerate(rest):
        folders = _expand(folders, part, number == len(rest) - 1, guard)
    return folders


def is_regular(path: str) -> bool:
    """Return whether ``path`` is a regular file and no link to one."""
    return stat.S_ISREG(os.lstat(path).st_mode)
