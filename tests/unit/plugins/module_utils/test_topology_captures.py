"""Topology of captured machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    capture,
    captures,
    known,
    unpacked,
)

NODES = "/sys/devices/system/node"
CPUS = "/sys/devices/system/cpu"
H100 = (0x0302, 0x10DE, 0x2330)
NIC = (0x0207, 0x15B3, 0x1021)


@pytest.mark.parametrize("path", captures("sysfs-numa"))
def test_every_capture_is_read(path: Path) -> None:
    assert unpacked(path) or not known(path)
    for root in unpacked(path):
        facts = read_topology(str(root))
        found = sorted(int(entry.name[4:]) for entry in (root / NODES[1:]).glob("node[0-9]*") if entry.is_dir())
        assert [node["id"] for node in facts["numa_nodes"]] == found
        if facts["problems"] and not known(path):
            continue  # odd, and what is odd is named
        assert {problem["id"] for problem in facts["problems"]} <= {"offline-cpus"}
        for node in facts["numa_nodes"]:
            assert not node["distances"] or sorted(node["distances"], key=int) == [str(number) for number in found]


KNOWN = [
    (
        "containers_nri-plugins__policy-desktop+server+4socket.tar.bz2",
        "server",
        "kind",
        ["cpu+memory"] * 4 + ["memory"] * 2,
    ),
    (
        "open-mpi_hwloc__fakeheterocpunuma.tar.bz2",
        "",
        "kind",
        ["cpu+memory", "cpu+memory", "memory"] + ["cpu+memory"] * 3,
    ),
    (
        "util-linux_util-linux__lscpu-x86_64-epyc_7451.tar.gz",
        "",
        "cpus",
        [
            "0-5,48-53",
            "6-11,54-59",
            "12-17,60-65",
            "18-23,66-71",
            "24-29,72-77",
            "30-35,78-83",
            "36-41,84-89",
            "42-47,90-95",
        ],
    ),
    ("open-mpi_hwloc__32intel64-2p8co2t+8ve.tar.bz2", "", "memory_mib", [46802, 48359]),
    ("util-linux_util-linux__lscpu-s390-lpar-drawer.tar.gz", "", "cpus", ["0-7"]),
    ("performancecopilot_pcp__meminfo-root-008.tgz", "", "cpus", ["0-9,20-29", "10-19,30-39"]),
    ("open-mpi_hwloc__20s390-2g6s4c.tar.bz2", "", "cpus", []),
]


@pytest.mark.parametrize(("name", "part", "key", "expected"), KNOWN, ids=[f"{name}-{key}" for name, _, key, _ in KNOWN])
def test_known_values(name: str, part: str, key: str, expected: list[object]) -> None:
    root = next(root for root in unpacked(capture("sysfs-numa", name)) if str(root).endswith(part))
    assert [node[key] for node in read_topology(str(root))["numa_nodes"]] == expected


def test_known_distances_of_memory_only_nodes() -> None:
    path = capture("sysfs-numa", "containers_nri-plugins__policy-desktop+server+4socket.tar.bz2")
    root = next(root for root in unpacked(path) if root.name == "server")
    distances = {node["id"]: node["distances"] for node in read_topology(str(root))["numa_nodes"]}
    assert {(distances[4][other], distances[int(other)]["4"]) for other in "0123"} <= {
        (17, 17),
        (28, 28),
        (17, 28),
        (28, 17),
    }


@pytest.mark.parametrize("path", captures("lspci"))
def test_every_lspci_capture_is_read(path: Path) -> None:
    for root in unpacked(path):
        facts = read_topology(str(root))
        assert len(facts["affinity"]) == len(facts["gpus"])
        if known(path):
            assert not facts["problems"]
            assert facts["nics"] or facts["gpus"]


def test_known_affinity_of_an_hgx_board() -> None:
    (root,) = unpacked(capture("lspci", "leptonai_gpud__h100x8-cx7x8.lspci-vvv.txt"))
    facts = read_topology(str(root))
    assert [gpu["pci_bus_id"] for gpu in facts["gpus"]] == [
        f"0000:{bus}:00.0" for bus in ("19", "3b", "4c", "5d", "9b", "bb", "cb", "db")
    ]
    near = {way["gpu"]: [nic["pci_bus_id"] for nic in way["nics"] if nic["kind"] == "PIX"] for way in facts["affinity"]}
    # Each GPU has its ConnectX-7 below its switch; two switches carry a dual-port ConnectX-6 Dx as well.
    assert near["0000:3b:00.0"] == ["0000:3c:00.0"]
    assert near["0000:19:00.0"] == ["0000:1a:00.0", "0000:1b:00.0", "0000:1b:00.1"]
    assert all(way["nvme"][0]["kind"] == "PIX" for way in facts["affinity"])
    kinds = {way["gpu"]: {nic["kind"] for nic in way["nics"]} for way in facts["affinity"]}
    assert kinds["0000:db:00.0"] == {"PIX", "NODE", "SYS"}
