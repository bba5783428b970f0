# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""CPUs and NUMA nodes from sysfs (kernel documentation: admin-guide/cputopology and ABI/stable/sysfs-devices-node)."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Set

from ._problem import Facts, problem
from ._sysfs import Tree, format_cpulist, parse_cpulist, parse_cpumask

_NODES = "/sys/devices/system/node"
_CPUS = "/sys/devices/system/cpu"
_NODE = re.compile(r"^node(\d+)$")
_CPU = re.compile(r"^cpu(\d+)$")
_HUGEPAGES = re.compile(r"^hugepages-(\d+)kB$")
_MEMORY = re.compile(r"MemTotal:\s*(\d{1,18})\s*kB")


class Cpus(NamedTuple):
    """The machine's CPUs; ``online`` is None when sysfs does not tell which are online."""

    present: FrozenSet[int]
    online: Optional[FrozenSet[int]]

    def awake(self, cpus: Set[int]) -> Set[int]:
        """Return those of *cpus* that are online."""
        return cpus if self.online is None else cpus & self.online


def read_list(tree: Tree, path: str, problems: List[Dict[str, str]]) -> Optional[Set[int]]:
    """Return a kernel list of numbers, or None when the file is absent or no such list (a problem then)."""
    text = tree.text(path)
    if text is None:
        return None
    try:
        return parse_cpulist(text)
    except ValueError as exc:
        problems.append(problem("unreadable-list", f"{path}: {exc}", path))
        return None


def read_cpus(tree: Tree, problems: List[Dict[str, str]]) -> Cpus:
    """Return the CPUs of the machine."""
    entries = {int(match.group(1)) for match in map(_CPU.match, tree.names(_CPUS)) if match}
    online = read_list(tree, _CPUS + "/online", problems)
    if online is None and entries:
        # Kernels before 2.6.26 have no such list. cpu0 often has no `online` file: it cannot be switched off.
        online = {cpu for cpu in entries if tree.text(f"{_CPUS}/cpu{cpu}/online") != "0"}
    present = read_list(tree, _CPUS + "/present", problems)
    return Cpus(
        frozenset(present if present is not None else entries or online or set()),
        None if online is None else frozenset(online),
    )


def read_nodes(tree: Tree, cpus: Cpus, problems: List[Dict[str, str]]) -> List[Facts]:
    """Return the NUMA nodes in the order of their ids, which may have holes.

    A kernel without NUMA has none: the list is empty then.
    """
    ids = sorted(int(match.group(1)) for match in map(_NODE.match, tree.names(_NODES)) if match)
    gpu_nodes = _gpu_memory_nodes(tree)
    dax_nodes = {
        node
        for node in (
            tree.number(f"/sys/bus/dax/devices/{name}/target_node") for name in tree.names("/sys/bus/dax/devices")
        )
        if node is not None
    }
    nodes = []
    for node in ids:
        listed = _node_cpus(tree, node, problems)
        awake = cpus.awake(listed)
        if listed - awake:
            problems.append(
                problem(
                    "offline-cpus",
                    f"node {node} lists CPUs that are offline: {format_cpulist(listed - awake)}",
                    f"node{node}",
                )
            )
        memory = _memory(tree, node)
        nodes.append(
            {
                "id": node,
                "kind": _kind(node, awake, memory, gpu_nodes, dax_nodes),
                "cpus": format_cpulist(awake),
                "memory_mib": memory,
                "hugepages": _hugepages(tree, node),
                "distances": {},
            }
        )
    _add_distances(tree, nodes, problems)
    return nodes


def _node_cpus(tree: Tree, node: int, problems: List[Dict[str, str]]) -> Set[int]:
    base = f"{_NODES}/node{node}"
    listed = read_list(tree, base + "/cpulist", problems)
    if listed is not None:
        return listed
    mask = tree.text(base + "/cpumap")
    if mask:
        try:
            return parse_cpumask(mask)
        except ValueError as exc:
            problems.append(problem("unreadable-list", f"{base}/cpumap: {exc}", base + "/cpumap"))
    return {int(match.group(1)) for match in map(_CPU.match, tree.names(base)) if match}


def _memory(tree: Tree, node: int) -> Optional[int]:
    """Return a node's memory in MiB, or None when it does not tell."""
    match = _MEMORY.search(tree.text(f"{_NODES}/node{node}/meminfo") or "")
    return int(match.group(1)) // 1024 if match else None


def _kind(node: int, awake: Set[int], memory: Optional[int], gpu_nodes: Set[int], dax_nodes: Set[int]) -> str:
    """Say what a node consists of: cpu+memory, cpu, memory, gpu-memory, dax-memory (CXL, HBM, PMem) or empty."""
    if awake:
        return "cpu" if memory == 0 else "cpu+memory"
    if node in gpu_nodes:
        return "gpu-memory"
    if node in dax_nodes:
        return "dax-memory"
    return "memory" if memory else "empty"


def _gpu_memory_nodes(tree: Tree) -> Set[int]:
    """Return the nodes that are GPU memory (Grace systems): the kernel module names the node of each GPU."""
    base = "/proc/driver/nvidia/gpus"
    texts = (tree.text(f"{base}/{name}/numa_status") or "" for name in tree.names(base))
    found = (re.search(r"^Node:\s*(\d{1,9})\b", text, re.MULTILINE) for text in texts)
    return {int(match.group(1)) for match in found if match}


def _hugepages(tree: Tree, node: int) -> List[Facts]:
    base = f"{_NODES}/node{node}/hugepages"
    sizes = sorted(int(match.group(1)) for match in map(_HUGEPAGES.match, tree.names(base)) if match)
    return [
        {
            "size_kib": size,
            "total": tree.number(f"{base}/hugepages-{size}kB/nr_hugepages"),
            "free": tree.number(f"{base}/hugepages-{size}kB/free_hugepages"),
        }
        for size in sizes
    ]


def _add_distances(tree: Tree, nodes: List[Facts], problems: List[Dict[str, str]]) -> None:
    """Give each node its distances by the id (as text) of the other node.

    A row has one number for each online node in the order of ids. Rows need not be symmetric.
    """
    ids = [node["id"] for node in nodes]
    online = sorted(read_list(tree, _NODES + "/online", problems) or ids)
    for node in nodes:
        text = tree.text(f"{_NODES}/node{node['id']}/distance")
        if text is None:
            continue
        row = text.split()
        columns = next((some for some in (ids, online) if len(some) == len(row)), None)
        if columns is None or not all(value.isdecimal() and len(value) < 10 for value in row):
            problems.append(
                problem(
                    "unreadable-distances",
                    f"node {node['id']} gives {len(row)} distances for {len(ids)} nodes: {text[:80]!r}",
                    f"node{node['id']}",
                )
            )
            continue
        node["distances"] = {str(other): int(value) for other, value in zip(columns, row)}
