"""Count the remote round trips of the NVIDIA stack on nodes that have it already, and time them.

    .venv/bin/python tests/bench/stack.py [--most 20] [--seconds 10] [--keep-logs FOLDER]

A live node of each distribution (containers, reached by ssh as real ones are) gets the driver, CUDA, the container
toolkit and DCGM by site.yml, with the variables of molecule/default and from the repository of tests/repository. The
second run is counted as roundtrips.py does it; after that each node is timed by itself, with Ansible's own strategy and
with mitogen's. Ends with 1 when a host needs more than ``--most``, its quicker run takes longer than ``--seconds``, or
a task of a later run changed something. Needs root, podman and a set-up checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

REPO = Path(__file__).resolve().parents[2]
COLLECTIONS = REPO / ".venv/share/collections"
sys.path[:0] = [str(COLLECTIONS), str(REPO)]

from ansible_collections.gpuforge.node.tests.containers.nodes import Node, running_nodes  # noqa: E402
from tests.bench.fanout import STRATEGIES, mitogen_strategies  # noqa: E402
from tests.bench.roundtrips import play, trips, write_inventory  # noqa: E402
from tests.bench.table import markdown  # noqa: E402

ROLES = ("nvidia_driver", "cuda", "container_toolkit", "dcgm")
MOST, SECONDS = 20, 10.0
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \*+$")
#: Node and its distribution; the node is called so because the test repository has a key for each.
NODES = {"debian12": "debian12", "debian13": "debian13"}


def prepare(nodes: list[Node], folder: Path) -> None:
    """Give each node a kernel and the test repository, as molecule does."""
    hosts = {
        node.name: {"ansible_connection": "containers.podman.podman", "ansible_host": node.container} for node in nodes
    }
    console = folder / "console.json"
    console.write_text(json.dumps({"molecule": {"hosts": hosts}}))
    play(REPO / "molecule/default/prepare.yml", console, log=folder / "prepare.log")


def inventory(nodes: list[Node], folder: Path) -> Path:
    """The nodes, with the variables of molecule/default."""
    path = write_inventory(nodes, folder)
    body = json.loads(path.read_text())
    body["molecule"] = {"hosts": {key: {} for key in body["all"]["hosts"]}}
    path.write_text(json.dumps(body))
    return path


def timed_run(site: Path, where: Path, *how: str, node: str, strategy: str, folder: Path) -> tuple[float, str]:
    """Seconds that a run on one node takes, and its log."""
    settings = {"ANSIBLE_STRATEGY": strategy}
    if strategy.startswith("mitogen"):
        settings["ANSIBLE_STRATEGY_PLUGINS"] = mitogen_strategies()
    with mock.patch.dict(os.environ, settings):
        started = time.monotonic()
        log = play(site, where, *how, "--limit", node, log=folder / f"{node}-{strategy}.log")
        return time.monotonic() - started, log


def changed_tasks(log: str) -> Iterator[str]:
    """The tasks that changed something, by name."""
    task = ""
    for line in log.splitlines():
        if match := _TASK.match(line):
            task = match.group(1)
        elif line.startswith("changed: ["):
            yield task


def main() -> int:
    """Command line, see the text above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=MOST)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep-logs", type=Path, metavar="FOLDER", help="copy the logs there")
    options = parser.parse_args()
    site = REPO / "playbooks/site.yml"
    how = ("--inventory", str(REPO / "molecule/default/inventory/hosts.yml"), "--tags", ",".join(ROLES))
    os.environ["MOLECULE_PROJECT_DIRECTORY"] = str(REPO)
    with (
        tempfile.TemporaryDirectory(prefix="gpuforge-stack-") as name,
        running_nodes("stack", NODES, Path(name)) as nodes,
    ):
        folder = Path(name)
        os.environ.update(nodes[0].environment)
        prepare(nodes, folder)
        where = inventory(nodes, folder)
        play(site, where, *how, log=folder / "first.log")
        counted = play(site, where, *how, "-vvvv", log=folder / "counted.log")
        timed = {
            (node.name, strategy): timed_run(site, where, *how, node=node.name, strategy=strategy, folder=folder)
            for node in nodes
            for strategy in STRATEGIES
        }
        if options.keep_logs:
            shutil.copytree(folder, options.keep_logs, ignore=shutil.ignore_patterns("ansible"), dirs_exist_ok=True)
    by_task = Counter(trips(counted))
    rows = [
        [task, *(str(by_task[node.address, task]) for node in nodes)] for task in dict.fromkeys(t for _, t in by_task)
    ]
    totals = {node.name: sum(count for (host, _), count in by_task.items() if host == node.address) for node in nodes}
    print(markdown(["Task of the second run", *totals], [*rows, ["**all**", *map(str, totals.values())]]))
    changed = set(changed_tasks(counted)).union(*(changed_tasks(log) for _, log in timed.values()))
    print(f"changed: {sorted(changed) or 'nothing'}")
    seconds = {which: took for which, (took, _) in timed.items()}
    lines = [[node.name, *(f"{seconds[node.name, one]:.1f}" for one in STRATEGIES)] for node in nodes]
    print("", markdown(["One node, seconds", *STRATEGIES], lines), sep="\n")
    few = min(totals.values()) > 0 and max(totals.values()) <= options.most
    quick = all(min(seconds[node.name, one] for one in STRATEGIES) <= options.seconds for node in nodes)
    return 0 if few and quick and not changed else 1


if __name__ == "__main__":
    sys.exit(main())
