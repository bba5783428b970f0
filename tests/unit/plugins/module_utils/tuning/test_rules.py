"""Values worked out from a machine."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import Machine, Node
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_rules import Left, hugepages, work_out

GIB = 1024 * 1024
MIB = 1024 * 1024
SMALL = Machine(ram_kib=2 * GIB, virtual="KVM", nodes=(Node(0, 2 * GIB, True),))
T4 = Machine(ram_kib=16 * GIB, virtual="KVM", link_mbps=10000, nodes=(Node(0, 16 * GIB, True),))
BIG = Machine(ram_kib=512 * GIB, link_mbps=100000, nodes=tuple(Node(n, 256 * GIB, True) for n in (0, 1)))
HUGE = Machine(ram_kib=2048 * GIB, link_mbps=400000, nodes=tuple(Node(n, 1024 * GIB, True) for n in (0, 1)))
DEFAULTS = {"socket_buffer": "212992", "tcp_buffer": "4096 131072 6291456", "min_free_kbytes": "67584"}


@pytest.mark.parametrize(
    ("rule", "small", "t4", "big", "huge"),
    [
        ("socket_buffer", None, 16 * MIB, 64 * MIB, 256 * MIB),
        ("tcp_buffer", None, f"4096 131072 {16 * MIB}", f"4096 131072 {64 * MIB}", f"4096 131072 {256 * MIB}"),
        ("min_free_kbytes", None, 16 * GIB // 200, GIB, GIB),
        ("swappiness", 10, 10, 1, 1),
        ("dirty_bytes", None, None, 4096 * MIB, 4096 * MIB),
        ("dirty_background_bytes", None, None, 1024 * MIB, 1024 * MIB),
        ("numa_balancing_off", None, None, 0, 0),
        ("zone_reclaim", None, None, 1, 1),
    ],
)
def test_rules_on_four_machines(rule, small, t4, big, huge):
    for machine, wanted in ((SMALL, small), (T4, t4), (BIG, big), (HUGE, huge)):
        found = work_out({"rule": rule}, machine, DEFAULTS.get(rule, "1"))
        if wanted is None:
            assert isinstance(found, Left), (machine, found)
            assert found.reason
        else:
            assert found == str(wanted), machine


@pytest.mark.parametrize("rule", ["socket_buffer", "tcp_buffer", "min_free_kbytes"])
def test_what_the_kernel_has_is_never_lowered(rule):
    current = {"tcp_buffer": "4096 131072 999999999"}.get(rule, "999999999")
    assert isinstance(work_out({"rule": rule}, HUGE, current), Left)


def test_an_unknown_link_counts_as_ten_gigabits():
    machine = Machine(ram_kib=512 * GIB, link_mbps=None)
    assert work_out({"rule": "socket_buffer"}, machine, "1") == str(16 * MIB)


def test_a_buffer_is_at_most_a_128th_of_memory():
    machine = Machine(ram_kib=8 * GIB, link_mbps=400000)
    assert work_out({"rule": "socket_buffer"}, machine, "1") == str(64 * MIB)


def test_at_least():
    assert work_out({"at_least": 262144}, SMALL, "65530") == "262144"
    assert isinstance(work_out({"at_least": 262144}, SMALL, "1048576"), Left)
    assert isinstance(work_out({"at_least": 262144}, SMALL, "262144"), Left)


def test_a_virtual_machine_with_two_nodes_keeps_zone_reclaim():
    machine = Machine(ram_kib=512 * GIB, virtual="KVM", nodes=BIG.nodes)
    assert isinstance(work_out({"rule": "zone_reclaim"}, machine, "0"), Left)
    assert work_out({"rule": "numa_balancing_off"}, machine, "1") == "0"


def test_a_node_without_cpus_is_no_reason_to_switch_balancing_off():
    machine = Machine(ram_kib=512 * GIB, nodes=(Node(0, 256 * GIB, True), Node(1, 256 * GIB, False)))
    assert isinstance(work_out({"rule": "numa_balancing_off"}, machine, "1"), Left)


PAGES = {"size_kib": 2048, "min_ram_gib": 64}


@pytest.mark.parametrize(
    ("spec", "machine", "wanted"),
    [
        ({"percent": 1.0}, BIG, {-1: 2621}),
        ({"percent": 1.0}, HUGE, {-1: 10485}),
        ({"nodes": {0: 1.0, 1: 2}}, BIG, {0: 1310, 1: 2621}),
        ({"percent": 10, "size_kib": 1048576}, BIG, {-1: 51}),
        ({"percent": 1.0, "min_ram_gib": 2}, SMALL, {-1: 10}),
    ],
)
def test_huge_pages_are_shares_of_memory(spec, machine, wanted):
    assert hugepages({**PAGES, **spec}, machine) == wanted


def test_small_machines_and_missing_nodes_get_no_huge_pages():
    assert hugepages({**PAGES, "percent": 1.0}, T4) == Left("less than 64 GiB of memory")
    assert hugepages({**PAGES, "nodes": {0: 1, 7: 1}}, BIG) == Left("this machine has no NUMA node 7")
