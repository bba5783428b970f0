"""What is not known is never taken for good: over all results, and on machines that cannot be read at all."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils._health.model import (
    FAIL,
    PASS,
    SKIPPED,
    STATUSES,
    UNKNOWN,
    Check,
    Outcome,
    Report,
    Result,
)
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import CHECKS, ask, run_checks
from ansible_collections.gpuforge.node.plugins.module_utils._health.verdict import derive
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node


def _results(pairs: Sequence[tuple[str, str]]) -> tuple[Result, ...]:
    return tuple(Result(name, name.split(".")[0], status, "critical", "o", "e", "r") for name, status in pairs)


ANY_RESULTS = st.lists(
    st.tuples(st.sampled_from([check.id for check in CHECKS]), st.sampled_from(STATUSES)), max_size=12
)


@given(ANY_RESULTS)
def test_over_all_results(pairs: list[tuple[str, str]]) -> None:
    results = _results(pairs)
    report = Report(derive(results), results)
    statuses = {status for _name, status in pairs}
    assert report.exit_code == (1 if FAIL in statuses else 3 if UNKNOWN in statuses else 0)
    assert (report.verdict == "ok") == (not statuses & {FAIL, UNKNOWN})
    assert sum(report.counts.values()) == len(pairs)


@given(ANY_RESULTS, st.integers(min_value=0, max_value=11))
def test_turning_a_pass_into_an_unknown_never_makes_it_better(pairs: list[tuple[str, str]], place: int) -> None:
    if place >= len(pairs):
        return
    worse = [*pairs[:place], (pairs[place][0], UNKNOWN), *pairs[place + 1 :]]
    if pairs[place][1] in (PASS, SKIPPED):
        assert Report(derive(_results(worse)), _results(worse)).exit_code != 0


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_a_machine_that_cannot_be_read(check: Check, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file and folder is forbidden, every program missing: nothing may pass."""
    node.boot()
    machine = node.machine()

    def forbidden(path: object, *_rest: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    def no_facts() -> dict[str, object]:
        raise PermissionError(13, "Permission denied", "/sys")

    object.__setattr__(machine, "gpu_facts", no_facts)
    monkeypatch.setattr("builtins.open", forbidden)
    monkeypatch.setattr(os, "listdir", forbidden)
    monkeypatch.setattr(os, "scandir", forbidden)
    monkeypatch.setattr(os, "lstat", forbidden)
    monkeypatch.setattr(os, "stat", forbidden)
    outcome = ask(check, machine)
    monkeypatch.undo()
    assert outcome.status in (UNKNOWN, SKIPPED), outcome


def test_a_check_that_breaks_is_unknown_and_the_others_answer(node: Node) -> None:
    def breaks(_machine: object) -> Outcome:
        raise ZeroDivisionError("oops")

    def passes(_machine: object) -> Outcome:
        return Outcome(PASS, "fine")

    checks = [
        Check("system.running", "t", "critical", "r", breaks),
        Check("system.units", "t", "critical", "r", passes),
    ]
    report = run_checks(node.machine(), checks)
    assert [result.status for result in report.results] == [UNKNOWN, PASS]
    assert "ZeroDivisionError: oops" in report.results[0].observed
    assert report.exit_code == 3
