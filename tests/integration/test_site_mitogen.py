"""All of site.yml with the strategy mitogen_linear: what it makes of a node is what `linear` would have made.

With mitogen every module of a play runs in one Python process on the node, which is not what modules are used to: one
that leaves a changed environment, a closed file or a module-level cache behind breaks the next.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible_mitogen
import pytest

from ansible_collections.gpuforge.node.tests.containers.nodes import running_nodes
from ansible_collections.gpuforge.node.tests.integration import test_site_ssh as ssh

pytestmark = [pytest.mark.container, pytest.mark.slow]

WITH_ALL_LAYERS = ("--extra-vars", "enable_multinode=true")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ssh.Site]]:
    """The same fresh nodes, once for each strategy."""
    folder = tmp_path_factory.mktemp("mitogen")
    with running_nodes("mitogen", ssh.NODES, folder) as nodes:
        environment = {
            **os.environ,
            **nodes[0].environment,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(folder / "ansible"),
        }
        ssh.prepare(folder, nodes, environment)
        linear = ssh.Site(nodes, ssh.write_inventory(folder, nodes), environment)
        plugins = Path(ansible_mitogen.__file__).parent / "plugins/strategy"
        strategy = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}
        yield {"linear": linear, "mitogen": replace(linear, environment={**environment, **strategy})}


def changed(report: dict[str, Any]) -> list[str]:
    """Host and task of everything that a run changed."""
    return [
        f"{host}: {task['task']['name']}"
        for play in report["plays"]
        for task in play["tasks"]
        for host, result in task["hosts"].items()
        if result.get("changed")
    ]


def test_check_first_and_second_run_and_then_the_other_strategy(sites: dict[str, ssh.Site]) -> None:
    sites["mitogen"].play("--check", "--diff", *WITH_ALL_LAYERS)
    for node in sites["mitogen"].nodes:
        assert ssh.changes(node, *ssh.LOGGING_IN) == []
    first = sites["mitogen"].report(*WITH_ALL_LAYERS)
    assert ssh.ran(first) >= set(ssh.ROLES)
    assert min(ssh.totals(first, "changed").values()) > 0
    assert changed(sites["mitogen"].report(*WITH_ALL_LAYERS)) == []
    assert changed(sites["linear"].report(*WITH_ALL_LAYERS)) == []
