# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Programs of the host that assembling and booting an image need, and one way to run them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from gpuforge.errors import GpuforgeError, Problem, ToolMissing

# Administrators' tools are not on every user's PATH.
_ADMIN_FOLDERS: Final = ("/usr/sbin", "/sbin")
_ERROR_LINES: Final = 20  # of a failed program's standard error that the message quotes

# Debian's and Ubuntu's package of each program, for the hint.
PACKAGES: Final[Mapping[str, str]] = {
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "unshare": "util-linux",
    "mcopy": "mtools",
    "mkfs.ext4": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "openssl": "openssl",
    "pigz": "pigz",
    "qemu-img": "qemu-utils",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "sfdisk": "fdisk",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "tar": "tar",
}


class Runner(Protocol):
    """Runs one program to its end and returns what it printed; raises ``GpuforgeError`` where it fails."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        doing: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> bytes: ...


def search_path() -> str:
    """PATH with the administrators' folders at its end."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_ADMIN_FOLDERS])


def find_tool(name: str) -> str | None:
    """Path of the program *name*, or None."""
    return shutil.which(name, path=search_path())


def require_tools(names: Sequence[str], *, doing: str) -> None:
    """Check that all programs in *names* are there.

    Raises:
        ToolMissing: naming every one that is not, and its package.
    """
    missing = sorted({name for name in names if find_tool(name) is None})
    if missing:
        packages = sorted({PACKAGES.get(name, name) for name in missing})
        raise ToolMissing(
            f"{', '.join(missing)} not found",
            doing=doing,
            hint=f"apt-get install {' '.join(packages)}",
            problems=[
                Problem(name, "is not on this machine", f"package {PACKAGES.get(name, name)}") for name in missing
            ],
        )


def run(
    argv: Sequence[str],
    *,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> bytes:
    """Run *argv* with messages in English and return its standard output. *env* is added to the environment.

    Raises:
        GpuforgeError: the program is missing, failed, or was killed; its last lines of error output are in the message.
    """
    program = find_tool(argv[0])
    if program is None:
        raise ToolMissing(f"{argv[0]} not found", doing=doing, hint=f"apt-get install {PACKAGES.get(argv[0], argv[0])}")
    done = subprocess.run(
        [program, *argv[1:]],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PATH": search_path(), "LC_ALL": "C", **(env or {})},
        check=False,
    )
    if done.returncode != 0:
        how = (
            f"was killed by signal {-done.returncode}"
            if done.returncode < 0
            else f"ended with status {done.returncode}"
        )
        tail = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()[-_ERROR_LINES:]
        raise GpuforgeError("\n  | ".join([f"{shlex.join(argv)} {how}", *tail]), doing=doing, exit_code=4)
    return done.stdout


def die_with_parent() -> list[str]:
    """Prefix of a command line that lets the program be killed when the thread that started it ends, however it
    ends."""
    return [find_tool("setpriv") or "setpriv", "--pdeathsig", "KILL", "--"]
