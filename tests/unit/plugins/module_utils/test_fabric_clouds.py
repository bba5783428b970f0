"""Fabrics of clouds and of Slingshot on small trees, with metadata that helps and metadata that lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._fabric import read_fabric
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    add_pci,
    write_tree,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.fabric_trees import (
    A100,
    ETHERNET,
    GB200,
    H100,
    V2,
    azure,
    cxi,
    dmi,
    efa,
    eight_roce,
    google,
    nic,
    rails,
    why,
)


@pytest.mark.parametrize("layer", ["Unknown", "Unspecified", "Ethernet", ""])
def test_efa_is_known_by_its_driver(tmp_path: Path, layer: str) -> None:
    for index in range(4):
        efa(tmp_path, f"rdmap{index}s27", 0x10 + index, layer=layer)
    efa(tmp_path, "rdmap9s27", 0x20, state="1: DOWN")
    dmi(tmp_path, sys_vendor="Amazon EC2", product_name="p4d.24xlarge")
    facts = read_fabric(str(tmp_path), {"cloud": "aws", "machine_type": "p5.48xlarge"})
    assert (facts["fabric"], len(rails(facts)), facts["machine_type"]) == ("efa", 4, "p4d.24xlarge")
    assert facts["nccl"] == {"NCCL_SOCKET_IFNAME": "^lo,docker,veth"}
    assert "DOWN" in why(facts, "rdmap9s27")
    assert any("metadata ignored" in reason and "p5.48xlarge" in reason for reason in facts["reasons"])


def test_efa_without_its_driver_is_tcp(tmp_path: Path) -> None:
    add_pci(tmp_path, "pci0000:00/0000:00:1d.0", 0x0200, 0x1D0F, 0xEFA2)
    facts = read_fabric(str(tmp_path))
    assert facts["fabric"] == "tcp"
    assert any("driver efa" in reason for reason in facts["reasons"])
    efa(tmp_path, "rdmap0s1", 0x10, state="1: DOWN")
    assert any("none is ACTIVE" in reason for reason in read_fabric(str(tmp_path))["reasons"])


def test_slingshot(tmp_path: Path) -> None:
    for index in range(4):
        cxi(tmp_path, index, "down" if index == 2 else "up")
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], rails(facts)) == ("slingshot", ["cxi0", "cxi1", "cxi3"])
    assert [device["rate_gbps"] for device in facts["devices"]] == [200] * 4
    assert facts["devices"][3]["numa_node"] == 3
    assert facts["nccl"] == {
        "NCCL_NET": "AWS Libfabric",
        "NCCL_NET_GDR_LEVEL": "PHB",
        "NCCL_CROSS_NIC": "0",
        "NCCL_PROTO": "^LL128",
        "NCCL_SOCKET_IFNAME": "hsn",
    }
    assert "DOWN" in why(facts, "cxi2")


def test_what_only_looks_like_slingshot(tmp_path: Path) -> None:
    nic(
        tmp_path,
        "pci0000:10/0000:10:01.0/0000:11:00.0",
        "mlx5_0",
        layer=ETHERNET,
        gids=V2,
        rate="100 Gb/sec",
        net="hsn0",
    )
    assert read_fabric(str(tmp_path))["fabric"] == "roce"
    add_pci(tmp_path / "b", "pci0000:00/0000:00:01.0", 0x0200, 0x1590, 0x0371)
    assert any("cxi_ss1" in reason for reason in read_fabric(str(tmp_path / "b"))["reasons"])
    cxi(tmp_path / "c", 0, "down")
    assert read_fabric(str(tmp_path / "c"))["fabric"] == "tcp"


@pytest.mark.parametrize(
    ("gvnics", "apertures", "metadata", "expected"),
    [
        (5, 0, None, "tcpx"),
        (5, 0, "a3-highgpu-8g", "tcpx"),
        (9, 8, None, "tcpxo"),
        (9, 0, "a3-megagpu-8g", "tcpxo"),
        # The metadata service lies: the hardware has the last word.
        (5, 0, "a3-megagpu-8g", "tcpx"),
        (9, 8, "a3-highgpu-8g", "tcpxo"),
    ],
)
def test_google_tcp_fabrics(tmp_path: Path, gvnics: int, apertures: int, metadata: Any, expected: str) -> None:
    google(tmp_path, gvnics, apertures)
    facts = read_fabric(str(tmp_path), {"machine_type": f"projects/1/machineTypes/{metadata}"} if metadata else None)
    assert (facts["fabric"], facts["nccl"], facts["cloud"]) == (expected, {}, "gcp")
    assert rails(facts) == [f"enp{index}s12" for index in range(1, gvnics) if index != 3]
    assert "control interface" in why(facts, "enp0s12")
    assert "DOWN" in why(facts, "enp3s12")


@pytest.mark.parametrize(
    ("gvnics", "gpus", "machine"), [(1, 1, "g2-standard-8"), (1, 8, "a3-megagpu-8g"), (2, 16, None)]
)
def test_google_plain(tmp_path: Path, gvnics: int, gpus: int, machine: Any) -> None:
    google(tmp_path, gvnics, gpus=min(gpus, 8), device=0x27B8 if gpus == 1 else H100 if gpus == 8 else A100)
    facts = read_fabric(str(tmp_path), {"machine_type": machine})
    assert (facts["fabric"], facts["nccl"]) == ("tcp", {"NCCL_SOCKET_IFNAME": "=enp0s12"})
    if machine == "a3-megagpu-8g":
        assert any("this machine shows 8 H100, 1 gVNICs, 0 aperture" in reason for reason in facts["reasons"])


def test_google_gib(tmp_path: Path) -> None:
    google(tmp_path, 2, gpus=0)
    eight_roce(tmp_path)
    facts = read_fabric(str(tmp_path), {"machine_type": "a3-ultragpu-8g"})
    assert (facts["fabric"], len(rails(facts)), facts["nccl"]) == ("gib", 8, {})
    assert any("set_nccl_env.sh" in reason for reason in facts["reasons"])
    assert read_fabric(str(tmp_path))["fabric"] == "gib"


@pytest.mark.parametrize(
    ("device", "size", "family"),
    [
        (H100, None, "ndv5"),
        (A100, None, "ndv4"),
        (H100, "Standard_ND96isr_H100_v5", "ndv5"),
        (GB200, None, None),
        (H100, "Standard_ND128isr_GB200_v6", None),
    ],
)
def test_azure(tmp_path: Path, device: int, size: Any, family: Any) -> None:
    azure(tmp_path, device)
    facts = read_fabric(str(tmp_path), {"cloud": "azure", "machine_type": size})
    assert (facts["fabric"], rails(facts)) == ("infiniband", [f"mlx5_ib{index}" for index in range(8)])
    assert "accelerated networking" in why(facts, "mlx5_an0")
    expected = {"NCCL_IB_HCA": "=" + ",".join(rails(facts)), "NCCL_SOCKET_IFNAME": "=eth0"}
    if family:
        expected.update(NCCL_IGNORE_CPU_AFFINITY="1", NCCL_IB_PCI_RELAXED_ORDERING="1")
    assert facts["nccl"] == expected
    write_tree(tmp_path, {"/opt/microsoft/ndv5/topo.xml": "<system/>", "/opt/microsoft/ndv4/topo.xml": "<system/>"})
    again = read_fabric(str(tmp_path), {"machine_type": size})["nccl"]
    assert again.get("NCCL_TOPO_FILE") == (f"/opt/microsoft/{family}/topo.xml" if family else None)
    assert any("multi-node NVLink" in reason for reason in facts["reasons"]) == (device == GB200)


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"cloud": "gcp", "machine_type": "a3-megagpu-8g"}, "says cloud gcp, the firmware (DMI) says azure"),
        ({"cloud": "moon"}, "unknown cloud"),
        ({"machine_type": "<html>"}, "no machine type"),
        ({"machine_type": 7}, ""),
        ({"cloud": None, "machine_type": None, "more": []}, ""),
    ],
)
def test_metadata_that_lies_or_is_nonsense(tmp_path: Path, metadata: dict[str, object], word: str) -> None:
    azure(tmp_path)
    facts = read_fabric(str(tmp_path), metadata)
    assert (facts["fabric"], facts["cloud"]) == ("infiniband", "azure")
    assert any(word in reason for reason in facts["reasons"])
