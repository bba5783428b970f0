#!/usr/bin/env python3
"""Set this machine up for `make bake` or `make test`: system packages, then .venv, pinned with hashes.

Runs on any Python from 3.10 with nothing installed. A call that finds everything in place takes well under two
seconds and changes nothing.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from pathlib import Path

from setup_steps import environment, python, stamp, system
from setup_steps.commands import say
from setup_steps.problems import SetupError

REPO = Path(__file__).resolve().parent.parent
TARGETS = {"bake": "bake", "test": "test", "slow": "test-slow"}


def wanted_set(asked: str, last: stamp.Stamp | None) -> str:
    """Return the set to install: never a smaller one than what is there, or two targets would undo each other."""
    known = system.SETS
    return max(asked, last.wanted, key=known.index) if last is not None and last.wanted in known else asked


def set_up(repo: Path, asked: str, *, system_packages: bool) -> str:
    """Bring the machine to where a target can run.

    Args:
        repo: The checkout.
        asked: One of `system.SETS`.
        system_packages: False leaves the system's packages to the caller.

    Returns:
        What was done, or "" if everything was in place.

    Raises:
        SetupError: It cannot be done; nothing that was whole before is lost but the packages of .venv.
    """
    venv = repo / ".venv"
    stamp_file = venv / "gpuforge-setup.json"
    last = stamp.load(stamp_file)
    wanted = wanted_set(asked, last)
    here = system.this_system() if system_packages else None
    choice = python.choose(here)
    dpkg = stamp.dpkg_mtime_ns() if here else 0
    done = []
    if here is not None and (choice.packages or last is None or last.wanted != wanted or last.dpkg_mtime_ns != dpkg):
        needed = system.missing(system.packages_for(wanted, here, choice.packages))
        if needed:
            system.install(needed)
            done.append(f"{len(needed)} system packages")
            dpkg = stamp.dpkg_mtime_ns()
    pins = stamp.pins_of(wanted)
    now = stamp.Stamp(wanted, stamp.digest_of(repo, pins, choice.version), dpkg)
    if last is None or last.digest != now.digest:
        reason = "new" if last is None else "the pins, the Python or the set changed"
    else:
        reason = environment.damage(repo, venv)
    if reason:
        say(f".venv for `make {pins}`: {reason}")
        stamp_file.unlink(missing_ok=True)
        environment.build(repo, venv, pins, choice)
        if environment.damage(repo, venv):
            raise environment.clear_error(venv)
        done.append(".venv")
    if now != last:
        stamp.save(stamp_file, now)
    return " and ".join(done)


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, take the lock, set up; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=system.SETS, help="what to be ready for")
    args = parser.parse_args(argv)
    start = time.monotonic()
    lock = os.open(REPO / "requirements", os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up of this checkout is running; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        done = set_up(REPO, args.set, system_packages=os.environ.get("GPUFORGE_SYSTEM_PACKAGES") != "skip")
    except SetupError as exc:
        print(exc, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    finally:
        os.close(lock)
    if done:
        say(f"installed {done} in {time.monotonic() - start:.0f} s; ready for `make {TARGETS[args.set]}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
