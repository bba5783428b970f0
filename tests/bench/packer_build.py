"""The same work by Packer's QEMU builder and a shell provisioner, as its documentation shows it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpuforge.providers.local import seed


@dataclass(frozen=True)
class Build:
    """What one build took and how large its disk is."""

    seconds: float
    bytes: int


def template(image: Path, folder: Path, packages: Sequence[str], keys: seed.Seed) -> dict[str, object]:
    """The build: boot a copy of *image* with a NoCloud seed, install *packages*, write a compressed qcow2."""
    install = "apt-get install -y --no-install-recommends"
    return {
        "builders": [
            {
                "type": "qemu",
                "accelerator": "tcg",
                "headless": True,
                "disk_image": True,
                "use_backing_file": False,
                "iso_url": str(image),
                "iso_checksum": "none",
                "disk_size": "4096M",
                "format": "qcow2",
                "disk_compression": True,
                "memory": 2048,
                "output_directory": str(folder / "out"),
                "vm_name": "disk.qcow2",
                "ssh_username": seed.USER,
                "ssh_private_key_file": str(folder / keys.client_key),
                "ssh_timeout": "15m",
                "shutdown_command": "sudo shutdown -P now",
                "qemuargs": [
                    ["-cpu", "max"],
                    ["-smp", "2"],
                    ["-machine", "type=pc,accel=tcg"],
                    # Packer's own forward listens on every address of the machine.
                    ["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"],
                    ["-drive", f"file={folder}/out/disk.qcow2,if=virtio,cache=writeback,discard=ignore,format=qcow2"],
                    ["-drive", f"file={keys.image},if=virtio,format=raw,readonly=on"],
                ],
            }
        ],
        "provisioners": [
            {
                "type": "shell",
                "inline": [
                    "cloud-init status --wait",
                    f"sudo DEBIAN_FRONTEND=noninteractive {install} {' '.join(packages)}",
                ],
            }
        ],
    }


def build(image: Path, folder: Path, packages: Sequence[str]) -> Build:
    """Run Packer; raises CalledProcessError with its log in *folder*."""
    folder.mkdir(parents=True)
    keys = seed.make_seed(folder, f"packer-{folder.name}")
    (folder / "build.json").write_text(json.dumps(template(image, folder, packages, keys), indent=2))
    env = {
        **os.environ,
        "PACKER_CACHE_DIR": str(folder / "cache"),
        "CHECKPOINT_DISABLE": "1",
        "PACKER_CONFIG_DIR": str(folder),
    }
    start = time.monotonic()
    with (folder / "log").open("wb") as log:
        subprocess.run(
            ["packer", "build", "-color=false", "build.json"], cwd=folder, env=env, stdout=log, stderr=log, check=True
        )
    seconds = time.monotonic() - start
    return Build(seconds, (folder / "out/disk.qcow2").stat().st_size)
