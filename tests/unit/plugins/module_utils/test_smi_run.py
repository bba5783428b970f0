"""Running nvidia-smi: which program, and one that nothing can stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _smi_run


def test_a_program_that_cannot_be_killed_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in uninterruptible sleep ignores SIGKILL; here the signal is not sent, which looks the same."""
    monkeypatch.setattr(_smi_run, "_GRACE", 0.1)
    started: list[Any] = []
    real = _smi_run.subprocess.Popen

    def popen(*arguments: Any, **more: Any) -> Any:
        started.append(real(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(_smi_run.subprocess, "Popen", popen)
    monkeypatch.setattr(_smi_run.os, "killpg", lambda *_args: None)
    before = time.monotonic()
    answer = _smi_run.run(["sleep", "30"], 0.2)
    assert time.monotonic() - before < 5
    assert answer.timed_out
    monkeypatch.undo()
    started[0].returncode = None
    started[0].kill()
    started[0].wait()


def test_the_program_in_path_is_asked_only_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "nvidia-smi"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    assert _smi_run.find_program(None, "/") == str(fake)
    assert _smi_run.find_program(None, str(tmp_path)) is None
    assert _smi_run.find_program("/opt/nvidia-smi", str(tmp_path)) == "/opt/nvidia-smi"
