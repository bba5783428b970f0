"""Run one command of the set-up: quietly, with a sign of life, its output kept for the error."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from .problems import SetupError, explain

#: Seconds between two signs of life of a long command.
HEARTBEAT_S = 15.0


def say(text: str) -> None:
    """Print one line of progress to standard error."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def run(doing: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None, context: str = "") -> str:
    """Run a command and return what it printed.

    Args:
        doing: What it is for; the line of progress and the subject of an error.
        argv: The command and its arguments; no shell.
        env: Variables to add to this process's environment.
        context: What an earlier command printed that may explain a failure of this one.

    Raises:
        SetupError: The command is missing or failed, with the cause where it is a known one.
    """
    say(f"{doing} …")
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            text=True,
            errors="replace",
        )
    except OSError as exc:
        raise SetupError(
            f"{doing} failed: {argv[0]} cannot be run ({exc.strerror}).", "install it, then run again"
        ) from exc
    lines: list[str] = []
    done = threading.Event()

    def show_life() -> None:
        while not done.wait(HEARTBEAT_S):
            say(f"  {time.monotonic() - start:.0f} s: {lines[-1].strip()[:100] if lines else 'working'}")

    watcher = threading.Thread(target=show_life, daemon=True)
    watcher.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
        code = process.wait()
    except BaseException:
        # Ctrl-C and the like: an installer left behind would write into a directory that the next run is making.
        process.kill()
        process.wait()
        raise
    finally:
        done.set()
    if code != 0:
        raise explain(doing, context + "".join(lines))
    say(f"  done in {time.monotonic() - start:.1f} s")
    return "".join(lines)
