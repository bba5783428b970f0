"""Remember the files and packages of a machine, and say later what differs. Runs on the machine itself.

    tree_state.py remember STATE            write what is there now to STATE
    tree_state.py compare STATE [GLOB …]    print each difference to STATE, exit 1 when there is one;
                                            paths that match a GLOB may differ

Used for two promises: check mode leaves nothing behind, and `<role>_state: absent` takes away what the
role put there. Standard library only; STATE should lie below /run, which is never looked at.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

NEVER_LOOKED_AT = {
    # kernel and run-time file systems
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/var/tmp",
    # where Ansible puts the module it is running
    "/root/.ansible",
    # apt writes these whenever it is only asked what it would do
    "/var/cache/apt/pkgcache.bin",
    "/var/cache/apt/srcpkgcache.bin",
    "/var/log/apt/eipp.log.xz",
    # the booted system writes these by itself, at any time
    "/var/log/journal",
    "/var/log/btmp",
    "/var/log/lastlog",
    "/var/log/wtmp",
    "/var/log/wtmp.db",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/timers",
    "/var/lib/systemd/timesync",
}
CACHE_DIRECTORY = "__pycache__"
"""Any Python program that runs as root may write byte code below such a folder."""
HASHED_UP_TO = 4 * 1024 * 1024
"""Files above this size in bytes are compared by size and time of change only."""


def describe(path: Path) -> str:
    """Return one line with everything of the file at `path` that may not change."""
    info = path.lstat()
    head = "mode=%o owner=%d:%d" % (info.st_mode, info.st_uid, info.st_gid)
    if stat.S_ISLNK(info.st_mode):
        return "%s link=%s" % (head, path.readlink())
    if not stat.S_ISREG(info.st_mode):
        return head
    if info.st_size > HASHED_UP_TO:
        return "%s size=%d time=%d" % (head, info.st_size, info.st_mtime_ns)
    return "%s sha256=%s" % (head, hashlib.sha256(path.read_bytes()).hexdigest())


def files() -> dict[str, str]:
    """Return path -> description of every file of the root file system and of what is mounted in it."""
    found = {}
    for name, folders, names in os.walk("/"):
        folder = Path(name)
        folders[:] = sorted(
            child for child in folders if str(folder / child) not in NEVER_LOOKED_AT and child != CACHE_DIRECTORY
        )
        for path in (folder / child for child in folders + names):
            if str(path) not in NEVER_LOOKED_AT:
                found[str(path)] = describe(path)
    return found


def packages() -> dict[str, str]:
    """Return "package NAME" -> version and state (selection included, so that a hold is seen)."""
    argv = ["dpkg-query", "--show", "--showformat", "package ${binary:Package}\t${Version} ${Status}\n"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split("\t", 1) for line in lines)


def packaged() -> set[str]:
    """Return the paths that belong to packages: these are told apart by package, not one by one."""
    paths = set()
    for listing in Path("/var/lib/dpkg/info").glob("*.list"):
        for line in listing.read_text().splitlines():
            path = Path(line)
            # Packages that still say /lib mean /usr/lib.
            paths |= {line, str(path.parent.resolve() / path.name)}
    return paths


def differences(before: dict[str, str], after: dict[str, str], allowed: list[str]) -> list[str]:
    """Return one line for each path or package that is new, gone or different and not allowed to be."""
    lines = []
    of_packages = packaged()
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new or any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
            continue
        if old is None and name in of_packages:
            continue
        word = "new" if old is None else "gone" if new is None else "different"
        lines.append("%s: %s: %s -> %s" % (word, name, old, new))
    return lines


def main(arguments: list[str]) -> int:
    """Command line, see the text above."""
    action, state, allowed = arguments[0], Path(arguments[1]), arguments[2:]
    now = {**files(), **packages()}
    if action == "remember":
        state.write_text(json.dumps(now))
        return 0
    if action != "compare":
        raise SystemExit("tree_state: unknown action %s: remember or compare" % action)
    found = differences(json.loads(state.read_text()), now, allowed)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
