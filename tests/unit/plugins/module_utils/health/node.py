"""A machine on paper for the health checks: files below a folder, and what its programs answer."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gpuforge.node.plugins.module_utils._health.expect import parse_expect
from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Machine, ProgramError, Ran
from ansible_collections.gpuforge.node.plugins.module_utils._health.tree import Tree

KERNEL = "6.1.0-56-cloud-amd64"
OLD_KERNEL = "6.1.0-9-cloud-amd64"
DRIVER = "535.309.01"
BOOTED_AT = 1_700_000_000
MACHINE_ID = "0123456789abcdef0123456789abcdef"


def elf(modinfo: Mapping[str, str]) -> bytes:
    """A 64-bit ELF object with a .modinfo section, as small as it can be: two sections beside the null one."""
    info = b"".join(f"{key}={value}".encode() + b"\0" for key, value in modinfo.items())
    names = b"\0.modinfo\0.shstrtab\0"
    start = 64
    table = start + len(info) + len(names)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    sections = [
        struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, start, len(info), 0, 0, 1, 0),
        struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, start + len(info), len(names), 0, 0, 1, 0),
    ]
    return header + info + names + b"".join(sections)


def cpio(files: Mapping[str, str]) -> bytes:
    """A cpio archive in the "newc" form."""
    out = b""
    for number, (name, text) in enumerate([*files.items(), ("TRAILER!!!", "")]):
        fields = (number, 0o100644, 0, 0, 1, 0, len(text), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + text.encode()
        out += b"\0" * (-len(out) % 4)
    return out


@dataclass
class Node:
    """Builds a tree below ``root``; ``machine()`` is what the checks get."""

    root: Path
    live: bool = True
    programs: dict[str, Ran | Callable[[Sequence[str]], Ran]] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    gpu: dict[str, Any] = field(default_factory=lambda: {"gpus": [], "problems": [], "source": "pci"})

    def file(self, path: str, content: str | bytes = "", *, at: float | None = None) -> Path:
        """Write a file; ``at`` is its time of modification."""
        real = self.root / path.lstrip("/")
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_bytes(content if isinstance(content, bytes) else content.encode())
        if at is not None:
            os.utime(real, (at, at))
        return real

    def link(self, path: str, target: str) -> None:
        real = self.root / path.lstrip("/")
        real.parent.mkdir(parents=True, exist_ok=True)
        real.symlink_to(target)

    def folder(self, path: str) -> None:
        (self.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def json(self, path: str, data: object) -> None:
        self.file(path, json.dumps(data))

    def answer(self, program: str, out: str = "", code: int = 0, err: str = "") -> None:
        """What a program of the machine says."""
        self.programs[program] = Ran(code, out, err)

    def run(self, argv: Sequence[str]) -> Ran:
        answer = self.programs.get(argv[0])
        if answer is None:
            raise ProgramError(f"{argv[0]} is not installed")
        return answer(argv) if callable(answer) else answer

    def machine(self) -> Machine:
        return Machine(
            Tree(str(self.root)),
            live=self.live,
            run=self.run,
            expect=parse_expect(self.expect),
            gpu_facts=lambda: self.gpu,
        )

    # What several groups need

    def boot(self) -> None:
        """systemd runs; the boot was at BOOTED_AT."""
        self.folder("/run/systemd/system")
        self.file("/proc/stat", f"cpu  1 2 3\nbtime {BOOTED_AT}\n")

    def packages(self, **versions: str) -> None:
        """A dpkg status file with these packages installed."""
        stanzas = [
            f"Package: {name.replace('_', '-')}\nStatus: install ok installed\nArchitecture: amd64\n"
            f"Version: {version}\nDescription: text\n more: text\n"
            for name, version in versions.items()
        ]
        self.file("/var/lib/dpkg/status", "\n".join(stanzas))

    def kernel(self, release: str = KERNEL) -> None:
        self.file(f"/boot/vmlinuz-{release}")
        self.file(f"/lib/modules/{release}/modules.dep", "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko\n")

    def driver(self, version: str = DRIVER, release: str = KERNEL) -> None:
        """Debian's driver: packages, the module from DKMS, the library behind its alternatives."""
        self.packages(libc6="2.36-9", nvidia_kernel_dkms=f"{version}-1", libnvidia_ml1=f"{version}-1")
        self.kernel(release)
        base = f"/lib/modules/{release}"
        built = elf({"version": version, "vermagic": f"{release} SMP preempt mod_unload"})
        self.file(f"{base}/updates/dkms/nvidia-current.ko", built)
        self.file(
            f"{base}/modules.dep",
            "updates/dkms/nvidia-current-drm.ko: updates/dkms/nvidia-current.ko\nupdates/dkms/nvidia-current.ko:\n",
        )
        dkms = f"/var/lib/dkms/nvidia-current/{version}"
        self.link(f"{dkms}/source", f"/usr/src/nvidia-current-{version}")
        self.file(f"{dkms}/{release}/x86_64/module/nvidia-current.ko", built)
        self.link(f"/var/lib/dkms/nvidia-current/kernel-{release}-x86_64", f"{version}/{release}/x86_64")
        library = "/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so"
        self.file(f"{library}.{version}")
        self.link(f"{library}.1", f"libnvidia-ml.so.{version}")
        self.link("/etc/alternatives/nvidia--libnvidia-ml.so.1-x86_64-linux-gnu", f"{library}.1")
        # An absolute link, as update-alternatives makes it: it must be followed inside the root.
        self.link(
            "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
            "/etc/alternatives/nvidia--libnvidia-ml.so.1-x86_64-linux-gnu",
        )

    def gpu_on_bus(self, address: str = "0000:3b:00.0") -> None:
        base = f"/sys/devices/pci0000:3a/{address}"
        self.file(f"{base}/vendor", "0x10de\n")
        self.file(f"{base}/device", "0x2330\n")
        self.file(f"{base}/class", "0x030200\n")
        self.link(f"/sys/bus/pci/devices/{address}", f"../../../devices/pci0000:3a/{address}")


def build_for(node: Node, release: str, signature: bytes = b"") -> None:
    """One more kernel that has the driver's module."""
    node.kernel(release)
    node.file(
        f"/lib/modules/{release}/updates/dkms/nvidia-current.ko",
        elf({"version": DRIVER, "vermagic": f"{release} SMP preempt mod_unload"}) + signature,
    )
    node.file(f"/lib/modules/{release}/modules.dep", "updates/dkms/nvidia-current.ko:\n")


@dataclass(frozen=True)
class Case:
    """A tree and what one check must say of it."""

    check: str
    status: str
    build: Callable[[Node], None]
    says: str = ""

    @property
    def name(self) -> str:
        return f"{self.check}-{self.status}-{self.build.__name__.strip('_')}"
