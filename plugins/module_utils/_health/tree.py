# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads files of a machine that lies below some directory, as that machine itself would see them."""

from __future__ import annotations

import os
import stat
from fnmatch import fnmatchcase
from typing import Iterator, List, Sequence

from .._rootfs import inside


def _mode(path: str) -> int:
    """Kind and permissions of a file, 0 when there is none. Raises OSError when that cannot be told.

    ``os.path.exists`` and its kin say False then, which would make a forbidden folder look empty.
    """
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0


class Tree:
    """A file system below ``root``.

    All paths given and returned are the machine's own ("/etc/fstab"). Links are followed inside the root: an absolute
    link starts at ``root`` again and ``..`` stops there, so nothing outside is ever read by mistake.
    Methods raise OSError as the calls of ``os`` do, unless they say otherwise.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.realpath(root)

    def __repr__(self) -> str:
        return f"Tree({self.root!r})"

    def host(self, path: str) -> str:
        """Where the file of that name really lies on the machine that reads it, links followed."""
        return inside(self.root, path)

    def real(self, path: str) -> str:
        """``path`` with every link in it followed; parts that do not exist are kept as they are."""
        return "/" + self.host(path)[len(self.root) :].lstrip("/")

    def host_unfollowed(self, path: str) -> str:
        """As `host`, but a link in the last place is named, not followed."""
        parent, _slash, name = path.rstrip("/").rpartition("/")
        return os.path.join(self.host(parent), name)

    def exists(self, path: str) -> bool:
        """Whether the name is there, be it a file, a folder or a link to nowhere."""
        return _mode(self.host_unfollowed(path)) != 0

    def is_file(self, path: str) -> bool:
        """Whether it is a regular file, links followed."""
        return stat.S_ISREG(_mode(self.host(path)))

    def is_dir(self, path: str) -> bool:
        """Whether it is a folder, links followed."""
        return stat.S_ISDIR(_mode(self.host(path)))

    def is_link(self, path: str) -> bool:
        """Whether the last part of the path is a symbolic link."""
        return stat.S_ISLNK(_mode(self.host_unfollowed(path)))

    def stat(self, path: str) -> os.stat_result:
        """Stat of the file itself; a link in the last place is not followed."""
        return os.lstat(self.host_unfollowed(path))

    def read_bytes(self, path: str, limit: int = -1) -> bytes:
        """The content, at most ``limit`` bytes of it when that is not negative."""
        with open(self.host(path), "rb") as file:
            return file.read(limit)

    def read_text(self, path: str, limit: int = -1) -> str:
        """The content as text; bytes that are not UTF-8 become replacement characters."""
        return self.read_bytes(path, limit).decode("utf-8", "replace")

    def names(self, path: str) -> List[str]:
        """Sorted names in a folder; empty when there is no such folder."""
        try:
            return sorted(os.listdir(self.host(path)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def glob(self, pattern: str) -> List[str]:
        """Sorted paths that match; ``*`` does not match a leading dot, nor a slash."""
        found = [""]
        for part in (part for part in pattern.split("/") if part):
            if any(sign in part for sign in "*?["):
                found = [
                    f"{base}/{name}"
                    for base in found
                    for name in self.names(base or "/")
                    if fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
                ]
            else:
                found = [f"{base}/{part}" for base in found if self.exists(f"{base}/{part}")]
        return sorted(found)

    def files_below(self, top: str, leave_out: Sequence[str] = ()) -> Iterator[str]:
        """Every regular file below ``top``, by name; links are not followed, folders in ``leave_out`` not entered.

        Raises OSError for a folder that exists and cannot be read: what was not seen must not count as absent.
        """
        start = self.host(top)
        if not stat.S_ISDIR(_mode(start)):
            return

        def refuse(error: OSError) -> None:
            raise error

        for folder, folders, files in os.walk(start, onerror=refuse):
            inside = top.rstrip("/") + folder[len(start.rstrip("/")) :]
            folders[:] = sorted(name for name in folders if f"{inside}/{name}" not in leave_out)
            for name in sorted(files):
                if stat.S_ISREG(_mode(os.path.join(folder, name))):
                    yield f"{inside}/{name}"
