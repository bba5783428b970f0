"""The group gpu on what real machines said: those that are well pass, and what is wrong with the others is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._gpu import read_gpus
from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Machine
from ansible_collections.gpuforge.node.plugins.module_utils._health.model import FAIL, UNKNOWN, Result
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import choose, run_checks
from ansible_collections.gpuforge.node.plugins.module_utils._health.tree import Tree
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import captures


def results(capture: Path, folder: Path) -> dict[str, Result]:
    root, program = folder / "root", folder / "nvidia-smi"
    root.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$1" = -q ] && exec cat "{capture}"\nexit 0\n')
    program.chmod(0o755)
    machine = Machine(Tree(str(root)), gpu_facts=lambda: read_gpus(str(root), str(program)))
    return {result.id: result for result in run_checks(machine, choose(["gpu"])).results}


@pytest.mark.parametrize("capture", captures("nvidia-smi-xml"))
def test_what_is_wrong_is_found_and_nothing_else(capture: Path, tmp_path: Path) -> None:
    text = capture.read_text(encoding="utf-8", errors="replace")
    wrong = {name for name, result in results(capture, tmp_path).items() if result.status in (FAIL, UNKNOWN)}
    signs = {
        "gpu.row_remap_failure": "<remapped_row_failure>Yes",
        "gpu.row_remap_pending": "<remapped_row_pending>Yes",
        "gpu.slowdown": "_hw_slowdown>Active",
        "gpu.heat": "_sw_thermal_slowdown>Active",
    }
    for check, sign in signs.items():
        assert (check in wrong) == (sign in text), check
    # Errors that a test's author put into one mock; every other capture is of a machine that worked.
    assert wrong - set(signs) == ({"gpu.ecc_volatile"} if "ecc-injected" in capture.name else set())
