"""Count the remote round trips of roles on a node that is as it should be already.

    .venv/bin/python tests/bench/roundtrips.py [--most 12] [--distribution debian12] [ROLE …]

Two live nodes (containers, reached by ssh as real ones are) get the roles, perf_tuning and multinode unless others are
named, with the checkout's own ansible.cfg. The second run is done with -vvvv, and each ``SSH: EXEC`` in its log counts:
one command over the connection, be it a module, a stat or a copied file. Ends with 1 when a host needs more than
``--most`` or a task of the second run changed something. Needs podman and a set-up checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
COLLECTIONS = REPO / ".venv/share/collections"
sys.path[:0] = [str(COLLECTIONS), str(REPO)]

from ansible_collections.gpuforge.node.tests.containers.nodes import USER, Node, running_nodes  # noqa: E402
from tests.bench.table import markdown  # noqa: E402

ROLES = ("perf_tuning", "multinode")
BAR = 12
_TASK = re.compile(r"^(?:TASK|RUNNING HANDLER) \[(.*)\] \*+$")
_EXEC = re.compile(r"^<([^>]+)> SSH: EXEC ")
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


def trips(log: str) -> Iterator[tuple[str, str]]:
    """(address, task) of each round trip in a log of -vvvv."""
    task = ""
    for line in log.splitlines():
        if match := _TASK.match(line):
            task = match.group(1)
        elif match := _EXEC.match(line):
            yield match.group(1), task


def changes(log: str) -> dict[str, int]:
    """Number of changed tasks by host, from the recap; a host that failed counts as -1."""
    found = {}
    for line in log.splitlines():
        if match := _RECAP.match(line):
            host, _ok, changed, unreachable, failed = match.groups()
            found[host] = int(changed) if (unreachable, failed) == ("0", "0") else -1
    return found


def write_inventory(nodes: Sequence[Node], folder: Path) -> Path:
    """An inventory of the nodes with their host keys."""
    common = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes"
    shared = {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
        "ansible_ssh_common_args": common,
    }
    path = folder / "hosts.json"
    hosts = {node.name: {"ansible_host": node.address, **shared} for node in nodes}
    path.write_text(json.dumps({"all": {"hosts": hosts}}))
    return path


def play(playbook: Path, inventory: Path, *options: str, log: Path) -> str:
    """Run a playbook with the checkout's ansible.cfg; its log. RuntimeError with the log's end when it fails."""
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(log.parent / "ansible")}
    with log.open("wb") as stream:
        done = subprocess.run(
            [str(REPO / ".venv/bin/ansible-playbook"), "--inventory", str(inventory), *options, str(playbook)],
            cwd=REPO,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    text = log.read_text(errors="replace")
    if done.returncode != 0:
        raise RuntimeError("\n".join(text.splitlines()[-40:]))
    return text


def measure(roles: Sequence[str], distribution: str, folder: Path) -> tuple[str, list[Node]]:
    """The log of the second run of the roles, and the nodes it ran on."""
    playbook = folder / "play.yml"
    names = [f"gpuforge.node.{role}" for role in roles]
    playbook.write_text(json.dumps([{"hosts": "all", "become": True, "gather_facts": False, "roles": names}]))
    with running_nodes("trips", dict.fromkeys(("cpu-01", "cpu-02"), distribution), folder) as nodes:
        inventory = write_inventory(nodes, folder)
        play(playbook, inventory, log=folder / "first.log")
        return play(playbook, inventory, "-vvvv", log=folder / "second.log"), nodes


def main() -> int:
    """Command line, see the text above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("roles", nargs="*", default=list(ROLES), metavar="ROLE")
    parser.add_argument("--most", type=int, default=BAR)
    parser.add_argument("--distribution", default="debian12")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gpuforge-trips-") as folder:
        log, nodes = measure(options.roles, options.distribution, Path(folder))
    by_task = Counter(trips(log))
    tasks = dict.fromkeys(task for _, task in by_task)
    rows = [[task, *(str(by_task[node.address, task]) for node in nodes)] for task in tasks]
    totals = {node.name: sum(count for (where, _), count in by_task.items() if where == node.address) for node in nodes}
    changed = changes(log)
    print(markdown(["Task of the second run", *totals], [*rows, ["**all**", *map(str, totals.values())]]))
    print(f"changed: {changed}")
    good = bool(totals) and min(totals.values()) > 0 and max(totals.values()) <= options.most
    return 0 if good and changed and set(changed.values()) == {0} else 1


if __name__ == "__main__":
    sys.exit(main())
