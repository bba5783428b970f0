"""Each check on trees that are right and on trees that are wrong: a check that cannot fail proves nothing."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.model import FAIL, NEEDS_BOOT, PASS, UNKNOWN
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import CHECKS, run_checks
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health import (
    cases_driver,
    cases_gpu,
    cases_hygiene,
    cases_kernel_guard,
    cases_multinode,
    cases_system,
    cases_tuning,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Case, Node

CASES: tuple[Case, ...] = (
    *cases_system.CASES,
    *cases_driver.CASES,
    *cases_kernel_guard.CASES,
    *cases_tuning.CASES,
    *cases_multinode.CASES,
    *cases_gpu.CASES,
    *cases_hygiene.CASES,
)
BY_ID = {check.id: check for check in CHECKS}
#: Whatever is wrong with these makes something unknown; there is nothing they could call a failure.
ONLY_UNKNOWN = {"gpu.readable", "tuning.record"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_says(case: Case, node: Node) -> None:
    case.build(node)
    report = run_checks(node.machine(), [BY_ID[case.check]])
    (result,) = report.results
    assert (result.status, case.says in result.observed) == (case.status, True), result
    assert result.id == case.check
    assert result.group == case.check.split(".")[0]
    assert result.expected
    assert len(result.remedy) > 10
    assert report.exit_code == {PASS: 0, FAIL: 1, UNKNOWN: 3}.get(case.status, 0)
    assert (report.verdict == "ok") == (case.status not in (FAIL, UNKNOWN))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_it_was_seen_passing_and_failing(check) -> None:  # type: ignore[no-untyped-def]
    seen = {case.status for case in CASES if case.check == check.id}
    assert PASS in seen
    assert (UNKNOWN if check.id in ONLY_UNKNOWN else FAIL) in seen


@pytest.mark.parametrize("check", [check for check in CHECKS if check.live], ids=lambda check: check.id)
def test_it_leaves_unpacked_trees_alone(check, node: Node) -> None:  # type: ignore[no-untyped-def]
    node.live = False
    (result,) = run_checks(node.machine(), [check]).results
    assert (result.status, result.observed) == ("skipped", NEEDS_BOOT)
