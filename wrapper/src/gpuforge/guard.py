"""A keeper for privileged children: nothing they start or mount outlives the bake.

Three processes in a row::

    gpuforge ──pipe──> keeper ──> setpriv ─> unshare ──> the job (pid 1 of its own namespace)

The job runs in a private mount and pid namespace, so its mounts are invisible outside and its processes end with it.
The keeper holds the read end of a pipe whose only writer is gpuforge: when gpuforge dies, however it dies, the pipe
closes and the keeper kills the namespace and removes the scratch folder. If the keeper itself is killed, the
parent-death signal that ``setpriv`` sets does the killing; the scratch folder is then left for the next bake's sweep.

The keeper is this very file run as a script: it imports the standard library only, so that it starts in a few
milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SWEEP_SECONDS = 30.0  # how long the keeper tries to empty the scratch folder

# Namespaces of a job. --kill-child makes the death of `unshare` the death of pid 1, and so of everything in the
# namespace.
_NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private")
TOOLS = ("setpriv", "unshare")  # programs of the host that the guard needs

_EXIT_ENDED = 137  # of the keeper when it had to end the job


def job_argv(argv: Sequence[str]) -> list[str]:
    """Return *argv* wrapped so that it runs in its own namespaces and dies with its parent."""
    return ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *_NAMESPACES, "--", *argv]


class GuardedProcess:
    """A job under its keeper, seen from gpuforge. Use it as a context manager: leaving the block ends the job."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path, scratch: Path | None
    ) -> None:
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
        if scratch is not None:
            keeper += ["--scratch", str(scratch)]
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*keeper, "--", *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,  # Ctrl-C reaches gpuforge alone, which then ends the job in order
            )

    def __enter__(self) -> GuardedProcess:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the keeper."""
        return self._process.pid

    def lines(self) -> Iterator[str]:
        """Yield what the job writes to its standard output, line by line, until it ends."""
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            yield raw.decode("utf-8", "replace").rstrip("\n")

    def wait(self) -> int:
        """Wait for the job and return its exit status; a job that a signal killed has one that is not 0."""
        return self._process.wait()

    def stop(self) -> None:
        """End the job now if it still runs; the keeper then removes the scratch folder."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        # A second Ctrl-C must not leave while the keeper is still tidying up.
        while True:
            try:
                self._process.wait()
                break
            except KeyboardInterrupt:
                continue
        if self._process.stdout is not None:
            self._process.stdout.close()


def run_guarded(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    scratch: Path | None = None,
    on_line: Callable[[str], None],
) -> int:
    """Run *argv* under a keeper and return its exit status.

    *log* receives standard error; *on_line* each line of standard output. *scratch* is removed by the keeper if
    gpuforge dies or leaves early, and is left alone when the job ends by itself.
    """
    with GuardedProcess(argv, cwd=cwd, env=env, log=log, scratch=scratch) as job:
        for line in job.lines():
            on_line(line)
        return job.wait()


# --- the keeper's own side ------------------------------------------------------------


def _reap_all() -> None:
    """Wait until no child is left. As a subreaper the keeper also inherits the namespace's pid 1: after this all are
    dead."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _remove(scratch: str) -> bool:
    """Remove the scratch folder; a dying writer may still fill it for a moment, so try until it is gone."""
    deadline = time.monotonic() + _SWEEP_SECONDS
    while os.path.lexists(scratch) and time.monotonic() < deadline:
        shutil.rmtree(scratch, ignore_errors=True)
        if os.path.lexists(scratch):
            time.sleep(0.05)
    return not os.path.lexists(scratch)


def _keep(argv: list[str], scratch: str | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")
    wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake_write)

    asked_to_end = False

    def end(_signum: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_end
        asked_to_end = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)  # only to wake the poll below

    job = subprocess.Popen(job_argv(argv), stdin=subprocess.DEVNULL)
    while (status := job.poll()) is None and not asked_to_end:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
        if 0 in ready and not os.read(0, 4096):
            asked_to_end = True
    if status is None:
        job.kill()
        status = _EXIT_ENDED
        _reap_all()
        if scratch is not None and not _remove(scratch):
            print(f"gpuforge: the scratch folder {scratch} could not be removed", file=sys.stderr)
    else:
        _reap_all()
    return status if status >= 0 else 128 - status


def _main(arguments: list[str]) -> NoReturn:
    scratch: str | None = None
    if arguments[:1] == ["--scratch"]:
        scratch, arguments = arguments[1], arguments[2:]
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.exit("usage: guard.py [--scratch FOLDER] -- COMMAND [ARGUMENT ...]")
    sys.exit(_keep(arguments[1:], scratch))


if __name__ == "__main__":
    _main(sys.argv[1:])
