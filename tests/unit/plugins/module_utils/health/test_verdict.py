"""The table that turns failed checks into what to do with the node."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.model import Result
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import CHECKS
from ansible_collections.gpuforge.node.plugins.module_utils._health.verdict import ON_FAIL, derive


def test_every_check_has_a_row_and_every_row_a_check() -> None:
    assert set(ON_FAIL) == {check.id for check in CHECKS}
    assert set(ON_FAIL.values()) <= {"monitor", "reset", "reboot", "isolate"}


@pytest.mark.parametrize(
    ("failed", "verdict"),
    [
        ([], "ok"),
        (["tuning.values"], "monitor"),
        (["gpu.row_remap_pending"], "reset"),
        (["gpu.row_remap_pending", "gpu.lost"], "reboot"),
        (["gpu.lost", "gpu.row_remap_failure", "tuning.values"], "isolate"),
    ],
)
def test_the_harshest_wins(failed: list[str], verdict: str) -> None:
    assert derive(Result(name, "g", "fail", "critical", "", "", "") for name in failed) == verdict


def test_unknown_asks_to_look() -> None:
    assert derive([Result("gpu.lost", "gpu", "unknown", "critical", "", "", "")]) == "monitor"
