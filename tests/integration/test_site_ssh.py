"""playbooks/site.yml over ssh on a live Debian 12 and 13, as a user runs it.

The nodes are containers, so only kernel values of the network are tested here (the booted image does the rest), and the
driver's packages are stand-ins with the archive's names, which DKMS compiles in seconds (see
molecule/nvidia_driver/files/repository.py).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gpuforge.node.tests.containers.nodes import USER, Node, running_nodes

pytestmark = pytest.mark.container

REPO = Path(__file__).resolve().parents[2]
SITE = REPO / "playbooks/site.yml"
TREE_STATE = REPO / "tests/containers/tree_state.py"
NODES = {"gpu-01": "debian12", "gpu-02": "debian13"}
VARIABLES = {
    "nvidia_driver_version": "999.1.1",
    # The archive's driver is a stand-in that no table knows.
    "stack_allow_unknown": True,
    "framework_pip_environment": {"PIP_CERT": "/etc/ssl/certs/ca-certificates.crt"},
}
# What runs unless somebody asks for more: the others have a condition, and a scenario of their own.
ROLES = [
    entry["role"] for play in yaml.safe_load(SITE.read_text()) for entry in play.get("roles", []) if "when" not in entry
]
LOGGING_IN = {
    # path -> what makes it when somebody only logs in
    f"/home/{USER}/.ansible*": "Ansible's connection",
    f"/home/{USER}/.sudo_as_admin_successful": "sudo",
}
DERIVED = {
    **LOGGING_IN,
    # path -> what makes it out of something that is named
    "/boot/initrd.img-*": "update-initramfs",
    "/etc/alternatives/*": "the packages' maintainer scripts",
    "/etc/ld.so.cache": "ldconfig",
    "/etc/mailcap": "the trigger of mailcap",
    "/etc/*-": "groupadd, of the file it changes",
    "/etc/gshadow": "groupadd, beside /etc/group",
    "/etc/passwd": "packages that add a user",
    "/etc/rc[0-6].d/*": "packages that bring a service",
    "/etc/shadow": "packages that add a user",
    "/etc/systemd/system/multi-user.target.wants/nvidia-persistenced.service": "its package",
    "/usr/lib/cpp": "alternatives of packages",
    "/lib/modules/*": "DKMS and depmod",
    "/usr/lib/modules/*": "DKMS and depmod",
    "/usr/bin/*": "alternatives of packages",
    "/usr/lib/x86_64-linux-gnu/*": "ldconfig",
    "/usr/share/*": "triggers of packages",
    "/usr/src/*": "packages",
    "/var/cache/*": "caches",
    "/var/lib/*": "the state of packages and of systemd",
    "/var/log/*": "logs",
}


@dataclass(frozen=True)
class Site:
    """What the tests need to run Ansible against the nodes."""

    nodes: list[Node]
    inventory: Path
    environment: dict[str, str]

    def play(self, *options: str, json_output: bool = False, playbook: Path = SITE) -> subprocess.CompletedProcess[str]:
        """Run site.yml or another playbook, and fail with its output when it fails."""
        environment = dict(self.environment)
        if json_output:
            environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.posix.json"
        argv = ["ansible-playbook", "--inventory", str(self.inventory), *options, str(playbook)]
        done = subprocess.run(
            argv, cwd=REPO, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
        return done

    def report(self, *options: str, playbook: Path = SITE) -> dict[str, Any]:
        """Run site.yml or another playbook and return what the JSON callback says."""
        out = self.play(*options, json_output=True, playbook=playbook).stdout
        return json.loads(out[out.index("{") :])


def write_inventory(folder: Path, nodes: list[Node]) -> Path:
    """Make the example inventory into one of these nodes: the same folder, with real addresses and keys."""
    inventory = folder / "inventory"
    shutil.copytree(REPO / "inventories/example", inventory)
    hosts = yaml.safe_load((inventory / "hosts.yml").read_text())
    assert list(hosts["gpu_nodes"]["hosts"]) == [node.name for node in nodes]
    for node in nodes:
        hosts["gpu_nodes"]["hosts"][node.name]["ansible_host"] = node.address
    hosts["gpu_nodes"]["vars"] |= {
        **VARIABLES,
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder / 'known_hosts'} -o StrictHostKeyChecking=yes",
    }
    (inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return inventory


def prepare(folder: Path, nodes: list[Node], environment: dict[str, str]) -> None:
    """Give the nodes a kernel and the repository with the driver, and remember every file and package."""
    for node in nodes:
        release = node.run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
        # A node that knows all suites of the driver: where some are added first, check mode cannot know what comes with
        # the packages in them.
        line = f"deb http://deb.debian.org/debian {release}-backports main contrib non-free non-free-firmware\n"
        node.run("tee", "/etc/apt/sources.list.d/backports.list", text=line)
        node.run("apt-get", "--quiet", "update")
    hosts = {
        node.name: {"ansible_connection": "containers.podman.podman", "ansible_host": node.container} for node in nodes
    }
    inventory = folder / "console.yml"
    inventory.write_text(yaml.safe_dump({"molecule": {"hosts": hosts}}))
    argv = ["ansible-playbook", "--inventory", str(inventory), str(REPO / "molecule/nvidia_driver/prepare.yml")]
    done = subprocess.run(
        argv, cwd=REPO, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two live nodes that have never seen Ansible."""
    folder = tmp_path_factory.mktemp("site")
    with running_nodes("site", NODES, folder) as nodes:
        environment = {
            **os.environ,
            **nodes[0].environment,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(folder / "ansible"),
        }
        prepare(folder, nodes, environment)
        yield Site(nodes, write_inventory(folder, nodes), environment)


