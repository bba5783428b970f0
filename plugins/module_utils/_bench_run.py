# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Run a benchmark for at most so long, and leave no process of it behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import List, Mapping, NamedTuple, Optional

MOST_BYTES = 64 << 20  # NCCL_DEBUG=TRACE of many ranks writes without end
_GRACE_S = 15.0  # mpirun needs some seconds to end its ranks on other nodes


class Ended(NamedTuple):
    """How a run ended. ``exit_code`` is None when its time was over, negative for a signal."""

    output: str
    exit_code: Optional[int]
    seconds: float


def run(argv: List[str], environment: Mapping[str, str], timeout: float) -> Ended:
    """Run a command to its end, or end it after *timeout* seconds.

    Output and errors come in one text: launchers write what went wrong into either.

    :raises OSError: the program cannot be started.
    """
    start = time.monotonic()
    # A file, not a pipe: a rank that survives would keep a pipe open and hold the reader.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", **environment},
            start_new_session=True,
        )
        try:
            code: Optional[int] = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
            _end(process)
        except BaseException:  # an interrupted module must not leave the nodes busy
            _end(process)
            raise
        output.seek(0)
        text = output.read(MOST_BYTES).decode("utf-8", "replace")
    return Ended(text, code, time.monotonic() - start)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself in this moment
            os.killpg(process.pid, number)
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return
    # Stuck in the kernel: forget it, or the interpreter would wait for it again.
    process.returncode = -signal.SIGKILL
