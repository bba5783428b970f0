"""A machine on paper: a tree of files with the kernel's manners."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_keys_kernel import COUNTERPARTS
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_run import run

GIB = 1024 * 1024

VALUES = {
    "vm.swappiness": "60",
    "vm.max_map_count": "65530",
    "vm.min_free_kbytes": "67584",
    "vm.dirty_ratio": "20",
    "vm.dirty_bytes": "0",
    "vm.dirty_background_ratio": "10",
    "vm.dirty_background_bytes": "0",
    "vm.zone_reclaim_mode": "0",
    "kernel.numa_balancing": "1",
    "fs.inotify.max_user_instances": "128",
    "net.core.somaxconn": "4096",
    "net.core.rmem_max": "212992",
    "net.core.wmem_max": "212992",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.ipv4.tcp_congestion_control": "cubic",
    "net.ipv4.tcp_available_congestion_control": "reno cubic",
}
THP = "/sys/kernel/mm/transparent_hugepage/"


class Kernel(Host):
    """A tree that refuses, ignores, rounds and counts as a kernel does.

    ``refuses``: {path: errno}; ``ignores``: paths that take a write without effect; ``gives``: {path: what is there
    after any write}; ``missing``: paths access() calls read-only; ``programs``: {first two words: (code, output)}.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.refuses: dict[str, int] = {}
        self.ignores: set[str] = set()
        self.gives: dict[str, str] = {}
        self.read_only: set[str] = set()
        self.programs: dict[str, tuple[int, str]] = {}
        self.is_running = False
        self.writes: list[tuple[str, str]] = []
        self.ran: list[str] = []

    @property
    def running(self) -> bool:
        return self.is_running

    def put(self, path: str, text: str) -> None:
        file = Path(self.real(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def sysctl(self, key: str) -> str:
        return " ".join((self.read("/proc/sys/" + key.replace(".", "/")) or "").split())

    def set_sysctl(self, key: str, value: str) -> None:
        self.put("/proc/sys/" + key.replace(".", "/"), value + "\n")

    def writable(self, path: str) -> tuple[bool, str]:
        if path in self.read_only:
            return False, "mounted read-only here (a container?)"
        return super().writable(path)

    def write_value(self, path: str, value: str) -> None:
        if path in self.refuses:
            raise OSError(self.refuses[path], os.strerror(self.refuses[path]), path)
        self.writes.append((path, value))
        if path in self.ignores:
            return
        if path in self.gives:
            value = self.gives[path]
        text = self.read(path) or ""
        if "[" in text:
            words = [word.strip("[]") for word in text.split()]
            if value not in words:
                raise OSError(22, "Invalid argument", path)
            value = " ".join("[%s]" % word if word == value else word for word in words)
        super().write_value(path, value)
        other = COUNTERPARTS.get(path.removeprefix("/proc/sys/").replace("/", "."))
        if other is not None:
            self.set_sysctl(other, "0")

    def run(self, argv, timeout_s=60.0):
        self.ran.append(" ".join(argv))
        return self.programs.get(" ".join(argv[:2]), (0, ""))

    def tune(self, check_mode: bool = False, **options):
        """One run of the module's core."""
        return run(options, check_mode, self)

    def owned(self) -> dict[str, str]:
        """Every file below /etc, and where links lead."""
        top = Path(self.root) / "etc"
        # An empty folder that we made is a trace as well.
        assert not [str(path) for path in top.rglob("*") if path.is_dir() and not any(path.iterdir())]
        return {
            "/" + str(path.relative_to(self.root)): str(path.readlink()) if path.is_symlink() else path.read_text()
            for path in sorted(top.rglob("*"))
            if path.is_symlink() or path.is_file()
        }


@pytest.fixture
def kernel(tmp_path) -> Kernel:
    """Bare metal, 128 GiB, two NUMA nodes, 100 Gb/s."""
    made = Kernel(tmp_path / "root")
    made.put("/proc/meminfo", "MemTotal:       %d kB\nHugepagesize:       2048 kB\n" % (128 * GIB))
    made.put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme de\n")
    made.put("/proc/sys/kernel/osrelease", "6.1.0-56-amd64\n")
    made.put("/proc/swaps", "Filename Type Size Used Priority\n")
    made.put(
        "/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\n",
    )
    made.put("/sys/class/net/eth0/speed", "100000\n")
    for key, value in VALUES.items():
        made.set_sysctl(key, value)
    made.put(THP + "enabled", "always [madvise] never\n")
    made.put(THP + "defrag", "always defer defer+madvise [madvise] never\n")
    for node in (0, 1):
        folder = "/sys/devices/system/node/node%d/" % node
        made.put(folder + "meminfo", "Node %d MemTotal:       %d kB\n" % (node, 64 * GIB))
        made.put(folder + "cpulist", "0-3\n" if node == 0 else "4-7\n")
        made.put(folder + "hugepages/hugepages-2048kB/nr_hugepages", "0\n")
    made.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n")
    return made


@pytest.fixture
def virtual(kernel) -> Kernel:
    """The same as a virtual machine with 2 GiB."""
    kernel.put("/proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu hypervisor\n")
    kernel.put("/proc/meminfo", "MemTotal:       %d kB\nHugepagesize:       2048 kB\n" % (2 * GIB))
    kernel.put("/sys/class/dmi/id/product_name", "Standard PC (Q35 + ICH9, 2009)\n")
    return kernel
