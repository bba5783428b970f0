"""Compute rails among InfiniBand and RoCE ports, on small trees: down, slow, storage, front end, unusable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._fabric import read_fabric
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    add_rdma,
    write_tree,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.fabric_trees import (
    ETHERNET,
    V1,
    V2,
    below,
    default_route,
    eight_infiniband,
    eight_roce,
    gpu,
    nic,
    rails,
    why,
)


def test_nothing_is_tcp(tmp_path: Path) -> None:
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], facts["devices"], facts["nccl"]) == ("tcp", [], {})
    default_route(tmp_path, "ens4")
    assert read_fabric(str(tmp_path))["nccl"] == {"NCCL_SOCKET_IFNAME": "=ens4"}


def test_infiniband_alone_needs_no_list(tmp_path: Path) -> None:
    eight_infiniband(tmp_path)
    facts = read_fabric(str(tmp_path))
    assert facts["fabric"] == "infiniband"
    assert rails(facts) == [f"mlx5_{index}" for index in range(8)]
    assert facts["nccl"] == {"NCCL_SOCKET_IFNAME": "=eno1"}
    assert facts["devices"][0] == {
        "name": "mlx5_0",
        "port": 1,
        "state": "ACTIVE",
        "link_layer": "InfiniBand",
        "rate_gbps": 400,
        "gids": [],
        "numa_node": 0,
        "pci_bus_id": "0000:19:00.0",
        "compute_rail": True,
    }


def test_storage_and_front_end_are_told_from_rails(tmp_path: Path) -> None:
    eight_infiniband(tmp_path)
    # Same model and rate at a port of its own; a slower one; an Ethernet LAG; a switch bridge; a guest's function.
    nic(tmp_path, "pci0000:f0/0000:f0:01.0/0000:f1:00.0", "mlx5_8")
    nic(tmp_path, "pci0000:f0/0000:f0:02.0/0000:f2:00.0", "mlx5_9", rate="200 Gb/sec (4X HDR)", device=0x101B)
    nic(
        tmp_path,
        "pci0000:f0/0000:f0:03.0/0000:f3:00.0",
        "mlx5_bond_0",
        layer=ETHERNET,
        rate="200 Gb/sec (2X NDR)",
        gids=V2,
    )
    bridge = nic(tmp_path, "pci0000:f0/0000:f0:04.0/0000:f4:00.0", "mlx5_10")
    write_tree(tmp_path, {bridge + "/vpd": b"..SMDL SW_MNG.."})
    guest = nic(tmp_path, "pci0000:f0/0000:f0:01.0/0000:f1:00.1", "mlx5_11")
    write_tree(tmp_path, {}, {guest + "/physfn": "../0000:f1:00.0"})
    add_rdma(tmp_path, "", "rxe0", layer=ETHERNET)
    facts = read_fabric(str(tmp_path))
    assert rails(facts) == [f"mlx5_{index}" for index in range(8)]
    assert facts["nccl"]["NCCL_IB_HCA"] == "=" + ",".join(f"mlx5_{index}" for index in range(8))
    for name, word in (
        ("mlx5_8", "no GPU shares its PCIe switch"),
        ("mlx5_9", "200 Gb/s"),
        ("mlx5_bond_0", "Ethernet"),
        ("mlx5_10", "NVSwitch"),
        ("mlx5_11", "guests"),
        ("rxe0", "software"),
    ):
        assert word in why(facts, name)


def test_a_node_where_not_every_gpu_has_a_neighbour_uses_all(tmp_path: Path) -> None:
    nic(tmp_path, below(gpu(tmp_path, 0)), "mlx5_0")
    gpu(tmp_path, 1)
    nic(tmp_path, "pci0000:f0/0000:f0:01.0/0000:f1:00.0", "mlx5_1")
    assert rails(read_fabric(str(tmp_path))) == ["mlx5_0", "mlx5_1"]


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("1: DOWN", "no link"),
        ("2: INIT", "subnet manager"),
        ("3: ARMED", "subnet"),
        ("", "unknown"),
        ("weird", "WEIRD"),
    ],
)
def test_a_port_that_is_not_active_is_no_rail(tmp_path: Path, state: str, word: str) -> None:
    eight_infiniband(tmp_path)
    write_tree(tmp_path, {"/sys/class/infiniband/mlx5_3/ports/1/state": state})
    facts = read_fabric(str(tmp_path))
    assert rails(facts) == ["mlx5_0", "mlx5_1", "mlx5_2", "mlx5_4", "mlx5_5", "mlx5_6", "mlx5_7"]
    assert word in why(facts, "mlx5_3")
    assert "NCCL_IB_HCA" not in facts["nccl"], "NCCL leaves ports that are down alone, and takes them when they come up"


def test_only_ports_in_init_is_tcp(tmp_path: Path) -> None:
    nic(tmp_path, below(gpu(tmp_path, 0)), "mlx5_0", state="2: INIT")
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], rails(facts)) == ("tcp", [])
    assert "subnet manager" in why(facts, "mlx5_0")


def test_a_rail_that_runs_slow_is_a_rail_and_told(tmp_path: Path) -> None:
    eight_infiniband(tmp_path)
    write_tree(tmp_path, {"/sys/class/infiniband/mlx5_5/ports/1/rate": "100 Gb/sec (1X NDR)"})
    facts = read_fabric(str(tmp_path))
    assert rails(facts) == [f"mlx5_{index}" for index in range(8)]
    assert "check cable" in why(facts, "mlx5_5")


def test_two_ports_of_one_device(tmp_path: Path) -> None:
    path = nic(tmp_path, "pci0000:10/0000:10:01.0/0000:11:00.0", "mlx5_0")
    add_rdma(tmp_path, path, "mlx5_0", port=2, layer=ETHERNET, rate="40 Gb/sec (4X QDR)")
    write_tree(tmp_path, {path + "/net/ib0/dev_port": 0, path + "/net/ens2/dev_port": 1})
    facts = read_fabric(str(tmp_path))
    assert [(device["port"], device["compute_rail"]) for device in facts["devices"]] == [(1, True), (2, False)]
    assert facts["nccl"] == {"NCCL_IB_HCA": "=mlx5_0:1"}, "a bare name would take both ports"
    write_tree(
        tmp_path,
        {
            "/sys/class/infiniband/mlx5_0/ports/1/state": "1: DOWN",
            "/sys/class/infiniband/mlx5_0/ports/2/link_layer": "InfiniBand",
        },
    )
    assert read_fabric(str(tmp_path))["fabric"] == "infiniband"


def test_two_ethernet_ports_of_one_device_and_one_is_the_front_end(tmp_path: Path) -> None:
    path = nic(tmp_path, "pci0000:10/0000:10:01.0/0000:11:00.0", "mlx5_0", layer=ETHERNET, gids=V2, net="ens1")
    add_rdma(tmp_path, path, "mlx5_0", port=2, layer=ETHERNET, gids=V2, net="ens2")
    write_tree(tmp_path, {path + "/net/ens1/dev_port": 0, path + "/net/ens2/dev_port": 1})
    default_route(tmp_path, "ens2")
    facts = read_fabric(str(tmp_path))
    assert [(device["port"], device["compute_rail"]) for device in facts["devices"]] == [(1, True), (2, False)]
    assert facts["nccl"]["NCCL_IB_HCA"] == "=mlx5_0:1"


def test_roce(tmp_path: Path) -> None:
    eight_roce(tmp_path)
    nic(
        tmp_path, "pci0000:f0/0000:f0:01.0/0000:f1:00.0", "rocep241s0", layer=ETHERNET, gids=V2, code=0x0200, net="ens9"
    )
    write_tree(tmp_path, {"/sys/class/net/bond0/bonding/slaves": "ens9"})
    default_route(tmp_path, "bond0.7")
    write_tree(tmp_path, {"/sys/class/net/bond0.7/lower_bond0/operstate": "up"})
    facts = read_fabric(str(tmp_path))
    assert facts["fabric"] == "roce"
    assert rails(facts) == [f"rocep{index}s0" for index in range(8)]
    assert facts["nccl"] == {
        "NCCL_IB_HCA": "=" + ",".join(f"rocep{index}s0" for index in range(8)),
        "NCCL_SOCKET_IFNAME": "=bond0.7",
    }
    assert "default route" in why(facts, "rocep241s0")
    assert any("NCCL_IB_TC is not set" in reason for reason in facts["reasons"])
    assert facts["devices"][0]["gids"][1] == {"index": 1, "gid": V2[1][0], "type": "RoCE v2", "interface": None}


@pytest.mark.parametrize(
    ("gids", "rate", "driver", "word", "disabled"),
    [
        (V1, "400 Gb/sec", "mlx5_core", "RoCE v2", True),
        (V2, "25 Gb/sec", "mlx5_core", "below 100", False),
        (V2, "", "mlx5_core", "unknown rate", False),
        (V2, "400 Gb/sec", "mana", "MANA", True),
        (V2, "400 Gb/sec", "vmw_pvrdma", "driver vmw_pvrdma", True),
        ([("0000:0000:0000:0000:0000:0000:0000:0000", "RoCE v2")], "400 Gb/sec", "mlx5_core", "RoCE v2", True),
    ],
)
def test_ethernet_that_is_no_rail(tmp_path: Path, gids: Any, rate: str, driver: str, word: str, disabled: bool) -> None:
    nic(
        tmp_path,
        "pci0000:10/0000:10:01.0/0000:11:00.0",
        "roce0",
        layer=ETHERNET,
        gids=gids,
        rate=rate,
        driver=driver,
        code=0x0200,
    )
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], rails(facts)) == ("tcp", [])
    assert word in why(facts, "roce0")
    assert facts["nccl"] == ({"NCCL_IB_DISABLE": "1"} if disabled else {})


@pytest.mark.parametrize(("name", "driver"), [("hfi1_0", "hfi1"), ("hfi1_0", ""), ("qib0", "ib_qib")])
def test_networks_nccl_does_not_have(tmp_path: Path, name: str, driver: str) -> None:
    nic(tmp_path, "pci0000:10/0000:10:01.0/0000:11:00.0", name, driver=driver, rate="100 Gb/sec (4X EDR)")
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], facts["nccl"]) == ("tcp", {"NCCL_IB_DISABLE": "1"})


def test_what_is_beside_the_gpus_wins_over_wider_storage(tmp_path: Path) -> None:
    for index in range(2):
        nic(tmp_path, below(gpu(tmp_path, index)), f"mlx5_{index}", rate="200 Gb/sec (4X HDR)")
        nic(tmp_path, f"pci0000:f{index}/0000:f{index}:01.0/0000:f{index + 8}:00.0", f"mlx5_{index + 2}")
    facts = read_fabric(str(tmp_path))
    assert (rails(facts), facts["nccl"]) == (["mlx5_0", "mlx5_1"], {"NCCL_IB_HCA": "=mlx5_0,mlx5_1"})


def test_the_default_route_with_the_lowest_metric_counts(tmp_path: Path) -> None:
    route = "{}\t00000000\t0101A8C0\t0003\t0\t0\t{}\t00000000\t0\t0\t0\n"
    routes = "".join(route.format(name, metric) for name, metric in (("ens3", 200), ("ens1", 50), ("ens2", 100)))
    write_tree(tmp_path, {"/proc/net/route": "Iface\tDestination\n" + routes})
    assert read_fabric(str(tmp_path))["nccl"] == {"NCCL_SOCKET_IFNAME": "=ens1"}


def test_two_fabrics_the_wider_one_wins(tmp_path: Path) -> None:
    eight_roce(tmp_path)
    nic(tmp_path, "pci0000:f0/0000:f0:01.0/0000:f1:00.0", "ibp241s0", rate="100 Gb/sec (4X EDR)")
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], len(rails(facts))) == ("roce", 8)
    assert "InfiniBand 100 Gb/s" in why(facts, "ibp241s0")


def test_the_default_route_may_be_ipv6_and_on_a_bridge(tmp_path: Path) -> None:
    zero = "0" * 32
    write_tree(
        tmp_path,
        {
            "/proc/net/route": "Iface\tDestination\nshort line\n",
            "/proc/net/ipv6_route": f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
            f"{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000003      br0\n",
            "/sys/class/net/br0/brif/ens1/state": "3",
            "/sys/class/net/br0/bridge/stp_state": "0",
        },
    )
    nic(tmp_path, "pci0000:10/0000:10:01.0/0000:11:00.0", "mlx5_0", layer=ETHERNET, gids=V2, code=0x0200, net="ens1")
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], facts["nccl"]) == ("tcp", {"NCCL_SOCKET_IFNAME": "=br0"})
    assert "ens1 carries the default route" in why(facts, "mlx5_0")


def test_devices_of_a_tree_without_classes(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            f"/sys/bus/pci/devices/0000:0c:00.0/infiniband/mlx5_{index}/ports/1/{name}": value
            for index in (2, 10)
            for name, value in (("state", "4: ACTIVE"), ("link_layer", "InfiniBand"), ("rate", "2.5 Gb/sec (1X SDR)"))
        },
    )
    facts = read_fabric(str(tmp_path))
    assert (facts["fabric"], rails(facts), facts["devices"][0]["rate_gbps"]) == (
        "infiniband",
        ["mlx5_2", "mlx5_10"],
        2.5,
    )


def test_names_and_rates_that_are_no_numbers(tmp_path: Path) -> None:
    nic(tmp_path, "pci0000:10/0000:10:01.0/0000:11:00.0", "mlx5_0", rate="9" * 400 + " Gb/sec")
    places = [f"/sys/class/infiniband/mlx5_0/{name}/²" for name in ("ports", "ports/1/gids")]
    write_tree(tmp_path, {**dict.fromkeys(places, ""), "/sys/class/infiniband/²/hca_type": "MT1"})
    (device,) = read_fabric(str(tmp_path))["devices"]
    assert (device["port"], device["rate_gbps"]) == (1, None)
