# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Paths below another root directory: an unpacked image, a captured tree, or ``/`` itself.

A symbolic link in such a tree means what it would mean after ``chroot``: an absolute target starts at the tree's root
and ``..`` never leaves it. Opening the joined path instead would silently read the machine that does the reading.
"""

from __future__ import annotations

import os
from typing import List

MAX_LINKS = 40  # as Linux: path_resolution(7), "Maximum number of symbolic links"


def inside(root: str, path: str) -> str:
    """Return the host path of ``path`` as seen inside ``root``, every symbolic link followed inside ``root``.

    The last component need not exist.

    :raises OSError: more than 40 links were followed (a loop).
    """
    base = os.path.realpath(root)
    todo = _parts(path)
    done: List[str] = []
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            done = done[:-1]
            continue
        here = os.path.join(base, *done, part)
        if not os.path.islink(here):
            done.append(part)
            continue
        links += 1
        if links > MAX_LINKS:
            raise OSError("too many symbolic links in %s below %s" % (path, base))
        target = os.readlink(here)
        if target.startswith("/"):
            done = []
        todo = _parts(target) + todo
    return os.path.join(base, *done)


def read_text(root: str, path: str) -> str:
    """Return the text of a file inside ``root``; bytes that are no UTF-8 become U+FFFD.

    :raises OSError: it is missing or cannot be read.
    """
    with open(inside(root, path), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def names(root: str, path: str) -> List[str]:
    """Return the sorted names in a directory inside ``root``; an absent directory has none."""
    where = inside(root, path)
    return sorted(os.listdir(where)) if os.path.isdir(where) else []


def _parts(path: str) -> List[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
