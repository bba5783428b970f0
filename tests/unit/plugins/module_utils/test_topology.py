"""Topology of small trees: odd NUMA nodes, odd CPUs, affinity by PCI path."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _sysfs
from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    add_pci,
    write_tree,
)

NODES = "/sys/devices/system/node"
CPUS = "/sys/devices/system/cpu"
H100 = (0x0302, 0x10DE, 0x2330)
NIC = (0x0207, 0x15B3, 0x1021)


def add_node(root: Path, number: int, cpus: str, mib: int, distances: str = "", **more: object) -> None:
    files: dict[str, object] = {
        "cpulist": cpus,
        "meminfo": f"Node {number} MemTotal:  {mib << 10} kB\nNode {number} MemFree:  5 kB",
    }
    if distances:
        files["distance"] = distances
    files.update(more)
    write_tree(root, {f"{NODES}/node{number}/{name}": value for name, value in files.items()})


def nodes_of(root: Path) -> dict[int, Any]:
    return {node["id"]: node for node in read_topology(str(root))["numa_nodes"]}


def test_holes_memory_only_and_cpu_only_nodes(tmp_path: Path) -> None:
    write_tree(tmp_path, {CPUS + "/online": "0-7", CPUS + "/present": "0-7", NODES + "/online": "0,2,5,8-10"})
    add_node(tmp_path, 0, "0-3", 1024, "10 21 40 50 60 70")
    add_node(tmp_path, 2, "4-7", 0, "21 10 40 50 60 70")
    add_node(tmp_path, 5, "", 4096, "40 40 10 50 60 70")
    add_node(tmp_path, 8, "", 512, "50 50 50 10 60 70")
    add_node(tmp_path, 9, "", 98304, "60 60 60 60 10 70")
    add_node(tmp_path, 10, "", 0, "70 70 70 70 70 10")
    write_tree(
        tmp_path,
        {
            "/sys/bus/dax/devices/dax0.0/target_node": "8",
            "/proc/driver/nvidia/gpus/0009:01:00.0/numa_status": "Node: 9\nStatus: online",
        },
    )
    found = nodes_of(tmp_path)
    assert {number: node["kind"] for number, node in found.items()} == {
        0: "cpu+memory",
        2: "cpu",
        5: "memory",
        8: "dax-memory",
        9: "gpu-memory",
        10: "empty",
    }
    assert [node["memory_mib"] for node in found.values()] == [1024, 0, 4096, 512, 98304, 0]
    assert found[2]["distances"] == {"0": 21, "2": 10, "5": 40, "8": 50, "9": 60, "10": 70}


def test_memory_beyond_counting_is_unknown(tmp_path: Path) -> None:
    add_node(tmp_path, 0, "0", 1)
    write_tree(tmp_path, {f"{NODES}/node0/meminfo": f"Node 0 MemTotal: {'9' * 5000} kB"})
    assert nodes_of(tmp_path)[0]["memory_mib"] is None


def test_distances_need_not_be_symmetric(tmp_path: Path) -> None:
    add_node(tmp_path, 0, "0", 1, "10 17")
    add_node(tmp_path, 1, "1", 1, "28 10")
    found = nodes_of(tmp_path)
    assert (found[0]["distances"]["1"], found[1]["distances"]["0"]) == (17, 28)


@pytest.mark.parametrize("row", ["10 20 30", "10", "ten twenty", "10 ²", "10 " + "9" * 5000, ""])
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, row: str) -> None:
    add_node(tmp_path, 0, "0", 1, row or " ")
    add_node(tmp_path, 1, "1", 1, "20 10")
    facts = read_topology(str(tmp_path))
    assert facts["numa_nodes"][0]["distances"] == {}
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [("unreadable-distances", "node0")]


def test_offline_cpus_are_left_out_and_named(tmp_path: Path) -> None:
    write_tree(tmp_path, {CPUS + "/online": "0-2,4", CPUS + "/present": "0-7"})
    add_node(tmp_path, 0, "0-3", 64)
    add_node(tmp_path, 1, "4-7", 64)
    add_pci(tmp_path, "pci0000:00/0000:00:04.0", *H100, node=0, cpus="0-3")
    facts = read_topology(str(tmp_path))
    assert (facts["cpus_online"], facts["cpus_present"]) == ("0-2,4", "0-7")
    assert [node["cpus"] for node in facts["numa_nodes"]] == ["0-2", "4"]
    assert facts["gpus"][0]["local_cpus"] == "0-2"
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [
        ("offline-cpus", "node0"),
        ("offline-cpus", "node1"),
    ]


def test_cpus_of_old_kernels(tmp_path: Path) -> None:
    """No lists: CPU directories, their `online` files, masks, links in the node directory."""
    files: dict[str, object] = {f"{CPUS}/cpu{cpu}/online": int(cpu != 3) for cpu in range(1, 4)}
    files.update(
        {
            f"{CPUS}/cpu0/topology/core_id": 0,
            f"{NODES}/node0/cpumap": "00000000,00000003",
            f"{NODES}/node1/meminfo": "Node 1 MemTotal: 2048 kB",
            f"{NODES}/node2/cpumap": "garbage",
        }
    )
    root = write_tree(
        tmp_path, files, {f"{NODES}/node1/cpu2": "../../cpu/cpu2", f"{NODES}/node1/cpu3": "../../cpu/cpu3"}
    )
    facts = read_topology(str(root))
    assert facts["cpus_online"] == "0-2"
    assert [node["cpus"] for node in facts["numa_nodes"]] == ["0-1", "2", ""]
    assert [found["id"] for found in facts["problems"]] == ["offline-cpus", "unreadable-list"]


def test_no_numa_and_nothing_at_all(tmp_path: Path) -> None:
    write_tree(tmp_path, {CPUS + "/online": "0-1"})
    add_pci(tmp_path, "pci0000:00/0000:00:04.0", *H100, node=-1, cpus="0-1")
    facts = read_topology(str(tmp_path))
    assert (facts["numa_nodes"], facts["gpus"][0]["numa_node"], facts["affinity"][0]["cpus"]) == ([], None, "0-1")
    empty = read_topology(str(tmp_path / "proc"))
    assert (empty["numa_nodes"], empty["gpus"], empty["affinity"], empty["problems"]) == ([], [], [], [])


def test_huge_pages(tmp_path: Path) -> None:
    add_node(
        tmp_path,
        0,
        "0",
        64,
    )
    pools = {
        "hugepages-1048576kB/nr_hugepages": 2,
        "hugepages-1048576kB/free_hugepages": 1,
        "hugepages-2048kB/nr_hugepages": 7,
    }
    write_tree(tmp_path, {f"{NODES}/node0/hugepages/{name}": value for name, value in pools.items()})
    assert nodes_of(tmp_path)[0]["hugepages"] == [
        {"size_kib": 2048, "total": 7, "free": None},
        {"size_kib": 1048576, "total": 2, "free": 1},
    ]


def two_sockets(root: Path) -> None:
    """Two nodes; on the first a GPU, a NIC and a drive below one switch, a NIC at another port; a NIC on the second."""
    write_tree(root, {CPUS + "/online": "0-7"})
    add_node(root, 0, "0-3", 64, "10 21")
    add_node(root, 1, "4-7", 64, "21 10")
    switch = "pci0000:15/0000:15:01.0/0000:16:00.0/0000:17:0{}.0/0000:{}:00.0"
    add_pci(root, switch.format(1, "19"), *H100, node=0, cpus="0-3")
    nic = add_pci(root, switch.format(2, "1a"), *NIC, node=0, cpus="0-3", driver="mlx5_core")
    drive = add_pci(root, switch.format(3, "1b"), 0x0108, 0x144D, 0xA824, node=0, cpus="0-3")
    add_pci(root, "pci0000:15/0000:15:02.0/0000:1c:00.0", 0x0200, 0x8086, 0x1563, node=0, cpus="0-3")
    add_pci(root, "pci0000:37/0000:37:01.0/0000:38:00.0", *NIC, node=0, cpus="0-3")
    add_pci(root, "pci0000:05/0000:05:01.0/0000:06:00.0", *NIC, node=1, cpus="4-7")  # first on the bus, far away
    far = add_pci(root, "pci0000:97/0000:97:01.0/0000:9a:00.0", *NIC, node=1, cpus="4-7")
    guest = add_pci(root, "pci0000:97/0000:97:01.0/0000:9a:00.1", *NIC, node=1, cpus="4-7")
    write_tree(
        root,
        {
            nic + "/net/ibp26s0/operstate": "up",
            nic + "/infiniband/mlx5_0/hca_type": "MT4129",
            drive + "/nvme/nvme0/model": "x",
            far + "/virtio3/net/eth3/operstate": "up",
        },
        {guest + "/physfn": "../0000:9a:00.0"},
    )


def test_affinity(tmp_path: Path) -> None:
    two_sockets(tmp_path)
    facts = read_topology(str(tmp_path))
    (way,) = facts["affinity"]
    assert (way["gpu"], way["numa_node"], way["cpus"]) == ("0000:19:00.0", 0, "0-3")
    assert [(nic["pci_bus_id"], nic["kind"], nic["names"]) for nic in way["nics"]] == [
        ("0000:1a:00.0", "PIX", ["mlx5_0", "ibp26s0"]),
        ("0000:1c:00.0", "PHB", []),
        ("0000:38:00.0", "NODE", []),
        ("0000:06:00.0", "SYS", []),
        ("0000:9a:00.0", "SYS", ["eth3"]),
    ]
    assert way["nvme"] == [{"pci_bus_id": "0000:1b:00.0", "kind": "PIX"}]
    assert facts["nvme"][0]["names"] == ["nvme0"]
    assert facts["nics"][1]["driver"] == "mlx5_core"
    assert facts["problems"] == []


def test_the_nearest_cpus_of_a_gpu_in_a_node_without(tmp_path: Path) -> None:
    write_tree(tmp_path, {CPUS + "/online": "0-3"})
    add_node(tmp_path, 0, "0-1", 64, "10 21 40")
    add_node(tmp_path, 1, "2-3", 64, "21 10 30")
    add_node(tmp_path, 4, "", 64, "40 30 10")
    add_pci(tmp_path, "pci0000:15/0000:15:01.0/0000:19:00.0", *H100, node=4)
    assert read_topology(str(tmp_path))["affinity"][0]["cpus"] == "2-3"


def test_one_node_holds_what_the_firmware_does_not_place(tmp_path: Path) -> None:
    write_tree(tmp_path, {CPUS + "/online": "0-3"})
    add_node(tmp_path, 0, "0-3", 64)
    add_pci(tmp_path, "pci0001:00/0001:00:00.0", *H100, node=-1, cpus="0-3")
    add_pci(tmp_path, "pci10000:00/10000:00:00.0", *NIC, node=-1, cpus="0-3")
    (way,) = read_topology(str(tmp_path))["affinity"]
    assert (way["numa_node"], way["nics"][0]) == (0, {"pci_bus_id": "10000:00:00.0", "kind": "NODE", "names": []})
    add_node(tmp_path, 1, "", 64)
    assert read_topology(str(tmp_path))["affinity"][0]["nics"][0]["kind"] == "NODE"
    add_node(tmp_path, 2, "4", 64)
    write_tree(tmp_path, {CPUS + "/online": "0-4"})
    assert read_topology(str(tmp_path))["affinity"][0]["nics"][0]["kind"] == "SYS"


def test_a_node_that_does_not_exist_is_named(tmp_path: Path) -> None:
    add_node(tmp_path, 0, "0-3", 64)
    add_pci(tmp_path, "pci0001:00/0001:00:00.0", *H100, node=3)
    assert [found["id"] for found in read_topology(str(tmp_path))["problems"]] == ["unknown-node"]


def test_lists_that_are_none_and_files_that_are_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_sockets(tmp_path)
    write_tree(
        tmp_path,
        {
            CPUS + "/online": b"\xff\xfe",
            NODES + "/node0/cpulist": "many",
            "/sys/devices/pci0000:97/0000:97:01.0/0000:9a:00.0/local_cpulist": "4-x",
        },
    )
    problems = read_topology(str(tmp_path))["problems"]
    assert [found["id"] for found in problems] == ["unreadable-list"] * 3
    real = os.open

    def guarded(path: str, *rest: Any, **more: Any) -> int:
        if path.endswith("node1/meminfo"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *rest, **more)

    monkeypatch.setattr(_sysfs.os, "open", guarded)
    facts = read_topology(str(tmp_path))
    assert facts["numa_nodes"][1]["memory_mib"] is None
    assert ("unreadable", NODES + "/node1/meminfo") in [(found["id"], found["subject"]) for found in facts["problems"]]
