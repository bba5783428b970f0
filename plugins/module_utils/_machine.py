"""The only place that touches the machine: reading, writing and running, all below one root.

A symbolic link in a tree is followed inside that tree, never out of it.
"""

from __future__ import annotations

import glob
import os
import subprocess
from typing import List, Optional, Sequence, Tuple

#: Suffix of the file written before it is renamed into place; no reader of a ``*.d`` folder takes it.
TEMPORARY = ".gpuforge-new"


class Host:
    """A machine or the unpacked tree of one.

    ``root`` is ``/`` for the running machine. Paths given to the methods are absolute *inside* the root.
    """

    def __init__(self, root: str = "/") -> None:
        self.root = os.path.realpath(root)

    @property
    def running(self) -> bool:
        """True if the root is the machine that runs this code, so that programs may be started for it."""
        return self.root == "/"

    def real(self, path: str, follow_last: bool = True) -> str:
        """Where ``path`` lies on this disk, links resolved inside the root (at most 40 of them)."""
        if self.root == "/" and follow_last:
            return path
        done: List[str] = []
        todo = [part for part in path.split("/") if part]
        hops = 0
        while todo:
            part = todo.pop(0)
            if part == ".":
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            full = os.path.join(self.root, *done, part)
            if os.path.islink(full) and (todo or follow_last):
                hops += 1
                if hops > 40:
                    raise OSError(40, "Too many levels of symbolic links", path)
                target = os.readlink(full)
                if target.startswith("/"):
                    done = []
                todo = [step for step in target.split("/") if step] + todo
                continue
            done.append(part)
        return os.path.join(self.root, *done)

    def read(self, path: str) -> Optional[str]:
        """The file's text; None when it isn't there or can't be read (the caller says what that means)."""
        try:
            with open(self.real(path), "rb") as stream:
                return stream.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            return None

    def exists(self, path: str) -> bool:
        """True if something is at ``path`` (a dangling link is nothing)."""
        return os.path.exists(self.real(path))

    def readlink(self, path: str) -> Optional[str]:
        """The target text of a symbolic link, or None when ``path`` is none."""
        try:
            return os.readlink(self.real(path, follow_last=False))
        except OSError:
            return None

    def glob(self, pattern: str) -> List[str]:
        """Sorted paths inside the root that match a shell pattern."""
        prefix = "" if self.root == "/" else self.root
        return sorted(found[len(prefix) :] for found in glob.glob(prefix + pattern))

    def resolve(self, path: str) -> str:
        """The path inside the root that ``path`` finally names."""
        real = os.path.realpath(path) if self.root == "/" else self.real(path)
        return real if self.root == "/" else real[len(self.root) :] or "/"

    def writable(self, path: str) -> Tuple[bool, str]:
        """Whether the kernel lets us write a live value, and the reason when not."""
        real = self.real(path)
        if not os.path.exists(real):
            return False, "the running kernel has no such value"
        if os.statvfs(real).f_flag & os.ST_RDONLY:
            return False, "mounted read-only here (a container?)"
        if not os.access(real, os.W_OK):
            return False, "read-only for this process (a container, or a value the kernel only reports)"
        return True, ""

    def write_value(self, path: str, value: str) -> None:
        """Write one live kernel value in one write call; raises OSError with the kernel's answer."""
        handle = os.open(self.real(path), os.O_WRONLY | os.O_TRUNC)
        try:
            os.write(handle, (value + "\n").encode())
        finally:
            os.close(handle)

    def write_file(self, path: str, text: str, mode: int = 0o644) -> None:
        """Replace a file in one step: complete and on disk, or untouched. Raises OSError."""
        real = self.real(path)
        os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
        temporary = real + TEMPORARY
        try:
            with open(temporary, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                os.fsync(stream.fileno())
            os.rename(temporary, real)
        except OSError:
            if os.path.lexists(temporary):
                os.unlink(temporary)
            raise

    def write_link(self, path: str, target: str) -> None:
        """Make ``path`` a symbolic link to ``target``, replacing what is there in one step."""
        real = self.real(path, follow_last=False)
        os.makedirs(os.path.dirname(real), mode=0o755, exist_ok=True)
        temporary = real + TEMPORARY
        if os.path.lexists(temporary):
            os.unlink(temporary)
        os.symlink(target, temporary)
        os.rename(temporary, real)

    def remove(self, path: str) -> None:
        """Remove a file or link; one that is already gone is fine."""
        real = self.real(path, follow_last=False)
        if os.path.lexists(real):
            os.unlink(real)

    def missing_folders(self, path: str) -> List[str]:
        """Folders that writing ``path`` would make, outermost first."""
        parts = path.split("/")[1:-1]
        folders = ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]
        return [folder for folder in folders if not self.exists(folder)]

    def remove_folder(self, path: str) -> None:
        """Remove a folder if it is there and empty."""
        real = self.real(path, follow_last=False)
        if os.path.isdir(real) and not os.path.islink(real) and not os.listdir(real):
            os.rmdir(real)

    def run(self, argv: Sequence[str], timeout_s: float = 60.0) -> Tuple[int, str]:
        """Run a program of the running machine; returns its exit code and both outputs.

        A program that isn't there is exit code 127, one that hangs 124.
        """
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
        try:
            done = subprocess.run(
                list(argv),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            return 127, "%s is not installed" % argv[0]
        except subprocess.TimeoutExpired:
            return 124, "%s did not end within %d seconds" % (argv[0], timeout_s)
        return done.returncode, done.stdout.decode("utf-8", "replace").strip()
