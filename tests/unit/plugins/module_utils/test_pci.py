"""PCI devices of small trees: classes, paths, domains, how far two are apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._pci import normal_address, path_kind, read_pci
from ansible_collections.gpuforge.node.plugins.module_utils._sysfs import Tree
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import add_pci, write_tree

GPU = (0x0302, 0x10DE, 0x2330)
NIC = (0x0207, 0x15B3, 0x1021)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00000000:3B:00.0", "0000:3b:00.0"),
        ("0000:3b:00.0", "0000:3b:00.0"),
        ("3B:00.0", "0000:3b:00.0"),
        ("10000:E1:00.0", "10000:e1:00.0"),
        ("00010000:E1:00.1", "10000:e1:00.1"),
        (" 1:2:3 ", "0001:02:03.0"),
        ("N/A", None),
        ("", None),
        ("3b", None),
        ("0000:zz:00.0", None),
    ],
)
def test_addresses_are_written_as_sysfs_does(text: str, expected: object) -> None:
    assert normal_address(text) == expected


def test_what_a_device_is(tmp_path: Path) -> None:
    add_pci(tmp_path, "pci0000:17/0000:17:01.0/0000:18:00.0", *GPU, node=1, driver="nvidia")
    add_pci(tmp_path, "pci0000:17/0000:17:01.0", 0x0604, 0x8086, 0x352A)
    add_pci(tmp_path, "pci0000:17/0000:17:01.0/0000:18:00.1", 0x0403, 0x10DE, 0x22BA, node=-1)
    add_pci(tmp_path, "pci0000:64/0000:64:00.5/pci10000:00/10000:00:02.0/10000:01:00.0", 0x0108, 0x144D, 0xA808)
    devices = read_pci(Tree(str(tmp_path)))
    assert [device.address for device in devices] == ["0000:18:00.0", "0000:18:00.1", "10000:01:00.0"]
    gpu, audio, drive = devices
    assert (gpu.is_gpu, gpu.numa_node, gpu.driver, gpu.host_bridge) == (True, 1, "nvidia", "pci0000:17")
    assert (audio.is_gpu, audio.numa_node, audio.driver) == (False, None, None)
    assert (drive.host_bridge, drive.bridges) == ("pci0000:64", ("0000:64:00.5", "10000:00:02.0"))


def test_a_virtual_function_is_no_gpu_of_its_own(tmp_path: Path) -> None:
    path = add_pci(tmp_path, "pci0000:00/0000:00:03.0", *GPU)
    write_tree(tmp_path, {}, {path + "/physfn": "../0000:00:02.0"})
    (function,) = read_pci(Tree(str(tmp_path)))
    assert function.physical_function == "0000:00:02.0"
    assert not function.is_gpu


def test_devices_are_found_without_the_bus_directory(tmp_path: Path) -> None:
    add_pci(tmp_path, "pci0000:17/0000:17:01.0", 0x0604, 0x8086, 0x352A)
    add_pci(tmp_path, "pci0000:17/0000:17:01.0/0000:18:00.0", *GPU)
    (tmp_path / "sys/bus/pci/devices/0000:17:01.0").unlink()
    (tmp_path / "sys/bus/pci/devices/0000:18:00.0").unlink()
    assert [device.address for device in read_pci(Tree(str(tmp_path)))] == ["0000:18:00.0"]


def test_files_that_vanish_leave_unknowns(tmp_path: Path) -> None:
    path = add_pci(tmp_path, "pci0000:00/0000:00:03.0", *GPU)
    for name in ("class", "vendor", "device"):
        (tmp_path / path.lstrip("/") / name).unlink()
    write_tree(tmp_path, {}, {"/sys/bus/pci/devices/0000:00:04.0": "../../../devices/pci0000:00/0000:00:04.0"})
    devices = read_pci(Tree(str(tmp_path)))
    assert [(device.class_code, device.vendor, device.device, device.is_gpu) for device in devices] == [
        (None, None, None, False)
    ] * 2


SWITCH = "pci0000:15/0000:15:01.0/0000:16:00.0/0000:17:{}.0/0000:{}:00.0"


@pytest.mark.parametrize(
    ("one", "other", "nodes", "expected"),
    [
        # GPU and NIC below one switch; below one root port as two functions.
        (SWITCH.format("01", "19"), SWITCH.format("02", "1a"), (0, 0), "PIX"),
        ("pci0000:15/0000:15:01.0/0000:19:00.0", "pci0000:15/0000:15:01.0/0000:19:00.1", (0, 0), "PIX"),
        # A second switch below the first.
        (
            SWITCH.format("01", "19"),
            "pci0000:15/0000:15:01.0/0000:16:00.0/0000:17:02.0/0000:20:00.0/0000:21:01.0/0000:22:00.0",
            (0, 0),
            "PXB",
        ),
        # Two root ports of a host bridge; two devices of a virtual machine on its root bus.
        ("pci0000:15/0000:15:01.0/0000:19:00.0", "pci0000:15/0000:15:02.0/0000:1a:00.0", (0, 0), "PHB"),
        ("pci0000:00/0000:00:04.0", "pci0000:00/0000:00:05.0", (None, None), "PHB"),
        # Different host bridges: the same domain is not the same bridge.
        ("pci0000:15/0000:15:01.0/0000:19:00.0", "pci0000:37/0000:37:01.0/0000:3b:00.0", (0, 0), "NODE"),
        ("pci0000:15/0000:15:01.0/0000:19:00.0", "pci0000:97/0000:97:01.0/0000:9b:00.0", (0, 1), "SYS"),
        ("pci0001:00/0001:00:00.0", "pci0101:00/0101:00:00.0", (None, None), "SYS"),
    ],
)
def test_path_kinds(tmp_path: Path, one: str, other: str, nodes: tuple, expected: str) -> None:
    add_pci(tmp_path, one, *GPU, node=nodes[0])
    add_pci(tmp_path, other, *NIC, node=nodes[1])
    by_address = {device.address: device for device in read_pci(Tree(str(tmp_path)))}
    first, second = (by_address[chain.rpartition("/")[2]] for chain in (one, other))
    assert path_kind(first, second) == expected
    assert path_kind(second, first) == expected
    if expected == "SYS" and nodes == (None, None):
        assert path_kind(first, second, node_of_all=0) == "NODE"
