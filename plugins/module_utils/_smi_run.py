# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Running nvidia-smi with a time limit that holds even when the driver does not answer any more."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, List, Optional

_MAX_OUTPUT = 64 << 20  # bytes; the largest capture seen is 0.2 MB for 8 GPUs
_GRACE = 2.0  # seconds to wait after SIGKILL: a process stuck in the driver never goes away, and must not hold us


@dataclass(frozen=True)
class Answer:
    """What a run of the program left. ``failure`` is empty when it ran and exited 0."""

    output: bytes = b""
    errors: bytes = b""
    code: Optional[int] = None
    failure: str = ""
    timed_out: bool = False
    started: bool = True


def find_program(program: Optional[str], root: str) -> Optional[str]:
    """Return the program to ask, or None when none is to be asked.

    A named program is always asked. Without a name it is looked for in PATH, and only when the root is ``/``: the
    driver of this machine knows nothing about a tree captured on another one.
    """
    if program:
        return program
    return shutil.which("nvidia-smi") if os.path.realpath(root) == "/" else None


def run(argv: List[str], timeout: float) -> Answer:
    """Run a program for at most *timeout* seconds. Never raises for what the program does."""
    # Files, not pipes: a child that survives SIGKILL would keep a pipe open and hold the reader.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=dict(os.environ, LC_ALL="C"),
                start_new_session=True,
            )
        except OSError as exc:
            return Answer(failure=f"{argv[0]} cannot be run: {exc.strerror or exc}", started=False)
        timed_out = False
        try:
            code: Optional[int] = process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out, code = True, None
            _kill(process)
        failure = ""
        command = " ".join(argv)
        if timed_out:
            failure = f"{command} did not answer within {timeout:g} s; it was killed"
        elif code and code < 0:
            failure = f"{command} was killed by signal {-code}"
        elif code:
            failure = f"{command} exited with code {code}"
        return Answer(_content(output), _content(errors), code, failure, timed_out)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself in this moment
        os.killpg(process.pid, signal.SIGKILL)  # its own session: children too, and nobody else
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        # Uninterruptible sleep in the driver. Popen would wait for it again when garbage collected: forget it.
        process.returncode = -signal.SIGKILL


def _content(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(_MAX_OUTPUT)
