# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a guest is told at its first boot, and the keys that are good for this one boot.

The guest's host key is made here and handed in, so that the very first connection can be checked strictly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gpuforge.providers.local.tools import Runner, require_tools, run

USER: Final = "gpuforge-verify"
HOST_ALIAS: Final = "gpuforge-guest"  # the name in known_hosts, whatever the port
_DOING: Final = "making the seed of the first boot"
_SEED_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Seed:
    """Files in ``folder``: ``image`` (FAT, label CIDATA); client key and known_hosts by name, for ssh run in the
    folder."""

    folder: Path
    image: Path
    client_key: str = "client_key"
    known_hosts: str = "known_hosts"


def user_data(client_public: str, host_private: str, host_public: str) -> str:
    """cloud-init's user data. JSON is YAML, and quotes everything."""
    data = {
        "users": [
            {
                "name": USER,
                "gecos": "one boot of verification",
                "shell": "/bin/sh",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [client_public.strip()],
            }
        ],
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_private, "ed25519_public": host_public.strip()},
        "disable_root": True,
    }
    return "#cloud-config\n" + json.dumps(data, indent=1) + "\n"


def ssh_argv(seed: Seed, port: int, command: str) -> list[str]:
    """The ssh command line, to be run in the seed's folder: no file of the user is read and no unknown host
    accepted."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "20",
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": HOST_ALIAS,
        "HostKeyAlgorithms": "ssh-ed25519",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
        "ServerAliveCountMax": "8",
        "ServerAliveInterval": "15",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": seed.known_hosts,
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-T", "-p", str(port), "-i", seed.client_key, *flags, f"{USER}@127.0.0.1", command]


def make_seed(folder: Path, instance: str, *, run: Runner = run) -> Seed:
    """Write keys and the seed image into *folder* (which must be private). *instance* is the boot's id for cloud-init.

    Raises:
        GpuforgeError: a tool is missing or failed.
    """
    require_tools(["ssh-keygen", "mkfs.vfat", "mcopy"], doing=_DOING)
    for name in ("client_key", "host_key"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gpuforge", "-f", name]
        run(argv, doing="making a key for one boot", cwd=folder)
    host_public = (folder / "host_key.pub").read_text(encoding="ascii")
    (folder / "known_hosts").write_text(f"{HOST_ALIAS} {' '.join(host_public.split()[:2])}\n", encoding="ascii")
    files = {
        "user-data": user_data(
            (folder / "client_key.pub").read_text(encoding="ascii"),
            (folder / "host_key").read_text(encoding="ascii"),
            host_public,
        ),
        "meta-data": json.dumps({"instance-id": instance, "local-hostname": "localhost"}) + "\n",
    }
    image = folder / "seed.img"
    with image.open("wb") as handle:
        handle.truncate(_SEED_KIB * 1024)
    run(["mkfs.vfat", "-n", "CIDATA", image.name], doing=_DOING, cwd=folder)
    for name, text in files.items():
        run(["mcopy", "-i", image.name, "-", f"::{name}"], doing=_DOING, cwd=folder, stdin=text.encode())
    return Seed(folder, image)
