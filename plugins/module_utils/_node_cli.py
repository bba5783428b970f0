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
import tempfile
from typing import List, Optional, Sequence

PROGRAM = "gpuforge-node"
FORMATS = ("text", "json", "junit", "prometheus")
EXIT_USAGE = 2


def _names(text: str) -> List[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Says what this GPU node is and whether it is well.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    check = commands.add_parser(
        "check",
        help="check the node",
        description="Checks the node. Ends with 0 when nothing is wrong, 1 when a check failed, 3 when none failed but "
        "something could not be told, 2 when it was called wrongly.",
    )
    check.add_argument("--root", default="/", metavar="DIR", help="read an unpacked image or a captured tree")
    check.add_argument("--expect", metavar="FILE", help="expectations (default: /etc/gpuforge/expect.json if there)")
    check.add_argument("--only", type=_names, default=[], metavar="NAME,…", help="only these groups or checks")
    check.add_argument("--skip", type=_names, default=[], metavar="NAME,…", help="all but these groups or checks")
    check.add_argument("--format", choices=FORMATS, default="text", help="how to write the answers (default: text)")
    check.add_argument("--output", metavar="FILE", help="write there, in one step, instead of to standard output")
    check.add_argument("--list", action="store_true", help="name the checks that would run and end")
    check.set_defaults(run=_check)
    return parser


def _write_whole(path: str, text: str) -> None:
    """Put ``text`` at ``path`` in one step, so that a reader never sees half of it. Raises OSError."""
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, name = tempfile.mkstemp(prefix=".gpuforge-", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _check(args: argparse.Namespace) -> int:
    from ._health.expect import EXPECT_FILE, Expect, parse_expect_text
    from ._health.machine import Machine
    from ._health.render import FORMATS as RENDERERS
    from ._health.render import as_text
    from ._health.run import choose, run_checks
    from ._health.tree import Tree

    checks = choose(args.only, args.skip)
    if not os.path.isdir(args.root):
        raise NotADirectoryError(20, "--root is not a folder", args.root)
    tree = Tree(args.root)
    if args.expect:
        with open(args.expect, encoding="utf-8") as file:
            expect = parse_expect_text(file.read(), args.expect)
    elif tree.is_file(EXPECT_FILE):
        expect = parse_expect_text(tree.read_text(EXPECT_FILE), EXPECT_FILE)
    else:
        expect = Expect()
    if args.list:
        width = max(len(check.id) for check in checks)
        sys.stdout.write("".join(f"{check.id:<{width}}  {check.title}\n" for check in checks))
        return 0
    report = run_checks(Machine(tree, live=tree.root == "/", expect=expect), checks)
    text = RENDERERS[args.format](report)
    if args.output:
        _write_whole(args.output, text)
        text = as_text(report)
    sys.stdout.write(text)
    return report.exit_code


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
        # The reader went away; say so by the signal's usual code, and keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as exc:
        sys.stderr.write(f"{PROGRAM}: {exc.filename or 'output'}: {exc.strerror or exc}\n")
        return EXIT_USAGE
    return code
