"""What derived values depend on, read from trees."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_facts import read_machine
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import Node, TuningError

GIB = 1024 * 1024
DMI = "/sys/class/dmi/id/"
ARM = "processor\t: 0\nFeatures\t: fp asimd\n"


def test_bare_metal(kernel):
    machine = read_machine(kernel)
    assert machine.ram_kib == 128 * GIB
    assert machine.nodes == (Node(0, 64 * GIB, True), Node(1, 64 * GIB, True))
    assert (machine.virtual, machine.link_mbps, machine.hugepage_kib, machine.numa) == ("", 100000, 2048, 2)


def test_a_tree_without_memory_information_is_no_machine(kernel):
    kernel.put("/proc/meminfo", "")
    with pytest.raises(TuningError, match="use live=false"):
        read_machine(kernel)


@pytest.mark.parametrize(
    ("cpuinfo", "vendor", "product", "virtual"),
    [
        ("flags\t\t: fpu hypervisor x\n", "QEMU", "Standard PC", "Standard PC"),
        ("flags\t\t: fpu hypervisor\n", "", "", "hypervisor"),
        # The vendor sells both: the processor's flag decides.
        ("flags\t\t: fpu\n", "Amazon EC2", "p5.48xlarge", ""),
        ("flags\t\t: fpu hypervisors\n", "", "", ""),
        ("flags\t\t: fpu hypervisor\n", "Amazon EC2", "g5.xlarge", "g5.xlarge"),
        # No such flag on arm64.
        (ARM, "QEMU", "KVM Virtual Machine", "QEMU"),
        (ARM, "Amazon EC2", "g5g.metal", ""),
        (ARM, "Amazon EC2", "g5g.xlarge", "g5g.xlarge"),
        (ARM, "NVIDIA", "GB200 NVL", ""),
    ],
)
def test_virtual_or_not(kernel, cpuinfo, vendor, product, virtual):
    kernel.put("/proc/cpuinfo", cpuinfo)
    kernel.put(DMI + "sys_vendor", vendor + "\n")
    kernel.put(DMI + "product_name", product + "\n")
    assert read_machine(kernel).virtual == virtual


def test_the_default_route_with_the_lowest_metric_counts(kernel):
    head = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n"
    kernel.put(
        "/proc/net/route",
        head
        + "ib0 00000000 0 3 0 0 500 00000000\neth1 00000000 0 3 0 0 50 00000000\neth1 0000A8C0 0 1 0 0 0 00FFFFFF\n",
    )
    kernel.put("/sys/class/net/ib0/speed", "400000\n")
    kernel.put("/sys/class/net/eth1/speed", "25000\n")
    assert read_machine(kernel).link_mbps == 25000


@pytest.mark.parametrize("speed", ["-1\n", "\n", "unknown\n"])
def test_a_driver_that_does_not_know_its_speed(kernel, speed):
    kernel.put("/sys/class/net/eth0/speed", speed)
    assert read_machine(kernel).link_mbps is None


def test_memory_only_nodes_have_no_cpus_and_ids_may_have_holes(kernel):
    kernel.put("/sys/devices/system/node/node17/meminfo", "Node 17 MemTotal: 1000 kB\n")
    kernel.put("/sys/devices/system/node/node17/cpulist", "\n")
    machine = read_machine(kernel)
    assert machine.nodes[-1] == Node(17, 1000, False)
    assert machine.numa == 2
