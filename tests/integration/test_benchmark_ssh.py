"""playbooks/benchmark.yml on two nodes without GPUs: Open MPI over ssh, as a user runs it.

Debian packages neither nccl-tests nor the OSU micro-benchmarks, so what is measured with is mpi_benchmark.py of this
folder, which prints OSU's layout. Launcher, ssh between the nodes, network and numbers are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.tests.containers.nodes import USER, Node, running_nodes

pytestmark = pytest.mark.container

REPO = Path(__file__).resolve().parents[2]
PLAYBOOK = REPO / "playbooks/benchmark.yml"
PROGRAM = REPO / "tests/integration/mpi_benchmark.py"
TREE_STATE = REPO / "tests/containers/tree_state.py"
PLACE = "/opt/osu/libexec/osu-micro-benchmarks/mpi/{kind}/{name}"
#: Two containers share the cores of one machine, and each sees all of its interfaces.
MPI_OPTIONS = ["--bind-to", "none", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "eth0"]
BASIC = {"benchmark_mpi_options": MPI_OPTIONS, "benchmark_programs": ["all_reduce_perf", "osu_bw"]}
ANY_SPEED = {"node_type": "*", "test": "osu_bw", "unit": "MB/s", "least": 1, "from_bytes": 65536}
NOT_LEFT_BY_IT = (f"/home/{USER}/.ansible*", f"/home/{USER}/.sudo_as_admin_successful")


@dataclass(frozen=True)
class Cluster:
    """Two nodes that reach each other by ssh, and what the playbook needs to run against them."""

    nodes: list[Node]
    inventory: Path
    environment: dict[str, str]

    def play(self, folder: Path, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run benchmark.yml with results below `folder`."""
        extra = {**BASIC, "benchmark_results_dir": str(folder / "results"), **variables}
        argv = ["ansible-playbook", "--inventory", str(self.inventory), "--extra-vars", json.dumps(extra), *options]
        return subprocess.run(
            [*argv, str(PLAYBOOK)],
            cwd=REPO,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def connect(nodes: list[Node], folder: Path, user: str) -> None:
    """Let a user log in from each node to every node without a password, host keys checked."""
    for node in nodes:
        home = f"/home/{user}/.ssh"
        node.run("install", "-d", "-m", "0700", "-o", user, "-g", user, home)
        for name, text in (
            (f"{home}/id_ed25519", (folder / "mesh").read_text()),
            (f"{home}/known_hosts", (folder / "known_hosts").read_text()),
        ):
            node.run("sh", "-c", f"umask 077; cat > {name}; chown {user}: {name}", text=text)
        key = (folder / "mesh.pub").read_text()
        node.run("sh", "-c", f"cat >> {home}/authorized_keys", text=key)


@pytest.fixture(scope="module", params=["debian12", pytest.param("debian13", marks=pytest.mark.slow)])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two live nodes with Open MPI and the benchmark where OSU's own installation would put it."""
    folder = tmp_path_factory.mktemp("benchmark")
    with running_nodes("mpi", dict.fromkeys(("cpu-01", "cpu-02"), request.param), folder) as nodes:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "mesh")], check=True)
        connect(nodes, folder, USER)
        for node in nodes:
            node.run("useradd", "--create-home", "--shell", "/bin/bash", "mpi")
        connect(nodes, folder, "mpi")
        install = "apt-get --quiet update && apt-get --quiet --yes --no-install-recommends install"
        for node in nodes:
            node.run("sh", "-c", f"{install} openmpi-bin python3-mpi4py openssh-client")
            for kind, name in (("pt2pt", "osu_bw"), ("collective", "osu_allreduce")):
                path = PLACE.format(kind=kind, name=name)
                node.run("sh", "-c", f"install -D -m 0755 /dev/stdin {path}", text=PROGRAM.read_text())
            node.run("sh", "-c", "mkdir -p /run/test && cat > /run/test/tree_state.py", text=TREE_STATE.read_text())
            node.run("python3", "/run/test/tree_state.py", "remember", "/run/test/before.json")
        inventory = folder / "hosts.json"
        common = f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes"
        shared = {
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
            "ansible_ssh_common_args": common,
        }
        hosts = {node.name: {"ansible_host": node.address, **shared} for node in nodes}
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(folder / "ansible")}
        yield Cluster(nodes, inventory, environment)


def left_behind(cluster: Cluster) -> list[str]:
    """Return every file and package of the nodes that is not as before."""
    lines = []
    for node in cluster.nodes:
        compare = (
            f"python3 /run/test/tree_state.py compare /run/test/before.json {' '.join(NOT_LEFT_BY_IT)} || [ $? = 1 ]"
        )
        lines += [f"{node.name}: {line}" for line in node.run("sh", "-c", compare).splitlines() if line]
    return lines


def result(folder: Path) -> dict[str, Any]:
    """The one result in a folder."""
    found = list((folder / "results").glob("*.json"))
    assert len(found) == 1, found
    content = json.loads(found[0].read_text())
    assert isinstance(content, dict)
    return content


