"""Live nodes for tests: booted containers that are reached by ssh, as real ones are.

The host keys of the nodes are read on the console, so to speak (through podman), and written to a known_hosts file of
the test's own: host key checking stays on.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .base_images import ensure, image_name
from .engine import run_name, settings

TOP = Path(__file__).resolve().parents[2]
USER = "admin"
"""The user that Ansible logs in as; it becomes root by sudo without a password."""
SET_UP = f"""\
set -eu
useradd --create-home --shell /bin/bash {USER}
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
chmod 0440 /etc/sudoers.d/{USER}
install -d -m 0700 -o {USER} -g {USER} /home/{USER}/.ssh
cat > /home/{USER}/.ssh/authorized_keys
chown {USER}: /home/{USER}/.ssh/authorized_keys
chmod 0600 /home/{USER}/.ssh/authorized_keys
"""


@dataclass(frozen=True)
class Node:
    """A running container: its name, its address, and the podman environment it was started with."""

    name: str
    container: str
    address: str
    environment: Mapping[str, str]

    def run(self, *argv: str, text: str = "") -> str:
        """Run a command in the container as root and return its output; CalledProcessError when it fails."""
        return podman(self.environment, "exec", "--interactive", self.container, *argv, text=text)


def podman(environment: Mapping[str, str], *argv: str, text: str = "") -> str:
    """Run podman and return its output, with what it said on stderr in the error when it fails."""
    done = subprocess.run(["podman", *argv], env=environment, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, ["podman", *argv], done.stdout, done.stderr)
    return done.stdout


def wait_until_booted(environment: Mapping[str, str], container: str, deadline_s: float = 120) -> None:
    """Return when systemd says that it runs; RuntimeError with the failed units otherwise."""
    end = time.monotonic() + deadline_s
    state = ""
    while state != "running":
        done = subprocess.run(
            ["podman", "exec", container, "systemctl", "is-system-running", "--wait"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        state = done.stdout.strip()
        if state in ("degraded", "maintenance") or time.monotonic() > end:
            units = podman(environment, "exec", container, "systemctl", "--failed", "--no-legend")
            raise RuntimeError(f"{container} is {state or done.stderr}: {units}")
        if state != "running":
            time.sleep(1)


@contextmanager
def running_nodes(prefix: str, distributions: Mapping[str, str], folder: Path) -> Iterator[list[Node]]:
    """Start a node for each entry of `distributions` (node name -> key of base_images.RELEASES), stop all at the end.

    Below `folder` it makes id_ed25519 (the key that opens the nodes) and known_hosts. Containers of an earlier run
    that was killed are removed first.
    """
    ensure(sorted(set(distributions.values())), max_age_days=7)
    environment = {**os.environ, **settings(image_name(next(iter(distributions.values()))), folder)}
    containers = {name: f"gpuforge-{run_name(TOP)}-{prefix}-{name}" for name in distributions}
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    remove = ("rm", "--force", "--time=0", "--ignore", *containers.values())
    podman(environment, *remove)
    try:
        for name, distribution in distributions.items():
            options = ("--detach", "--systemd=always", f"--name={containers[name]}", f"--hostname={name}")
            podman(environment, "run", *options, image_name(distribution), "/sbin/init")
        yield [_open(name, container, environment, folder) for name, container in containers.items()]
    finally:
        podman(environment, *remove)


def _own_network_settings(environment: Mapping[str, str], container: str) -> None:
    """Let the node write below /proc/sys/net, which are values of its own network namespace.

    All other kernel values are the machine's that the tests run on: they stay read-only.
    """
    pid = podman(environment, "inspect", "--format={{.State.Pid}}", container).strip()
    inside = ("nsenter", f"--target={pid}", "--mount", "--net")
    subprocess.run([*inside, "mount", "--bind", "/proc/sys/net", "/proc/sys/net"], check=True)
    subprocess.run([*inside, "mount", "--options=remount,bind,rw", "/proc/sys/net"], check=True)


def _open(name: str, container: str, environment: Mapping[str, str], folder: Path) -> Node:
    wait_until_booted(environment, container)
    _own_network_settings(environment, container)
    address = podman(environment, "inspect", "--format={{.NetworkSettings.IPAddress}}", container).strip()
    node = Node(name, container, address, environment)
    node.run("sh", "-c", SET_UP, text=(folder / "id_ed25519.pub").read_text())
    with (folder / "known_hosts").open("a") as known:
        known.write(f"{address} {node.run('cat', '/etc/ssh/ssh_host_ed25519_key.pub')}")
    return node
