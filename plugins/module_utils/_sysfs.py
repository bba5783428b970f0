# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reading of /sys and /proc below a root that may be a captured tree of another machine.

Everything is read below the root: an absolute symlink, or one with too many ``..``, leads to a place inside the
root, as it would after ``chroot``. Kernel files come and go while they are read, may be forbidden and may hold any
bytes: a reader gets ``None`` then, and what was forbidden (not what is merely absent) is kept in ``Tree.refused``.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import Dict, Iterable, List, Optional, Set, Tuple

from ._problem import problem

_MAX_LINKS = 40  # as the kernel's own limit (MAXSYMLINKS in include/linux/namei.h)
_MAX_BYTES = 1 << 20  # no file read here comes near; a bound for a hostile tree
_MAX_CPUS = 1 << 16  # far above the largest CONFIG_NR_CPUS (8192)
# Absent, gone while being read, or "has no value now" (EINVAL of `speed` when a link is down): not worth a word.
_ORDINARY = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EINVAL, errno.EISDIR, errno.EOPNOTSUPP, errno.ELOOP)
)


class Tree:
    """A file system tree read as if its root were ``/``.

    :param root: directory that stands for ``/``.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.realpath(root)
        self.refused: Dict[str, str] = {}  # path below the root -> why the kernel refused it
        self._resolved: Dict[str, Optional[str]] = {"": ""}

    def resolve(self, path: str) -> Optional[str]:
        """Return *path* with every symlink followed inside the root, or None when it does not exist."""
        found = self._resolve(path, 0)
        return found if found is None else found or "/"

    def _resolve(self, path: str, links: int) -> Optional[str]:
        done = ""
        for part in path.split("/"):
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]  # at the root itself this stays the root
                continue
            here = done + "/" + part
            if here not in self._resolved:
                try:
                    target = os.readlink(self._host(here))
                except OSError as exc:
                    if exc.errno != errno.EINVAL:  # EINVAL: exists and is no symlink
                        self._note(here, exc)
                        return None
                    self._resolved[here] = here
                else:
                    # A link that leads nowhere is remembered too: loops of links would be walked again and again.
                    onward = target if target.startswith("/") else done + "/" + target
                    self._resolved[here] = None if links >= _MAX_LINKS else self._resolve(onward, links + 1)
            known = self._resolved[here]
            if known is None:
                return None
            done = known
        return done

    def _host(self, resolved: str) -> str:
        return (self.root if self.root != "/" else "") + (resolved or "/")

    def _note(self, path: str, exc: OSError) -> None:
        if exc.errno not in _ORDINARY:
            self.refused[path] = exc.strerror or str(exc)

    def data(self, path: str) -> Optional[bytes]:
        """Return the bytes of a regular file (at most 1 MiB), or None."""
        where = self.resolve(path)
        if where is None:
            return None
        try:
            # O_NONBLOCK: a FIFO in a captured tree must not stop us; only regular files are read.
            handle = os.open(self._host(where), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    return None
                chunks: List[bytes] = []
                left = _MAX_BYTES
                while left > 0:
                    chunk = os.read(handle, min(left, 65536))
                    if not chunk:
                        break
                    chunks.append(chunk)
                    left -= len(chunk)
                return b"".join(chunks)
            finally:
                os.close(handle)
        except OSError as exc:
            self._note(where, exc)
            return None

    def text(self, path: str) -> Optional[str]:
        """Return the stripped text of a file, or None. Bytes that are not UTF-8 become U+FFFD, NULs are dropped."""
        data = self.data(path)
        return None if data is None else data.decode("utf-8", "replace").replace("\0", "").strip()

    def number(self, path: str) -> Optional[int]:
        """Return the whole number in a file (decimal, or hexadecimal with 0x), or None."""
        text = self.text(path)
        if text is None:
            return None
        try:
            return int(text, 16) if text.lower().startswith("0x") else int(text)
        except ValueError:
            return None

    def names(self, path: str) -> List[str]:
        """Return the sorted entries of a directory; empty when there is none."""
        where = self.resolve(path)
        if where is None:
            return []
        try:
            return sorted(os.listdir(self._host(where)))
        except OSError as exc:
            self._note(where, exc)
            return []

    def link_name(self, path: str) -> Optional[str]:
        """Return the last part of a symlink's target (the driver's name), whether or not the target exists."""
        parent = self.resolve(os.path.dirname(path))
        if parent is None:
            return None
        try:
            return os.path.basename(os.readlink(self._host(parent.rstrip("/") + "/" + os.path.basename(path))))
        except OSError as exc:
            self._note(path, exc)
            return None

    def problems(self) -> List[Dict[str, str]]:
        """Return a problem for each path the kernel refused to show."""
        return [problem("unreadable", f"{path}: {why}", path) for path, why in sorted(self.refused.items())]


def parse_cpulist(text: str) -> Set[int]:
    """Return the numbers of a kernel list such as ``0-3,8,16-31:2/4`` (cpulist, node list).

    :raises ValueError: when the text is not such a list.
    """
    result: Set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        if not part:
            continue
        match = re.match(r"^(\d+)(?:-(\d+)(?::(\d+)/(\d+))?)?$", part)
        if match is None:
            raise ValueError(f"not a kernel list of numbers: {part!r}")
        first = int(match.group(1))
        last = int(match.group(2)) if match.group(2) else first
        if last < first or last > _MAX_CPUS:
            raise ValueError(f"range out of order or too large: {part!r}")
        used, group = int(match.group(3) or 1), int(match.group(4) or 1)
        if group < 1 or used > group:
            raise ValueError(f"impossible stride: {part!r}")
        result.update(cpu for cpu in range(first, last + 1) if (cpu - first) % group < used)
    return result


def parse_cpumask(text: str) -> Set[int]:
    """Return the numbers of a kernel bit mask such as ``00ff00ff,00000000`` (32-bit groups, highest first).

    :raises ValueError: when the text is not such a mask.
    """
    groups = text.strip().split(",")
    if not all(re.match(r"^[0-9a-fA-F]{1,16}$", group) for group in groups):
        raise ValueError(f"not a kernel bit mask: {text.strip()!r}")
    # Groups are 32 bits wide; a single longer group (old 64-bit kernels) stands alone.
    bits = int("".join([groups[0]] + [group.zfill(8) for group in groups[1:]]), 16)
    return {cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1}


def format_cpulist(cpus: Iterable[int]) -> str:
    """Return numbers in the kernel's list form, ``0-3,8``; empty for none."""
    ranges: List[Tuple[int, int]] = []
    for cpu in sorted(set(cpus)):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1] = (ranges[-1][0], cpu)
        else:
            ranges.append((cpu, cpu))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
