"""Many light nodes for a measurement: booted containers of one prepared image, reached by ssh.

The image holds the user, the key that opens it, the host key, and the packages that the roles would install: fetching
the same packages fifty times would measure the network. Units that cost memory and mean nothing in a container are
masked. `podman run` of fifty such nodes takes some 25 s; each needs about 50 MB.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.containers.base_images import ensure, image_name
from tests.containers.engine import run_name, settings
from tests.containers.nodes import SET_UP, USER, podman, wait_until_booted

DISTRIBUTION = "debian12"
TOP = Path(__file__).resolve().parents[2]
MASKED = (
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-logind.service",
    "systemd-timesyncd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
    "systemd-tmpfiles-clean.timer",
)
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_A_NODE = 8
"""inotify instances that systemd in a container takes, rounded up; the kernel's default of 128 is enough for 18."""


@dataclass(frozen=True)
class Workshop:
    """Where keys and inventories are, and how podman is called."""

    folder: Path
    environment: Mapping[str, str]
    image: str

    @property
    def key(self) -> Path:
        """The private key that opens every node."""
        return self.folder / "id_ed25519"

    def inventory(self, addresses: Mapping[str, str]) -> Path:
        """Write an inventory of these nodes, with the one host key that all of them have."""
        known = self.folder / "known_hosts"
        host_key = (self.folder / "host_key.pub").read_text()
        known.write_text("".join(f"{address} {host_key}" for address in addresses.values()))
        common = f"-o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        lines = [f"{name} ansible_host={address}" for name, address in addresses.items()]
        lines += ["[all:vars]", f"ansible_user={USER}", f"ansible_ssh_private_key_file={self.key}"]
        lines += [f"ansible_ssh_common_args='{common}'", "ansible_python_interpreter=/usr/bin/python3", ""]
        path = self.folder / f"hosts-{len(addresses)}.ini"
        path.write_text("\n".join(lines))
        return path


@contextmanager
def room_for(nodes: int) -> Iterator[None]:
    """Allow the kernel's users as many inotify instances as so many nodes need; the value from before comes back.

    Raises PermissionError where that cannot be written.
    """
    before = int(INOTIFY.read_text())
    needed = nodes * INOTIFY_A_NODE + 128
    if before >= needed:
        yield
        return
    INOTIFY.write_text(str(needed))
    try:
        yield
    finally:
        INOTIFY.write_text(str(before))


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    """Make keys and, below a name of its own, the image; the image is removed at the end."""
    ensure([DISTRIBUTION], max_age_days=30)
    environment = {**os.environ, **settings(image_name(DISTRIBUTION), folder)}
    for name in ("id_ed25519", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    image = f"localhost/gpuforge-fanout-{run_name(TOP)}"
    shop = Workshop(folder, environment, image)
    try:
        yield shop
    finally:
        subprocess.run(["podman", "rmi", "--force", image], env=environment, capture_output=True, check=False)


def prepare(shop: Workshop, install: list[str]) -> None:
    """Commit the image: user, keys, masks, and whatever the command `install` does to the one node in its inventory.

    The name of the inventory is put at the place of "{inventory}" in the command.
    """
    with nodes(shop, 1, image=image_name(DISTRIBUTION)) as addresses:
        container = _container(0)
        run = ("exec", "--interactive", container)
        podman(shop.environment, *run, "sh", "-c", SET_UP, text=(shop.key.with_suffix(".pub")).read_text())
        for name, mode in (("host_key", "0600"), ("host_key.pub", "0644")):
            place = f"/etc/ssh/ssh_host_ed25519_key{'.pub' if name.endswith('.pub') else ''}"
            text = (shop.folder / name).read_text()
            podman(shop.environment, *run, "install", "-m", mode, "/dev/stdin", place, text=text)
        podman(shop.environment, *run, "systemctl", "mask", "--quiet", *MASKED)
        podman(shop.environment, *run, "systemctl", "restart", "ssh")
        inventory = str(shop.inventory(addresses))
        argv = [word.replace("{inventory}", inventory) for word in install]
        done = subprocess.run(argv, env=dict(shop.environment), cwd=TOP, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the image cannot be prepared\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        # Not a package: the first run of a measurement brings it.
        podman(shop.environment, *run, "rm", "-f", "/usr/local/bin/gpuforge-node")
        podman(shop.environment, "commit", "--quiet", "--change=CMD /sbin/init", container, shop.image)


def _container(number: int) -> str:
    return f"gpuforge-{run_name(TOP)}-fanout-{number:02d}"


@contextmanager
def nodes(shop: Workshop, count: int, image: str = "") -> Iterator[dict[str, str]]:
    """Start `count` fresh nodes; yields name -> address when all are booted; they are removed at the end."""
    containers = {f"node-{number:02d}": _container(number) for number in range(count)}
    remove = ("rm", "--force", "--time=0", "--ignore", *containers.values())
    podman(shop.environment, *remove)
    try:
        for name, container in containers.items():
            options = ("--detach", "--systemd=always", f"--name={container}", f"--hostname={name}")
            podman(shop.environment, "run", *options, image or shop.image, "/sbin/init")
        for container in containers.values():
            wait_until_booted(shop.environment, container)
        template = "--format={{.NetworkSettings.IPAddress}}"
        addresses = podman(shop.environment, "inspect", template, *containers.values()).split()
        # What starts late must not run into the measurement.
        time.sleep(1)
        yield dict(zip(containers, addresses, strict=True))
    finally:
        podman(shop.environment, *remove)
