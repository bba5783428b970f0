"""benchmark.yml has no role whose specification could say its variables: its page does, and the two agree."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.gpuforge.node.plugins.module_utils._bench_plan import Wish

REPO = Path(__file__).resolve().parents[3]
PLAYBOOK = (REPO / "playbooks/benchmark.yml").read_text(encoding="utf-8")
PAGE = (REPO / "docs/benchmark.md").read_text(encoding="utf-8")
TASKS = yaml.safe_load(PLAYBOOK)[0]["tasks"]


def options(module: str) -> dict[str, dict[str, object]]:
    text = (REPO / f"plugins/modules/{module}.py").read_text(encoding="utf-8")
    found = yaml.safe_load(text.split('DOCUMENTATION = r"""')[1].split('"""')[0])["options"]
    assert isinstance(found, dict)
    return found


def test_every_variable_is_on_the_page_and_the_other_way_round() -> None:
    used = set(re.findall(r"(?<![\w_])benchmark_[a-z_]+(?= is defined| \|)", PLAYBOOK))
    told = set(re.findall(r"^\| `(benchmark_\w+)` \|", PAGE, re.MULTILINE))
    assert used == told
    assert len(told) > 15


def test_every_option_of_the_plan_and_of_the_report_can_be_set() -> None:
    tasks = {name.rpartition(".")[2]: task[name] for task in TASKS for name in task if name.startswith("gpuforge.")}
    for module in ("benchmark_plan", "benchmark_report"):
        assert set(tasks[module]) == set(options(module)), module


def test_what_is_looked_for_is_what_is_planned() -> None:
    wanted = list(Wish().programs)
    assert options("benchmark_info")["programs"]["default"] == wanted
    assert options("benchmark_plan")["programs"]["default"] == wanted
    assert f"`[{', '.join(wanted)}]`" in PAGE


def test_nothing_on_a_node_is_changed() -> None:
    used = {name for task in TASKS for name in task if "." in name}
    assert used == {
        "gpuforge.node.benchmark_info",
        "gpuforge.node.benchmark_plan",
        "gpuforge.node.benchmark_run",
        "gpuforge.node.benchmark_report",
        "ansible.builtin.debug",
        "ansible.builtin.assert",
    }
