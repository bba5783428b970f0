# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""PCI devices from sysfs: what they are, where they hang, how far two of them are apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Tuple

from . import _nvidia_ids
from ._sysfs import Tree

# The kernel prints the domain with at least four digits; VMD and Hyper-V guests have domains above 16 bits.
ADDRESS = re.compile(r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")
_HOST_BRIDGE = re.compile(r"^pci[0-9a-f]{4,8}:[0-9a-f]{2}$")
_DEVICES = "/sys/bus/pci/devices"

# Path kinds from near to far, as `nvidia-smi topo -m` names them.
KINDS = ("PIX", "PXB", "PHB", "NODE", "SYS")


@dataclass(frozen=True)
class PciDevice:
    """One PCI function. ``class_code`` is the 16-bit class and subclass; ids are None when sysfs did not tell."""

    address: str
    path: str  # its directory below the root, symlinks resolved
    class_code: Optional[int]
    vendor: Optional[int]
    device: Optional[int]
    numa_node: Optional[int]  # None: the firmware did not say (the kernel's -1)
    driver: Optional[str]
    physical_function: Optional[str]  # the parent's address when this is an SR-IOV virtual function of this host
    host_bridge: str  # first pciDDDD:BB of the path; empty when the path does not show one
    bridges: Tuple[str, ...]  # addresses from the host bridge down, without the device itself

    @property
    def is_gpu(self) -> bool:
        """True for a physical NVIDIA GPU (not for its audio and USB functions, nor for a vGPU host's VFs)."""
        return (
            self.vendor == _nvidia_ids.VENDOR
            and self.class_code in _nvidia_ids.GPU_CLASSES
            and self.physical_function is None
        )


def normal_address(text: str) -> Optional[str]:
    """Return a PCI address as sysfs writes it (``00000000:3B:00.0`` -> ``0000:3b:00.0``), or None if it is none."""
    match = re.match(r"^(?:([0-9a-f]{1,16}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.([0-7]))?$", text.strip().lower())
    if match is None:
        return None
    domain, bus, slot, function = match.groups()
    return f"{int(domain or '0', 16):04x}:{int(bus, 16):02x}:{int(slot, 16):02x}.{function or '0'}"


def _order(address: str) -> Tuple[int, str]:
    """Sort key: domain as a number, then bus, slot and function."""
    domain, _, rest = address.partition(":")
    return int(domain, 16), rest


def _directories(tree: Tree) -> Iterator[Tuple[str, str]]:
    """Yield (address, directory) of every PCI function."""
    names = [name for name in tree.names(_DEVICES) if ADDRESS.match(name)]
    for name in names:
        yield name, tree.resolve(f"{_DEVICES}/{name}") or f"{_DEVICES}/{name}"
    if names:
        return
    # Captured trees often hold only /sys/devices: walk down the bridges.
    waiting = [f"/sys/devices/{name}" for name in tree.names("/sys/devices") if _HOST_BRIDGE.match(name)]
    while waiting:
        parent = waiting.pop()
        for name in tree.names(parent):
            if ADDRESS.match(name):
                yield name, f"{parent}/{name}"
                waiting.append(f"{parent}/{name}")
            elif _HOST_BRIDGE.match(name):  # a host bridge behind a device: VMD
                waiting.append(f"{parent}/{name}")


def read_pci(tree: Tree) -> List[PciDevice]:
    """Return every PCI function below the tree's root except plain PCI-to-PCI bridges, sorted by address."""
    devices: Dict[str, PciDevice] = {}
    for address, path in _directories(tree):
        code = tree.number(path + "/class")
        class_code = None if code is None else code >> 8
        if class_code == 0x0604:  # bridges matter only as parts of the paths of others
            continue
        parts = path.split("/")
        hosts = [part for part in parts if _HOST_BRIDGE.match(part)]
        node = tree.number(path + "/numa_node")
        devices[address] = PciDevice(
            address=address,
            path=path,
            class_code=class_code,
            vendor=tree.number(path + "/vendor"),
            device=tree.number(path + "/device"),
            numa_node=None if node is None or node < 0 else node,
            driver=tree.link_name(path + "/driver"),
            physical_function=tree.link_name(path + "/physfn"),
            host_bridge=hosts[0] if hosts else "",
            bridges=tuple(part for part in parts[:-1] if ADDRESS.match(part)),
        )
    return [devices[address] for address in sorted(devices, key=_order)]


def path_kind(one: PciDevice, other: PciDevice, *, node_of_all: Optional[int] = None) -> str:
    """Return how two devices reach each other: one of ``KINDS``.

    PIX: at most one PCIe switch (or one root port) between them; PXB: several switches, no host bridge;
    PHB: through their host bridge; NODE: through two host bridges of one NUMA node; SYS: across nodes, and also
    when a node is unknown, because nothing shows that they are near. Meanings: legend of `nvidia-smi topo -m`.

    :param node_of_all: the machine's only NUMA node; used for devices whose firmware gives none.
    """
    if one.host_bridge and one.host_bridge == other.host_bridge:
        common = 0
        for left, right in zip(one.bridges, other.bridges):
            if left != right:
                break
            common += 1
        if common == 0:
            return "PHB"
        # A switch is one upstream port (common to both) and one downstream port to each device.
        return "PIX" if max(len(one.bridges), len(other.bridges)) - common <= 1 else "PXB"
    first = node_of_all if one.numa_node is None else one.numa_node
    second = node_of_all if other.numa_node is None else other.numa_node
    return "NODE" if first is not None and first == second else "SYS"
