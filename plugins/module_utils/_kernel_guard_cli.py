# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The command line of the kernel guard: ``gpuforge-node kernel-guard``, and a program of its own for the hooks.

The role nvidia_driver installs the small program with its hooks, so that they work before, and without, the checker.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from dataclasses import asdict
from typing import Optional, Sequence

EXIT_OK = 0
EXIT_HELD = 1
EXIT_ERROR = 2
_HELP = "keeps the boot loader on the newest kernel that has its NVIDIA driver"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the guard's options."""
    parser.add_argument("--root", default="/", metavar="DIR", help="a tree in a folder; GRUB itself is not run for it")
    parser.add_argument("--apply", action="store_true", help="set the default kernel; otherwise say what it should be")
    parser.add_argument("--grub-follows", action="store_true", help="leave update-grub to the caller (kernel packages)")
    parser.add_argument(
        "--signer", action="store_true", help="only name whose key modules must be signed with, and end"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing while the newest kernel is the default")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to answer (default: text)")


def run(args: argparse.Namespace) -> int:
    """Decide, apply if asked to, and say so.

    0: the newest kernel has its driver, or what is to be done was done (``--apply``: a kernel that must wait is no
    reason for a package manager to fail). 1: the newest kernel has no driver that may be loaded. 2: error.
    """
    from ._kernel_guard import GuardError, report
    from ._kernel_guard_run import guard
    from ._kernel_guard_tree import read_settings
    from ._machine import Host

    try:
        if not os.path.isdir(args.root):
            raise NotADirectoryError(errno.ENOTDIR, "--root needs a folder", args.root)
        if args.signer:
            settings = read_settings(args.root)
            sys.stdout.write("%s\n%s\n" % settings.signer if settings and settings.signer else "")
            return EXIT_OK
        done = guard(Host(args.root), apply=args.apply, grub_follows=args.grub_follows)
    except GuardError as exc:
        sys.stderr.write("kernel-guard: %s\n" % exc)
        return EXIT_ERROR
    except OSError as exc:
        sys.stderr.write("kernel-guard: %s: %s\n" % (exc.filename or "a file", exc.strerror or exc))
        return EXIT_ERROR
    decision = done.decision
    if args.format == "json":
        sys.stdout.write(json.dumps({"changed": done.changed, **asdict(decision)}, indent=2) + "\n")
    elif not args.quiet or decision.refused or done.changed:
        sys.stdout.write("".join("kernel-guard: %s\n" % line for line in report(decision)))
    return EXIT_HELD if decision.refused and not args.apply else EXIT_OK


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the guard as a program of its own and give its exit code."""
    parser = argparse.ArgumentParser(prog="kernel-guard", description="It %s." % _HELP)
    add_arguments(parser)
    return run(parser.parse_args(argv))
