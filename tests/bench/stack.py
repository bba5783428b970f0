"""Count the remote round trips of the NVIDIA stack on nodes that have it already, and time them.

    .venv/bin/python tests/bench/stack.py [--most 20] [--seconds 10] [--keep-log FILE]

A live node of each distribution (containers, reached by ssh as real ones are) gets the driver, CUDA, the container
toolkit and DCGM by site.yml, with the variables of molecule/default and from the repository of tests/repository. The
second run is timed, and a third is counted as roundtrips.py does it. Ends with 1 when a host needs more than
``--most``, the run takes longer than ``--seconds``, or a task of either run changed something. Needs root, podman and a
set-up checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
COLLECTIONS = REPO / ".venv/share/collections"
sys.path[:0] = [str(COLLECTIONS), str(REPO)]

from ansible_collections.gpuforge.node.tests.containers.nodes import Node, running_nodes  # noqa: E402
from tests.bench.roundtrips import changes, play, trips, write_inventory  # noqa: E402
from tests.bench.table import markdown  # noqa: E402

ROLES = ("nvidia_driver", "cuda", "container_toolkit", "dcgm")
MOST, SECONDS = 20, 10.0
#: Node and its distribution; the node is called so because the test repository has a key for each.
NODES = {"debian12": "debian12", "debian13": "debian13"}


def prepare(nodes: list[Node], folder: Path) -> None:
    """Give each node a kernel and the test repository, as molecule does."""
    hosts = {
        node.name: {"ansible_connection": "containers.podman.podman", "ansible_host": node.container} for node in nodes
    }
    console = folder / "console.json"
    console.write_text(json.dumps({"molecule": {"hosts": hosts}}))
    play(REPO / "molecule/nvidia_driver_nvidia/prepare.yml", console, log=folder / "prepare.log")


def inventory(nodes: list[Node], folder: Path) -> Path:
    """The nodes, with the variables of molecule/default."""
    path = write_inventory(nodes, folder)
    body = json.loads(path.read_text())
    body["molecule"] = {"hosts": {key: {} for key in body["all"]["hosts"]}}
    path.write_text(json.dumps(body))
    return path


def main() -> int:
    """Command line, see the text above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--most", type=int, default=MOST)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="copy the log of the counted run there")
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
        started = time.monotonic()
        second = play(site, where, *how, log=folder / "second.log")
        seconds = time.monotonic() - started
        third = play(site, where, *how, "-vvvv", log=folder / "third.log")
        if options.keep_log:
            shutil.copy(folder / "third.log", options.keep_log)
    by_task = Counter(trips(third))
    rows = [
        [task, *(str(by_task[node.address, task]) for node in nodes)] for task in dict.fromkeys(t for _, t in by_task)
    ]
    totals = {node.name: sum(count for (host, _), count in by_task.items() if host == node.address) for node in nodes}
    changed = {host: (changes(second)[host], changes(third)[host]) for host in totals}
    print(markdown(["Task of the second run", *totals], [*rows, ["**all**", *map(str, totals.values())]]))
    print(f"changed: {changed}\nseconds: {seconds:.1f} for {len(nodes)} nodes")
    few = min(totals.values()) > 0 and max(totals.values()) <= options.most
    return 0 if few and seconds <= options.seconds and set(changed.values()) == {(0, 0)} else 1


if __name__ == "__main__":
    sys.exit(main())
