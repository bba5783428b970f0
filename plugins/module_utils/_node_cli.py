# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The command line of ``gpuforge-node``, the program that answers on the node itself.

It is packed into one executable file (plugins/plugin_utils/_zipapp.py) and needs nothing but Python 3.9. What a
command needs is imported when it runs, so that ``--help`` and a Slurm prolog start at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Callable, List, Optional, Sequence

PROGRAM = "gpuforge-node"
FORMATS = ("text", "json", "junit", "prometheus")
EXIT_USAGE = 2
#: 128 + SIGPIPE, what a shell reports for a program whose reader went away.
EXIT_PIPE = 141


def _names(text: str) -> List[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _later(name: str) -> Callable[[argparse.Namespace], int]:
    """A command of _node_commands.py or _node_fabric.py, which is imported when the command runs."""

    def run(args: argparse.Namespace) -> int:
        from . import _node_commands, _node_fabric

        home = _node_fabric if name in ("fabric", "peermem") else _node_commands
        command: Callable[[argparse.Namespace], int] = getattr(home, name)
        return command(args)

    return run


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Says what this GPU node is and whether it is well.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    tree = argparse.ArgumentParser(add_help=False)
    tree.add_argument("--root", default="/", metavar="DIR", help="read an unpacked image or a captured tree")
    smi = argparse.ArgumentParser(add_help=False)
    smi.add_argument("--nvidia-smi", metavar="PROGRAM", help="the nvidia-smi to ask (default: from PATH)")

    facts = commands.add_parser("facts", parents=[tree, smi], help="what the node has: GPUs, topology, fabric")
    facts.add_argument("--json", action="store_true", help="everything, as the modules return it")
    facts.set_defaults(run=_later("facts"))

    check = commands.add_parser(
        "check",
        parents=[tree, smi],
        help="whether the node is well",
        description="Checks the node. Ends with 0 when nothing is wrong, 1 when a check failed, 3 when none failed but "
        "something could not be told, 2 when it was called wrongly.",
    )
    check.add_argument("--expect", metavar="FILE", help="expectations (default: /etc/gpuforge/expect.json if there)")
    check.add_argument("--only", type=_names, default=[], metavar="NAME,…", help="only these groups or checks")
    check.add_argument("--skip", type=_names, default=[], metavar="NAME,…", help="all but these groups or checks")
    check.add_argument("--format", choices=FORMATS, default="text", help="how to write the answers (default: text)")
    check.add_argument("--output", metavar="FILE", help="write there, in one step, and text to standard output")
    check.add_argument("--list", action="store_true", help="name the checks that would run and end")
    check.set_defaults(run=_later("check"))

    fabric = commands.add_parser("fabric", parents=[tree], help="the network between nodes, and NCCL's settings for it")
    where = fabric.add_mutually_exclusive_group()
    where.add_argument(
        "--write", metavar="FILE", help="bring our block in that file, such as /etc/nccl.conf, up to date"
    )
    where.add_argument("--remove", metavar="FILE", help="take our block out of that file again")
    fabric.add_argument("--force", action="store_true", help="also when our block was edited by hand")
    fabric.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="wait that long for adapters to come up"
    )
    fabric.set_defaults(run=_later("fabric"))

    peermem = commands.add_parser("peermem", parents=[tree], help="whether nvidia-peermem is wanted on this machine")
    peermem.add_argument("--load", action="store_true", help="load it if it is wanted")
    peermem.add_argument("--always", action="store_true", help="wanted also where DMA-BUF does its work")
    peermem.set_defaults(run=_later("peermem"))

    tune = commands.add_parser("tune", parents=[tree], help="kernel values that depend on the machine")
    tune.add_argument("--apply", action="store_true", help="set them; otherwise say what would be set")
    tune.add_argument("--format", choices=FORMATS[:2], default="text", help="how to write the answer (default: text)")
    tune.set_defaults(run=_later("tune"))

    from ._kernel_guard_cli import add_arguments, run

    kernel_guard = commands.add_parser("kernel-guard", help="whether the newest kernel has its driver, or must wait")
    add_arguments(kernel_guard)
    kernel_guard.set_defaults(run=run)
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line and give its exit code; errors of use go to standard error and end with 2."""
    args = make_parser().parse_args(argv)
    from ._health.model import HealthError

    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except HealthError as exc:
        sys.stderr.write(f"{PROGRAM}: {exc}\n")
        return EXIT_USAGE
    except BrokenPipeError:
        # Keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except OSError as exc:
        sys.stderr.write(f"{PROGRAM}: {exc.filename or 'output'}: {exc.strerror or exc}\n")
        return EXIT_USAGE
    return code