def changes(node: Node, *allowed: str) -> list[str]:
    """Return what differs from the state before: `new: PATH: …`, `gone: package NAME: …` and so on."""
    script = TREE_STATE.read_text()
    argv = ["python3", "-", "compare", "/run/gpuforge-before.json", *allowed]
    done = subprocess.run(
        ["podman", "exec", "--interactive", node.container, *argv],
        env=node.environment,
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if line]


def totals(report: dict[str, Any], what: str) -> dict[str, int]:
    """Return a count of the JSON callback by host."""
    return {host: stats[what] for host, stats in report["stats"].items()}


def ran(report: dict[str, Any]) -> set[str]:
    """Return the roles whose tasks ran on any host; validating a role's arguments does not count."""
    roles = set()
    for task in (task for play in report["plays"] for task in play["tasks"]):
        role, _, name = task["task"]["name"].rpartition(" : ")
        if role and not name.startswith("Validating arguments"):
            roles |= {role for result in task["hosts"].values() if not result.get("skipped")}
    return roles


@pytest.fixture(scope="module")
def checked(site: Site) -> str:
    """The output of the first `--check --diff`."""
    return site.play("--check", "--diff").stdout


@pytest.fixture(scope="module")
def applied(site: Site, checked: str) -> dict[str, Any]:
    """The report of the first real run, which comes after `--check`."""
    assert checked
    return site.report()


def test_a_node_with_another_host_key_is_not_touched(site: Site, tmp_path: Path) -> None:
    stranger = tmp_path / "known_hosts"
    key = (site.inventory.parent / "id_ed25519.pub").read_text()
    stranger.write_text("".join(f"{node.address} {key}" for node in site.nodes))
    arguments = f"ansible_ssh_common_args=-o UserKnownHostsFile={stranger} -o StrictHostKeyChecking=yes"
    argv = ["ansible", "--inventory", str(site.inventory), "all", "--module-name", "ansible.builtin.ping"]
    done = subprocess.run(
        [*argv, "--extra-vars", json.dumps(dict([arguments.split("=", 1)]))],
        cwd=REPO,
        env=site.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert (done.stdout + done.stderr).count("Host key verification failed") >= len(site.nodes)


def test_check_mode_leaves_nothing_behind(site: Site, checked: str) -> None:
    assert checked
    for node in site.nodes:
        assert changes(node, *LOGGING_IN) == []


def test_every_role_runs_on_every_node(applied: dict[str, Any]) -> None:
    assert ran(applied) >= set(ROLES)
    assert totals(applied, "changed").keys() == NODES.keys()
    assert min(totals(applied, "changed").values()) > 0


def test_check_mode_named_all_that_the_real_run_changed(site: Site, checked: str, applied: dict[str, Any]) -> None:
    assert applied
    missing = []
    for node in site.nodes:
        for line in changes(node, *DERIVED):
            name = line.split(": ")[1].removeprefix("package ").partition(":")[0]
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", checked):
                missing.append(f"{node.name}: {line}")
    assert not missing, "\n".join(missing)


def test_check_mode_named_every_key_of_the_tuning(site: Site, checked: str, applied: dict[str, Any]) -> None:
    assert applied
    for node in site.nodes:
        lines = node.run("cat", "/etc/sysctl.d/90-gpuforge.conf").splitlines()
        keys = [line.partition("=")[0].strip(" -") for line in lines if "=" in line and not line.startswith("#")]
        assert any(key.startswith("net.") for key in keys), lines
        assert [key for key in keys if key not in checked] == []


def test_the_second_run_changes_nothing(site: Site, applied: dict[str, Any]) -> None:
    assert applied
    report = site.report()
    changed = [
        f"{host}: {task['task']['name']}"
        for play in report["plays"]
        for task in play["tasks"]
        for host, result in task["hosts"].items()
        if result.get("changed")
    ]
    assert changed == []
    assert totals(report, "changed") == dict.fromkeys(NODES, 0)


def test_a_tag_runs_its_role_and_what_must_come_first(site: Site, applied: dict[str, Any]) -> None:
    assert applied
    report = site.report("--tags", "perf_tuning", "--limit", "gpu-02")
    assert ran(report) == {"gpuforge.node.common", "gpuforge.node.perf_tuning"}
    assert list(report["stats"]) == ["gpu-02"]


def test_the_verification_runs_by_itself(site: Site, applied: dict[str, Any]) -> None:
    assert applied
    report = site.report(playbook=SITE.with_name("verify.yml"))
    layers = ("nvidia_driver", "framework", "perf_tuning", "node_health")
    assert ran(report) >= {f"gpuforge.node.{layer}" for layer in layers}
    assert totals(report, "changed") == dict.fromkeys(NODES, 0)


def test_one_phase_of_a_layer_starts_nothing_that_a_later_phase_writes(site: Site, applied: dict[str, Any]) -> None:
    assert applied
    node = site.nodes[1]
    node.run("rm", "/usr/local/bin/gpuforge-node")  # what the phase brings anew, and what its handlers then hear of
    report = site.report("--tags", "multinode_install", "--extra-vars", "enable_multinode=true", "--limit", node.name)
    assert totals(report, "changed")[node.name] >= 2
    assert "gpuforge-fabric.service" not in node.run("ls", "/etc/systemd/system")
