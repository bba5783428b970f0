"""playbooks/benchmark.yml on two nodes that have PyTorch and no MPI: torchrun on both, Gloo between them.

On Debian 13: the PyTorch 1.13 of Debian 12 cannot start a process under its Python 3.11 (torch's Std.from_str).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.tests.containers.nodes import USER, running_nodes

# PyTorch and what it needs are 200 packages on each node.
pytestmark = [pytest.mark.container, pytest.mark.slow]

REPO = Path(__file__).resolve().parents[2]
#: Debian builds PyTorch 2.6 without libuv, and its torchrun insists on it in two places; nothing else is changed there.
DISTRIBUTED = "/usr/lib/python3/dist-packages/torch/distributed"
WITHOUT_LIBUV = (
    ("s/multi_tenant=True,$/multi_tenant=True, use_libuv=False,/", "elastic/rendezvous/static_tcp_rendezvous.py"),
    ("s/is_master=False,$/is_master=False, use_libuv=False,/", "rendezvous.py"),
)


def test_two_nodes_are_measured_together(tmp_path: Path) -> None:
    with running_nodes("torch", dict.fromkeys(("cpu-01", "cpu-02"), "debian13"), tmp_path) as nodes:
        hosts = {}
        for node in nodes:
            install = "apt-get --quiet update && apt-get --quiet --yes --no-install-recommends install python3-torch"
            node.run("sh", "-c", install)
            for change, path in WITHOUT_LIBUV:
                node.run("sed", "-i", change, f"{DISTRIBUTED}/{path}")
            # Gloo listens on the address that the node's own name has.
            node.run("sh", "-c", f"grep -q {node.name} /etc/hosts || echo '{node.address} {node.name}' >> /etc/hosts")
            hosts[node.name] = {
                "ansible_host": node.address,
                "ansible_user": USER,
                "ansible_ssh_private_key_file": str(tmp_path / "id_ed25519"),
                "ansible_ssh_common_args": f"-o UserKnownHostsFile={tmp_path / 'known_hosts'}",
            }
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        extra = {
            "benchmark_results_dir": str(tmp_path / "results"),
            "benchmark_max_size": "1M",
            "benchmark_timeout": 120,
            "benchmark_thresholds": [{"node_type": "*", "test": "all_reduce", "least": 0.001, "from_bytes": 65536}],
        }
        done = subprocess.run(
            [
                "ansible-playbook",
                "--inventory",
                str(inventory),
                "--extra-vars",
                json.dumps(extra),
                "playbooks/benchmark.yml",
            ],
            cwd=REPO,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(tmp_path / "ansible")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    (path,) = (tmp_path / "results").glob("*.json")
    found = json.loads(path.read_text())
    assert done.returncode == 0, "\n".join([done.stdout, done.stderr, *found["output_tail"]])
    assert (found["launcher"], found["verdict"], found["ranks"]) == ("torchrun", "pass", 2)
    (run,) = found["runs"]
    assert sorted(device["host"] for device in run["devices"]) == ["cpu-01", "cpu-02"]
    assert run["rows"][-1]["size"] == 1 << 20
    assert all(row["in_place"]["wrong"] == 0 and row["in_place"]["busbw_gbs"] > 0 for row in run["rows"][4:])
    assert {row["out_of_place"]["busbw_gbs"] for row in run["rows"]} == {None}
