"""The guard: nothing that a job starts or mounts outlives gpuforge, and a dead gpuforge's scratch folder goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuforge import guard

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT RUN: namespaces need root")

MARK = "271828"  # seconds that a stray sleep would sleep: the name by which it is found

# What a user of the guard does, as a process of its own that can be killed.
_USER = f"""
import os, sys
from pathlib import Path
from gpuforge.guard import GuardedProcess
scratch = Path(sys.argv[1])
script = "mount -t tmpfs guardtest /mnt; touch $0/half; echo up; sleep {MARK} & sleep {MARK}"
with GuardedProcess(["sh", "-c", script, str(scratch)], cwd=scratch, env=dict(os.environ), log=scratch / "log",
                    scratch=scratch) as job:
    for line in job.lines():
        print(line, job.pid, flush=True)
"""


def _sleepers() -> list[str]:
    found = subprocess.run(["pgrep", "-f", f"sleep {MARK}"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def _eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def _start(scratch: Path) -> tuple[subprocess.Popen[str], int]:
    scratch.mkdir()
    user = subprocess.Popen(
        [sys.executable, "-c", _USER, str(scratch)], stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE
    )
    assert user.stdout is not None
    word, keeper = user.stdout.readline().split()
    assert word == "up"
    assert len(_sleepers()) >= 2
    return user, int(keeper)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_death_of_the_user_ends_everything(tmp_path: Path, how: signal.Signals) -> None:
    scratch = tmp_path / "wörk dir, x:y"
    user, _ = _start(scratch)
    user.send_signal(how)
    user.wait(20)
    assert _eventually(lambda: not _sleepers())
    assert _eventually(lambda: not scratch.exists())
    assert "guardtest" not in Path("/proc/mounts").read_text()


def test_death_of_the_keeper_ends_the_job(tmp_path: Path) -> None:
    user, keeper = _start(tmp_path / "s")
    os.kill(keeper, signal.SIGKILL)
    assert _eventually(lambda: not _sleepers())
    user.wait(20)
    assert (tmp_path / "s/half").exists(), "the keeper is dead: the sweep of the next bake removes this"


def test_a_job_that_ends_by_itself_keeps_its_scratch(tmp_path: Path) -> None:
    lines: list[str] = []
    status = guard.run_guarded(
        ["sh", "-c", "echo one; echo two >&2; touch made; exit 7"],
        cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log", scratch=tmp_path, on_line=lines.append,
    )  # fmt: skip
    assert (status, lines) == (7, ["one"])
    assert (tmp_path / "made").exists()
    assert (tmp_path / "log").read_text() == "two\n"


def test_an_exception_in_the_reader_ends_the_job(tmp_path: Path) -> None:
    scratch = tmp_path / "s"
    scratch.mkdir()

    def fail(line: str) -> None:
        raise RuntimeError(line)

    with pytest.raises(RuntimeError, match="up"):
        guard.run_guarded(
            ["sh", "-c", f"echo up; sleep {MARK}"],
            cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log", scratch=scratch, on_line=fail,
        )  # fmt: skip
    assert not _sleepers()
    assert not scratch.exists()


def test_a_killed_job_has_failed(tmp_path: Path) -> None:
    def kill(_line: str) -> None:
        command = ["pkill", "-KILL", "-xf", f"sleep {MARK}"]
        assert _eventually(lambda: subprocess.run(command, check=False).returncode == 0)

    status = guard.run_guarded(
        ["sh", "-c", f"echo up; exec sleep {MARK}"],
        cwd=tmp_path, env=dict(os.environ), log=tmp_path / "log", on_line=kill,
    )  # fmt: skip
    assert status != 0
