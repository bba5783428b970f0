# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The commands ``fabric`` and ``peermem`` of ``gpuforge-node``, run at boot by the services of the role multinode."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Callable

from ._health.model import EXIT_FAIL, EXIT_OK, HealthError
from ._node_commands import root_of, write_whole

_EDITED = (
    "gpuforge-node: {path}: {why}; nothing was written. Move your lines above gpuforge's marks, where they win, "
    "then run this with --force.\n"
)


def fabric(args: argparse.Namespace) -> int:
    """Write NCCL's settings for the fabric to standard output, or bring our block in a file up to date.

    1 when the file is left alone because somebody edited our block, and when a vendor's script failed.
    """
    from ._fabric_boot import read_at_boot
    from ._metadata import read_metadata
    from ._nccl_conf import render_nccl_conf

    if args.remove:
        return _remove(args.remove, args.force)
    root = root_of(args)
    live = os.path.realpath(root) == "/"
    found = read_at_boot(root, read_metadata(root)[0] if live else None, wait_s=args.wait, live=live)
    try:
        block = render_nccl_conf(found.facts)
    except ValueError as exc:
        raise HealthError(str(exc)) from exc
    if found.trouble:
        sys.stderr.write(f"gpuforge-node: {found.trouble}\n")
    code = EXIT_FAIL if found.trouble else EXIT_OK
    if not args.write:
        sys.stdout.write(block)
        return code
    return max(code, _put(args.write, block, found.facts["fabric"], args.force))


def read_file(path: str) -> str:
    """The text of a file of NCCL settings; nothing where there is none. Raises OSError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _put(path: str, block: str, name: str, force: bool) -> int:
    from ._nccl_block import put

    return _change(
        path, lambda before: put(before, block, force=force), f"unchanged, fabric {name}", f"written, fabric {name}"
    )


def _remove(path: str, force: bool) -> int:
    from ._nccl_block import take_out

    return _change(path, lambda before: take_out(before, force=force), "nothing of ours in it", "our block is gone")


def _change(path: str, make: Callable[[str], str], same: str, done: str) -> int:
    """Give a file the text that ``make`` makes of the present one, and say *same* or *done* with what changed."""
    from ._nccl_block import EditedError, changes

    before = read_file(path)
    try:
        after = make(before)
    except EditedError as exc:
        sys.stderr.write(_EDITED.format(path=path, why=exc))
        return EXIT_FAIL
    if before == after:
        sys.stdout.write(f"{path}: {same}\n")
        return EXIT_OK
    if after:
        # A link is somebody's choice of where the settings lie: the file it leads to is written.
        write_whole(os.path.realpath(path), after)
    else:
        os.unlink(path)
    sys.stdout.write(f"{path}: {done}\n" + "".join(f"  {line}\n" for line in changes(before, after)))
    return EXIT_OK


def peermem(args: argparse.Namespace) -> int:
    """Say whether nvidia-peermem is wanted, and load it if told so; 1 when it does not load."""
    from ._peermem import MODULE, decide
    from ._smi_run import run

    root = root_of(args)
    decision = decide(root, always=args.always)
    sys.stdout.write(f"{MODULE}: {'wanted' if decision.load else 'not wanted'}: {decision.why}\n")
    if not (args.load and decision.load and os.path.realpath(root) == "/"):
        return EXIT_OK
    answer = run(["/sbin/modprobe", MODULE], 60.0)
    if answer.failure:
        said = answer.errors.decode("utf-8", "replace").strip()
        sys.stderr.write(f"gpuforge-node: {answer.failure}{': ' + said if said else ''}\n")
        return EXIT_FAIL
    sys.stdout.write(f"{MODULE}: loaded\n")
    return EXIT_OK
