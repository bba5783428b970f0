# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Where everything sits: NUMA nodes, GPUs, network adapters, NVMe drives, and how near they are to each other."""

from __future__ import annotations

from typing import Dict, List, Optional, Set

from . import _nvidia_ids
from ._numa import Cpus, read_cpus, read_nodes
from ._pci import KINDS, PciDevice, path_kind, read_pci
from ._problem import Facts, problem
from ._sysfs import Tree, format_cpulist, parse_cpulist, parse_cpumask

_NVME_CLASS = 0x0108  # PCI base class 01, subclass 08: non-volatile memory controller
_NETWORK_BASE_CLASS = 0x02  # Ethernet 0200, InfiniBand 0207, fabric 0208, other 0280
_INFINIBAND_ON_SERIAL_BUS = 0x0C06  # ConnectX-3 and older


def read_topology(root: str = "/", *, tree: Optional[Tree] = None, devices: Optional[List[PciDevice]] = None) -> Facts:
    """Return the topology of a node, as RETURN of the module ``topology_info`` describes it.

    :param root: directory that stands for ``/``.
    :param tree: an open tree of *root*, to share its cache.
    :param devices: the tree's PCI devices, when they are known already.
    """
    tree = tree or Tree(root)
    devices = read_pci(tree) if devices is None else devices
    problems: List[Dict[str, str]] = []
    cpus = read_cpus(tree, problems)
    nodes = read_nodes(tree, cpus, problems)
    place = _Places(tree, cpus, nodes, problems)
    gpus = [device for device in devices if device.is_gpu]
    nics = [device for device in devices if is_nic(device)]
    nvme = [device for device in devices if device.class_code == _NVME_CLASS and device.physical_function is None]
    found_nics = [
        place.describe(
            device, {"names": interface_names(tree, device), "rdma": tree.names(device.path + "/infiniband")}
        )
        for device in nics
    ]
    return {
        "cpus_online": format_cpulist(cpus.present if cpus.online is None else cpus.online),
        "cpus_present": format_cpulist(cpus.present),
        "numa_nodes": nodes,
        "gpus": [place.describe(device, {"name": _nvidia_ids.gpu_name(device.device)}) for device in gpus],
        "nics": found_nics,
        "nvme": [place.describe(device, {"names": tree.names(device.path + "/nvme")}) for device in nvme],
        "affinity": [place.affinity(gpu, gpus, nics, nvme, found_nics) for gpu in gpus],
        "problems": problems + tree.problems(),
    }


def is_nic(device: PciDevice) -> bool:
    """Return whether a PCI function is a network adapter of this machine (not a VF made for its guests)."""
    code = device.class_code
    if device.physical_function is not None or code is None:
        return False
    return code >> 8 == _NETWORK_BASE_CLASS or code == _INFINIBAND_ON_SERIAL_BUS


def interface_names(tree: Tree, device: PciDevice) -> List[str]:
    """Return the network interfaces of a PCI function; virtio puts one device between."""
    names = tree.names(device.path + "/net")
    for child in tree.names(device.path):
        if child.startswith("virtio"):
            names += tree.names(f"{device.path}/{child}/net")
    return sorted(set(names))


class _Places:
    """What is needed to say where a device sits."""

    def __init__(self, tree: Tree, cpus: Cpus, nodes: List[Facts], problems: List[Dict[str, str]]) -> None:
        self.tree = tree
        self.cpus = cpus
        self.nodes: Dict[int, Facts] = {node["id"]: node for node in nodes}
        self.problems = problems
        with_cpus = [node["id"] for node in nodes if node["cpus"]]
        # With one node every device is in it, whatever the firmware says; with several, unknown stays unknown.
        self.only_node: Optional[int] = with_cpus[0] if len(with_cpus) == 1 else None

    def describe(self, device: PciDevice, more: Facts) -> Facts:
        """Return a device's address, node and CPUs."""
        if device.numa_node is not None and self.nodes and device.numa_node not in self.nodes:
            self.problems.append(
                problem(
                    "unknown-node",
                    f"{device.address} says NUMA node {device.numa_node}, which does not exist",
                    device.address,
                )
            )
        return {
            "pci_bus_id": device.address,
            "numa_node": device.numa_node,
            "driver": device.driver,
            "local_cpus": format_cpulist(self.local_cpus(device)),
            **more,
        }

    def local_cpus(self, device: PciDevice) -> Set[int]:
        """Return the online CPUs that the kernel calls local to a device, else those of its node."""
        for name, parse in (("local_cpulist", parse_cpulist), ("local_cpus", parse_cpumask)):
            text = self.tree.text(f"{device.path}/{name}")
            if not text:
                continue
            try:
                found = self.cpus.awake(parse(text))
            except ValueError as exc:
                self.problems.append(problem("unreadable-list", f"{device.path}/{name}: {exc}", device.address))
                continue
            if found:
                return found
        node = self.nodes.get(device.numa_node if device.numa_node is not None else -1)
        return parse_cpulist(node["cpus"]) if node else set()

    def nearest_cpus(self, device: PciDevice) -> Set[int]:
        """Return a device's local CPUs, or those of the nearest node that has CPUs (GPU in a memory-only node)."""
        local = self.local_cpus(device)
        node = self.nodes.get(device.numa_node if device.numa_node is not None else -1)
        if local or node is None:
            return local
        ways = [
            (distance, int(other))
            for other, distance in node["distances"].items()
            if int(other) in self.nodes and self.nodes[int(other)]["cpus"]
        ]
        return parse_cpulist(self.nodes[min(ways)[1]]["cpus"]) if ways else set()

    def affinity(
        self,
        gpu: PciDevice,
        gpus: List[PciDevice],
        nics: List[PciDevice],
        nvme: List[PciDevice],
        described: List[Facts],
    ) -> Facts:
        """Return how near everything is to one GPU, nearest first."""
        names = {found["pci_bus_id"]: found["rdma"] + found["names"] for found in described}
        return {
            "gpu": gpu.address,
            "numa_node": gpu.numa_node if gpu.numa_node is not None else self.only_node,
            "cpus": format_cpulist(self.nearest_cpus(gpu)),
            "nics": [dict(way, names=names[way["pci_bus_id"]]) for way in self._ways(gpu, nics)],
            "nvme": self._ways(gpu, nvme),
            "gpus": self._ways(gpu, [other for other in gpus if other is not gpu]),
        }

    def _ways(self, gpu: PciDevice, others: List[PciDevice]) -> List[Facts]:
        ways = [
            {"pci_bus_id": other.address, "kind": path_kind(gpu, other, node_of_all=self.only_node)} for other in others
        ]
        return sorted(ways, key=lambda way: KINDS.index(way["kind"]))  # stable: bus order within a kind
