# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The command line. Parses, runs one command, and is the only place that prints errors and chooses the exit code.

Nothing heavy is imported here or above: ``gpuforge --help`` must answer at once. Commands import what they need.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from gpuforge import __version__
from gpuforge.console import Console
from gpuforge.errors import (
    EXIT_DONE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    GpuforgeError,
    Interrupted,
    UsageError,
)

WORK_DIR = ".gpuforge"
WORK_DIR_VARIABLE = "GPUFORGE_WORK_DIR"
# What a shell reports of a program that SIGPIPE ended: the reader went away (gpuforge list | head -1).
EXIT_PIPE = 141

_EPILOG = f"""\
exit codes:
  0 done   2 bad usage or spec   3 refused by the plan   4 a task failed on the machine   5 verification failed
  6 the cloud refused   7 clean-up incomplete   70 fault of gpuforge itself   130 interrupted

The work directory holds the cache and the images: --work-dir, or {WORK_DIR_VARIABLE}, or {WORK_DIR} here.
Results go to standard output, progress and errors to standard error.
"""


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, and knows the word that was meant."""

    def error(self, message: str) -> NoReturn:
        import difflib

        hint = f"see {self.prog} --help"
        if found := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", found[2])
            message = f'"{found[1]}" is not one of {", ".join(known)}'
            if near := difflib.get_close_matches(found[1], known, n=1):
                hint = f'did you mean "{near[0]}"? {hint}'
        raise UsageError(message, hint=hint)


def _add_common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """The global options, which may stand before and after the command; after it they leave no default behind."""

    def default(value: object) -> object:
        return value if top else argparse.SUPPRESS

    group = parser.add_argument_group("global options")
    group.add_argument("--work-dir", metavar="DIR", default=default(None), help="cache and images")
    group.add_argument("--json", action="store_true", default=default(False), help="results as JSON lines")
    group.add_argument("-v", "--verbose", action="count", default=default(0), help="more progress; twice: all of it")
    group.add_argument("--no-color", action="store_true", default=default(False), help="no colour (so does NO_COLOR)")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(
        prog="gpuforge",
        description="Bakes and checks images of NVIDIA GPU nodes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gpuforge {__version__}")
    _add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        _add_common(sub, top=False)
        return sub

    plan = command("plan", "what a bake would do: layers, digests, what is cached, refusals; touches nothing")
    plan.add_argument("spec", type=Path, metavar="SPEC", help="image spec (YAML)")
    plan.add_argument("--refresh", action="store_true", help="plan with a new package index")
    _add_provider(plan)

    bake = command("bake", "bake the image of a spec, boot it and check it")
    bake.add_argument("spec", type=Path, metavar="SPEC", help="image spec (YAML)")
    bake.add_argument(
        "--resume",
        action="store_true",
        help="go on with an interrupted bake; a local bake always goes on from the last whole layer: no change there",
    )
    bake.add_argument(
        "--keep-on-failure", action="store_true", help="leave the failed layer's files for a look at them"
    )
    bake.add_argument("--refresh", action="store_true", help="renew the package index and bake on it")
    bake.add_argument("--no-verify", action="store_true", help="do not boot the image: it stays unverified")
    _add_provider(bake)

    verify = command("verify", "boot an image and run its checks")
    verify.add_argument("image", metavar="IMAGE", help="id, the beginning of one, or the image's directory")

    command("list", "the images in the work directory")

    show = command("show", "one image: its files, checks, layers and versions")
    show.add_argument("image", metavar="IMAGE", help="id, the beginning of one, or the image's directory")

    diff = command("diff", "what changed from one image to another: base, layers, versions, variables, packages")
    diff.add_argument("old", metavar="A", help="image, or a manifest file")
    diff.add_argument("new", metavar="B", help="image, or a manifest file")

    collect = command("gc", "what is stale or leaked in the work directory; deletes only with --yes")
    collect.add_argument("--yes", action="store_true", help="delete what is listed")

    _add_stack(command("stack", "check a combination of driver, CUDA and GPUs, or find a working one, without a spec"))

    imports = command("import", "write a spec from the variables file of a Packer build")
    imports.add_argument("file", type=Path, metavar="FILE", help="for example my.pkrvars.hcl")
    imports.add_argument("-o", "--output", type=Path, metavar="SPEC", help="where to write (default: standard output)")
    imports.add_argument("--force", action="store_true", help="overwrite SPEC")
    return parser


def _add_stack(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        _add_common(sub, top=False)
        files = sub.add_argument_group("facts")
        files.add_argument("--compat", type=Path, metavar="FILE", help="your own facts (YAML), laid over gpuforge's")
        files.add_argument("--releases", type=Path, metavar="FILE", help="NVIDIA's releases.json, saved to a file")
        return sub

    check = verb("check", "whether a combination can work: every refusal and warning, the nearest one that works")
    check.add_argument("--driver", default="", metavar="V", help="version, branch, production, lts, newest or none")
    resolve = verb("resolve", "the exact versions that a word comes to")
    resolve.add_argument("words", nargs="+", metavar="WORDS", help='lts, 13.x, or "newest for H100 on Debian 12"')
    for sub in (check, resolve):
        sub.add_argument("--cuda", action="append", default=[], metavar="V", help="release, toolkit, 13.x or newest")
        sub.add_argument("--flavour", choices=("auto", "open", "proprietary"), default="auto", help="kernel module")
        sub.add_argument(
            "--source", choices=("nvidia", "distribution"), default="nvidia", help="where the driver is from"
        )
        sub.add_argument(
            "--os", "--distribution", default="", dest="distribution", metavar="NAME", help="such as debian12"
        )
        sub.add_argument("--gpu", action="append", default=[], metavar="NAME", help="product, generation or 10de:ID")
        sub.add_argument("--kernel", default="", metavar="V", help="kernel of the node")
        sub.add_argument("--fabricmanager", default="", metavar="V", help="version, or yes for the driver's own")
        sub.add_argument("--dcgm", default="", metavar="V", help="version or newest")
        sub.add_argument("--container-toolkit", default="", metavar="V", help="version or newest")
        sub.add_argument("--lock", action="append", default=[], metavar="NAME", help="locked Python environment")
        sub.add_argument("--allow-unknown", action="store_true", help="what nobody knows anything about only warns")
    verb("list", "the branches, toolkits and GPUs that are known")


def _add_provider(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", choices=("local", "gcp", "aws"), help="instead of the one in the spec")


def work_dir(option: str | None) -> Path:
    """The work directory, absolute."""
    return Path(option or os.environ.get(WORK_DIR_VARIABLE) or WORK_DIR).absolute()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP become an exception once; a second one must not disturb the clean-up that the first began."""
    seen = False

    def handle(number: int, _frame: object) -> None:
        nonlocal seen
        if not seen:
            seen = True
            raise Interrupted(f"stopped by {signal.Signals(number).name}")

    old = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit code."""
    console = Console("", sys.stdout, sys.stderr, json="--json" in argv, color="--no-color" not in argv)
    try:
        try:
            args = make_parser().parse_args(argv)
        except SystemExit as exc:  # --help and --version have answered
            return int(exc.code or 0)
        console.command, console.verbosity = args.command, args.verbose
        args.work_dir = work_dir(args.work_dir)
        from gpuforge import commands

        with _signals():
            code: int = commands.COMMANDS[args.command](args, console)
        sys.stdout.flush()
        return code
    except GpuforgeError as error:
        console.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        console.error(Interrupted("interrupted"))
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except Exception as exc:  # the last resort: whatever it is, the user gets a sentence
        return _internal(console, exc, "".join(argv[:1]))


def _internal(console: Console, exc: Exception, command: str) -> int:
    """An error that nobody foresaw: say so, keep the traceback for ``-v``."""
    if console.verbosity:
        import traceback

        console.stderr.write("".join(traceback.format_exception(exc)))
    again = (
        "report this with the traceback above" if console.verbosity else "run it again with -v and report the traceback"
    )
    text = " ".join(str(exc).split())
    console.error(
        GpuforgeError(
            f"unexpected {type(exc).__name__}{': ' + text if text else ''}",
            doing=f"gpuforge {console.command or command}".strip(),
            hint=f"this is a fault of gpuforge {__version__}: {again}",
            exit_code=EXIT_INTERNAL,
        )
    )
    return EXIT_INTERNAL


def entry() -> NoReturn:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding has no letters for must not end a bake.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))


__all__ = ["EXIT_DONE", "entry", "main", "make_parser", "work_dir"]
