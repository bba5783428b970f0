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


def describe(path: str) -> str:
    """Return one line with everything of the file at `path` that may not change."""
    info = os.lstat(path)
    head = "mode=%o owner=%d:%d" % (info.st_mode, info.st_uid, info.st_gid)
    if stat.S_ISLNK(info.st_mode):
        return "%s link=%s" % (head, os.readlink(path))
    if not stat.S_ISREG(info.st_mode):
        return head
    if info.st_size > HASHED_UP_TO:
        return "%s size=%d time=%d" % (head, info.st_size, info.st_mtime_ns)
    with open(path, "rb") as stream:
        return "%s sha256=%s" % (head, hashlib.sha256(stream.read()).hexdigest())


def files() -> dict[str, str]:
    """Return path -> description of every file of the root file system and of what is mounted in it."""
    found = {}
    for folder, folders, names in os.walk("/"):
        folders[:] = sorted(
            name for name in folders if os.path.join(folder, name) not in NEVER_LOOKED_AT and name != CACHE_DIRECTORY
        )
        for name in folders + names:
            path = os.path.join(folder, name)
            if path not in NEVER_LOOKED_AT:
                found[path] = describe(path)
    return found


def packages() -> dict[str, str]:
    """Return "package NAME" -> version and state (selection included, so that a hold is seen)."""
    argv = ["dpkg-query", "--show", "--showformat", "package ${binary:Package}\t${Version} ${Status}\n"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split("\t", 1) for line in lines)


def differences(before: dict[str, str], after: dict[str, str], allowed: list[str]) -> list[str]:
    """Return one line for each path or package that is new, gone or different and not allowed to be."""
    lines = []
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new or any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
            continue
        word = "new" if old is None else "gone" if new is None else "different"
        lines.append("%s: %s: %s -> %s" % (word, name, old, new))
    return lines


def main(arguments: list[str]) -> int:
    """Command line, see the text above."""
    action, state, allowed = arguments[0], arguments[1], arguments[2:]
    now = {**files(), **packages()}
    if action == "remember":
        with open(state, "w") as stream:
            json.dump(now, stream)
        return 0
    if action != "compare":
        raise SystemExit("tree_state: unknown action %s: remember or compare" % action)
    with open(state) as stream:
        found = differences(json.load(stream), now, allowed)
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
