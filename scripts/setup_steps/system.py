"""The system packages: which ones a set needs on which system, which are missing, and how they get installed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .commands import run, say
from .problems import SetupError

#: Each package beside what it is there for. Names that hold on every supported system.
BAKE = {
    "ca-certificates": "trusts the archives",
    "debian-archive-keyring": "checks the Debian archive's signatures, on Ubuntu too",
    "dosfstools": "makes the EFI system partition",
    "e2fsprogs": "makes the root file system",
    "fdisk": "partitions the disk (sfdisk)",
    "gpg": "lets mmdebstrap find the archive's key",
    "grub-common": "makes the boot loader's core (grub-mkimage)",
    "mmdebstrap": "makes the base tree",
    "mount": "mounts the layers in namespaces of their own",
    "mtools": "fills the EFI system partition without mounting it",
    "openssh-client": "reaches the booted image and other nodes",
    "openssl": "makes the key that kernel modules are signed with",
    "ovmf": "UEFI firmware for the boot check",
    "pigz": "packs the tar.gz image format",
    "qemu-system-x86": "boots the image",
    "qemu-utils": "writes qcow2 (qemu-img)",
}
TEST = {
    "git": "lists what belongs to the repository",
    "iptables": "container networks",
    "kmod": "names who signed a kernel module (modinfo)",
    "podman": "runs the roles' test machines",
    "runc": "container runtime",
    "shellcheck": "checks shell files",
}
#: Container networks are a package of their own, and it has changed.
CONTAINER_NETWORK = {
    ("debian", "12"): ("netavark", "aardvark-dns"),
    ("debian", "13"): ("netavark", "aardvark-dns"),
    ("ubuntu", "22.04"): ("containernetworking-plugins",),
    ("ubuntu", "24.04"): ("netavark", "aardvark-dns"),
}
#: Packer left Debian after 12; where it is missing, the comparison with it says that it cannot run.
SLOW = {("debian", "12"): ("packer",)}
SUPPORTED = tuple(CONTAINER_NETWORK)
#: Each contains the one before it.
SETS = ("bake", "test", "slow")


@dataclass(frozen=True)
class System:
    """The system that this runs on: `ID` and `VERSION_ID` of /etc/os-release."""

    name: str
    version: str


def parse_os_release(text: str) -> System:
    """Read the text of an os-release file."""
    values = {}
    for line in text.splitlines():
        key, sep, value = line.partition("=")
        if sep and not key.startswith("#"):
            values[key.strip()] = "".join(shlex.split(value))
    return System(values.get("ID", "unknown"), values.get("VERSION_ID", "unknown"))


def this_system(path: Path = Path("/etc/os-release")) -> System:
    """Read the running system's name.

    Raises:
        SetupError: It is none of those whose package names are known here.
    """
    system = parse_os_release(path.read_text(encoding="utf-8")) if path.exists() else System("unknown", "unknown")
    if (system.name, system.version) not in SUPPORTED:
        known = ", ".join(f"{name} {version}" for name, version in SUPPORTED)
        wanted = " ".join(sorted({**BAKE, **TEST}))
        raise SetupError(
            f"this is {system.name} {system.version}; packages are known by name for {known}.",
            f"install the equivalents of: {wanted}; then run again with GPUFORGE_SYSTEM_PACKAGES=skip",
        )
    return system


def packages_for(wanted: str, system: System, python_packages: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the packages of a set, sorted.

    Args:
        wanted: One of `SETS`.
        system: A supported system.
        python_packages: What the chosen interpreter still needs, from `python.choose`.
    """
    names = {*BAKE, *python_packages}
    if wanted != "bake":
        names |= {*TEST, *CONTAINER_NETWORK[system.name, system.version]}
    if wanted == "slow":
        names |= {*SLOW.get((system.name, system.version), ())}
    return tuple(sorted(names))


def missing(packages: Sequence[str]) -> tuple[str, ...]:
    """Return those packages that dpkg does not have fully installed."""
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${binary:Package} ${db:Status-Status}\\n", *packages],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,  # 1 means that some are not known: exactly what is asked
    )
    installed = set()
    for line in query.stdout.splitlines():
        name, _, status = line.partition(" ")
        if status == "installed":
            installed.add(name.partition(":")[0])
    return tuple(name for name in packages if name not in installed)


def privilege(euid: int, env: Mapping[str, str], sudo: str | None, *, terminal: bool) -> tuple[str, ...] | None:
    """Say what to put before a command that needs root.

    Args:
        euid: This process's effective user id.
        env: The environment, of which proxies are handed on.
        sudo: Path of sudo, None where there is none.
        terminal: Whether sudo could ask for a password.

    Returns:
        Nothing for root, the sudo command for others, None where neither is to be had.
    """
    if euid == 0:
        return ()
    if sudo is None:
        return None
    keep = [f"{key}={env[key]}" for key in ("http_proxy", "https_proxy", "no_proxy") if key in env]
    return (sudo, *(() if terminal else ("-n",)), "env", *keep)


def install(packages: Sequence[str]) -> None:
    """Install packages as root or through sudo; listing them first, without asking and without recommendations.

    Raises:
        SetupError: There is no way to become root (the message has the exact command), or apt failed.
    """
    install_argv = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    say(f"needed from the system: {' '.join(packages)}")
    prefix = privilege(os.geteuid(), os.environ, shutil.which("sudo"), terminal=os.isatty(0))
    by_hand = f"apt-get update && {shlex.join(install_argv)}"
    if prefix is None:
        raise SetupError(
            "system packages are missing, and this is neither root nor is there sudo.", f"run as root: {by_hand}"
        )
    if prefix:
        allowed = subprocess.run([*prefix[: prefix.index("env")], "true"], stderr=subprocess.DEVNULL, check=False)
        if allowed.returncode != 0:
            raise SetupError("system packages are missing, and sudo was refused.", f"run as root: {by_hand}")
    quiet = ["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "Acquire::Retries=3"]
    apt = [*(prefix or ("env",)), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    # A source of somebody else's that is down must not stop this; what it said explains a failure that follows.
    lists = run("fetching the package lists", [*apt, "apt-get", "update", *quiet])
    run(f"installing {len(packages)} system packages", [*apt, *install_argv, *quiet], context=lists)
    still = missing(packages)
    if still:
        raise SetupError(
            f"apt reported success, but these are not installed: {' '.join(still)}.", f"run as root: {by_hand}"
        )