def test_check_mode_says_the_command_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.play(tmp_path, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    addresses = ",".join(f"{node.address}:1" for node in cluster.nodes)
    wanted = f"cpu-01: /usr/bin/mpirun --np 2 --map-by ppr:1:node --host {addresses} --bind-to none"
    assert wanted in done.stdout
    assert "changed=0" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert left_behind(cluster) == []


def test_a_run_that_is_fast_enough_passes_and_can_be_compared(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.play(tmp_path, benchmark_thresholds=[ANY_SPEED])
    assert done.returncode == 0, done.stdout + done.stderr
    found = result(tmp_path)
    assert (found["verdict"], found["ok"], found["test"], found["nodes"], found["ranks"]) == (
        "pass",
        True,
        "osu_bw",
        2,
        2,
    )
    rows = found["runs"][0]["rows"]
    assert [row["size"] for row in rows] == [1 << power for power in range(21)]
    # One byte at a time on a busy machine is 0.00 MB/s.
    assert all(row["validation"] == "Pass" for row in rows)
    assert all(row["bandwidth_mb_s"] > 0 for row in rows[8:])
    assert found["curve"]["unit"] == "MB/s"
    plot = next((tmp_path / "results").glob("*.svg")).read_text()
    assert ET.fromstring(plot).tag.endswith("svg")
    assert left_behind(cluster) == []
    again = cluster.play(
        tmp_path, benchmark_thresholds=[ANY_SPEED], benchmark_previous="latest", benchmark_regression_percent=95
    )
    assert again.returncode == 0, again.stdout + again.stderr
    newest = json.loads(max((tmp_path / "results").glob("*.json")).read_text())
    assert {check["id"]: check["status"] for check in newest["checks"]}["previous"] == "pass"
    assert newest["compared_with"].endswith(".json")


def test_without_a_threshold_the_verdict_is_unknown_and_that_is_no_pass(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.play(tmp_path, benchmark_programs=["osu_allreduce"], benchmark_max_size="64K")
    assert done.returncode != 0
    assert "The verdict is unknown" in done.stdout
    assert "a threshold for osu_allreduce on 2 nodes of type unknown" in done.stdout
    assert "benchmark_thresholds" in done.stdout
    found = result(tmp_path)
    assert found["verdict"] == "unknown"
    assert found["runs"][0]["rows"][-1]["size"] == 65536


@pytest.mark.parametrize(
    ("variables", "check", "said"),
    [
        ({"benchmark_thresholds": [{**ANY_SPEED, "least": 1e9}]}, "speed", "at least 1e+09 MB/s"),
        ({"benchmark_thresholds": [ANY_SPEED], "benchmark_arguments": ["--wrong"]}, "data", "Fail"),
        ({"benchmark_thresholds": [ANY_SPEED], "benchmark_arguments": ["-m", "1"]}, "run", "exit code"),
    ],
    ids=["too slow", "wrong data", "crash"],
)
def test_what_fails(cluster: Cluster, tmp_path: Path, variables: dict[str, Any], check: str, said: str) -> None:
    done = cluster.play(tmp_path, **variables)
    assert done.returncode != 0
    assert "The verdict is fail" in done.stdout
    assert said in done.stdout
    found = result(tmp_path)
    assert found["verdict"] == "fail"
    assert {entry["id"]: entry["status"] for entry in found["checks"]}[check] == "fail"


def test_a_hanging_run_is_ended_on_every_node(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.play(tmp_path, benchmark_arguments=["--hang", "600"], benchmark_timeout=6)
    assert done.returncode != 0
    assert "it did not end within its time" in done.stdout
    for node in cluster.nodes:
        processes = node.run("ps", "-eo", "args")
        assert "osu_bw" not in processes
        assert "mpirun" not in processes
        assert "orted" not in processes


def test_no_program_is_refused_before_anything_runs(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.play(tmp_path, benchmark_programs=["all_reduce_perf", "osu_latency"])
    assert done.returncode != 0
    assert "all_reduce_perf needs a GPU on every node; osu_latency is on no node" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_cannot_be_reached_fails_with_the_reason(cluster: Cluster, tmp_path: Path) -> None:
    first, second = cluster.nodes
    known = f"/home/{USER}/.ssh/known_hosts"
    keep = first.run("cat", known)
    first.run("sed", "-i", f"/^{second.address} /d", known)
    try:
        done = cluster.play(tmp_path, benchmark_thresholds=[ANY_SPEED], benchmark_timeout=60)
    finally:
        first.run("sh", "-c", f"cat > {known}", text=keep)
    assert done.returncode != 0
    found = result(tmp_path)
    assert found["verdict"] == "fail"
    assert any("Host key verification failed" in line for line in found["failures"])
    assert found["output_tail"]


def test_another_user_can_run_it(cluster: Cluster, tmp_path: Path) -> None:
    cluster.nodes[0].run(
        "sh", "-c", "printf '#!/bin/sh\\nid -un; exec /usr/bin/mpirun \"$@\"\\n' > /usr/local/bin/mpirun"
    )
    cluster.nodes[0].run("chmod", "0755", "/usr/local/bin/mpirun")
    try:
        done = cluster.play(tmp_path, benchmark_user="mpi", benchmark_arguments=["-m", "1"])
    finally:
        cluster.nodes[0].run("rm", "/usr/local/bin/mpirun")
    assert done.returncode != 0
    assert result(tmp_path)["output_tail"][0] == "mpi"


def test_a_hostfile_is_used_when_it_is_named(cluster: Cluster, tmp_path: Path) -> None:
    lines = "".join(f"{node.address} slots=1\n" for node in cluster.nodes)
    cluster.nodes[0].run("sh", "-c", "cat > /run/test/hosts", text=lines)
    done = cluster.play(tmp_path, benchmark_thresholds=[ANY_SPEED], benchmark_hostfile="/run/test/hosts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--hostfile /run/test/hosts" in result(tmp_path)["command"]
