"""The runner of the tiers: it counts what ran, and says aloud what did not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tiers
from tiers import Counts, Tier


def load_runner() -> ModuleType:
    path = Path(tiers.__file__).with_name("test.py")
    spec = importlib.util.spec_from_file_location("gpuforge_test_runner", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


RUNNER = load_runner()


def printing(code: str, *, limit_s: int = 60, tools: tuple[str, ...] = ()) -> Tier:
    return Tier("fake", "a fake", (sys.executable, "-c", code), limit_s, tools)


def test_junit_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    file.write_text('<testsuites><testsuite tests="9" failures="1" errors="2" skipped="1"/></testsuites>')
    assert tiers.count_junit(file) == Counts(5, 3, 1)
    assert tiers.count_junit(tmp_path / "none.xml") == Counts()


def test_lines_are_counted() -> None:
    assert tiers.count_lines("passed a 1 s\nFAILED b 2 s\n2 passed, 1 failed\npassed\n passed c\n") == Counts(1, 1)


def test_a_missing_tool_is_an_obstacle() -> None:
    tier = printing("", tools=("podman",))
    why = tiers.obstacle(tier, euid=0, which=lambda _name: None, sudo_works=lambda: True)
    assert why == "not installed: podman (run `make setup`)"
    assert tiers.obstacle(tier, euid=0, which=lambda name: name, sudo_works=lambda: True) == ""


def test_root_is_had_through_sudo_or_not_at_all() -> None:
    tier = Tier("x", "x", ("true",), 1, root=True)
    assert "needs root" in tiers.obstacle(tier, euid=1000, which=lambda name: name, sudo_works=lambda: False)
    assert tiers.obstacle(tier, euid=1000, which=lambda name: name, sudo_works=lambda: True) == ""
    argv = tiers.command(tier, euid=1000, env={"PATH": "/p", "GPUFORGE_X": "1", "HOME": "/h"})
    assert argv == ("sudo", "env", "GPUFORGE_X=1", "PATH=/p", "PYTHONDONTWRITEBYTECODE=1", "true")
    assert tiers.command(tier, euid=0, env={}) == ("true",)


def test_pytest_tiers_write_their_results() -> None:
    for tier in (*tiers.TIERS, tiers.SLOW):
        assert (tier.junit is not None) == ("pytest" in tier.argv)


def test_a_tier_that_passes() -> None:
    outcome = RUNNER.run(printing("print('passed one 1 s')"), asked=False)
    assert (outcome.counts, outcome.not_run, outcome.trouble) == (Counts(1), "", "")


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        ("print('hello')", "ran no test (exit code 0)"),
        ("import sys; print('passed one 1 s'); sys.exit(2)", "ended with exit code 2 without a failed test"),
    ],
)
def test_none_passes_silently(code: str, trouble: str) -> None:
    outcome = RUNNER.run(printing(code), asked=False)
    assert outcome.counts.failed == 1
    assert outcome.trouble == trouble


@pytest.mark.parametrize(("asked", "counts"), [(False, Counts(skipped=1)), (True, Counts(failed=1))])
def test_one_that_cannot_run_is_skipped_aloud_unless_asked_for(
    asked: bool, counts: Counts, capsys: pytest.CaptureFixture[str]
) -> None:
    for tier in (printing("", tools=("no-such-tool",)), printing("import sys; sys.exit(3)")):
        outcome = RUNNER.run(tier, asked=asked)
        assert outcome.counts == counts
        assert outcome.not_run
        assert "!!! fake cannot run here" in capsys.readouterr().out


def test_one_that_hangs_is_stopped_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = (
        "import subprocess, sys, time; print('passed one 1 s', flush=True)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    outcome = RUNNER.run(printing(code, limit_s=2), asked=False)
    assert outcome.trouble == "stopped after its limit of 2 s"
    assert outcome.seconds < 30
    # Whoever adopted it may not have collected it yet: dead is dead.
    status = Path("/proc", pid.read_text(), "stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_last_line_counts() -> None:
    outcomes = [
        RUNNER.Outcome(printing(""), Counts(3, 1, 0), 2.0),
        RUNNER.Outcome(printing(""), Counts(skipped=1), 0.0, "not installed: podman"),
    ]
    lines = RUNNER.summary(outcomes).splitlines()
    assert lines[-1] == "3 passed, 1 failed, 1 skipped"
    assert "not run here: not installed: podman" in lines[-3]


def test_an_unknown_tier_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        RUNNER.main(["unt"])
    assert caught.value.code == 2
    assert "no tier called unt" in capsys.readouterr().err
