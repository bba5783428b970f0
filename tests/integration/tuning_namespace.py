"""Run the tuning on the real kernel without touching this machine's values.

Started as ``unshare --mount --net --propagation private python tuning_namespace.py``: the network namespace has values
of its own below ``net``; all else below /proc/sys is mounted read-only over itself, so that the kernel refuses a
mistake made here. Steps come as JSON on standard input, one result a step goes out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import TuningError
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_run import run

PROTECTED = ("abi", "crypto", "debug", "dev", "fs", "kernel", "sunrpc", "user", "vm", "xfs")


def mount(*argv: str) -> None:
    subprocess.run(["mount", *argv], check=True)


def make_root(root: Path) -> None:
    """A tree with the kernel's /proc (only net.* writable), a read-only /sys, and an empty /etc."""
    for name in ("proc", "sys", "etc", "run", "lib/modules"):
        (root / name).mkdir(parents=True)
    mount("-t", "proc", "proc", str(root / "proc"))
    for name in PROTECTED:
        place = root / "proc/sys" / name
        if place.is_dir():
            mount("--bind", str(place), str(place))
            mount("-o", "remount,bind,ro", str(place))
    mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(root / "etc"))


def step(root: Path, wanted: dict) -> object:
    """One step: ``tune`` (options), ``read`` (key), ``write`` (key, value), ``fill`` /etc, or a command."""
    if "tune" in wanted:
        options = dict(wanted["tune"])
        try:
            return run(options, options.pop("check_mode", False), Host(str(root)))
        except TuningError as exc:
            return {"failed": str(exc)}
    if "read" in wanted:
        return " ".join((root / "proc/sys" / wanted["read"].replace(".", "/")).read_text().split())
    if "write" in wanted:
        key, value = wanted["write"]
        (root / "proc/sys" / key.replace(".", "/")).write_text(value)
        return None
    if "fill" in wanted:
        try:
            with (root / "etc/filler").open("wb", buffering=0) as stream:
                while stream.write(b"x" * 1024):
                    pass
        except OSError as exc:
            return exc.strerror
    done = subprocess.run(
        wanted["command"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return [done.returncode, done.stdout.strip()]


def main() -> None:
    root = Path(sys.argv[1])
    make_root(root)
    json.dump([step(root, wanted) for wanted in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
