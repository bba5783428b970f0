"""What single sysctl keys take."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_keys import (
    check_value,
    known,
    lookup,
    misspelt,
    module_of,
    normalise,
    proc_path,
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vm.swappiness", "0"),
        ("vm.swappiness", "200"),
        ("kernel.perf_event_paranoid", "-1"),
        ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
        ("net.ipv4.ip_local_port_range", "15000 65000"),
        ("net.ipv4.conf.eth0.rp_filter", "2"),
        ("net.ipv4.conf.eth0/100.rp_filter", "0"),
        ("net.ipv4.tcp_congestion_control", "bbr"),
        ("net.ipv4.tcp_congestion_control", "mycompany"),
        ("net.core.default_qdisc", "fq"),
    ],
)
def test_right_values(key, value):
    assert check_value(lookup(key), value) == ""


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("vm.swappiness", "201", "201 is outside 0 to 200"),
        ("vm.swappiness", "-1", "-1 is outside 0 to 200"),
        ("vm.swappiness", "ten", "'ten' is not a whole number"),
        ("vm.swappiness", "0x10", "'0x10' is not a whole number"),
        ("vm.swappiness", "1 2", "needs 1 number, not 2"),
        ("vm.swappiness", "", "needs 1 number, not 0"),
        ("vm.dirty_bytes", "4096", "4096 is outside 8192 to"),
        ("net.ipv4.tcp_rmem", "4096 131072", "needs 3 numbers, not 2"),
        ("net.ipv4.tcp_rmem", "4096 6291456 131072", "must not fall"),
        ("net.ipv4.ip_local_port_range", "1024 70000", "70000 is outside 1 to 65535"),
        ("net.ipv4.conf.eth0.rp_filter", "3", "3 is outside 0 to 2"),
        ("net.ipv4.tcp_congestion_control", "brr", "unknown name 'brr'; did you mean 'bbr'?"),
        ("net.ipv4.tcp_congestion_control", "b b", "must be one word such as reno"),
        ("vm.nr_hugepages", "2048", "use the hugepages option"),
        ("vm.drop_caches", "3", "an action, not a setting"),
        ("kernel.osrelease", "6.1", "only reports"),
    ],
)
def test_wrong_values(key, value, said):
    assert said in check_value(lookup(key), value)


def test_every_key_names_its_source_and_refusals_their_reason():
    for key, entry in known().items():
        assert entry.source, key
        assert entry.low <= entry.high, key
        if entry.kind in ("readonly", "action", "gone", "pages"):
            assert entry.hint, key
        if entry.kind == "name":
            assert entry.names, key


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("vm.swapiness", "vm.swappiness"),
        ("vm.swappines", "vm.swappiness"),
        ("net.core.rmem_mx", "net.core.rmem_max"),
        ("net.ipv4.tcp_congestion_controll", "net.ipv4.tcp_congestion_control"),
        ("kernal.numa_balancing", "kernel.numa_balancing"),
        # Nothing is a slip that differs in a number, in two parts, or altogether.
        ("net.ipv6.conf.all.arp_ignore", ""),
        ("net.ipv4.neigh.default.gc_thresh4", ""),
        ("net.ipv4.tcp_fack", ""),
        ("net.ipv4.conf.all.mc_forwarding", ""),
        ("net.netfilter.nf_conntrack_sctp_timeout_established", ""),
        ("vm.swappiness", ""),
        ("vm.something_new", ""),
        ("net.ipv4.conf.eth0.rp_filter", ""),
    ],
)
def test_misspelt(key, meant):
    assert misspelt(key) == meant


@pytest.mark.parametrize(
    ("written", "key", "path"),
    [
        ("vm.swappiness", "vm.swappiness", "/proc/sys/vm/swappiness"),
        ("vm/swappiness", "vm.swappiness", "/proc/sys/vm/swappiness"),
        (
            "net/ipv4/conf/eth0.100/rp_filter",
            "net.ipv4.conf.eth0/100.rp_filter",
            "/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
        ),
        (
            "net.ipv4.conf.eth0/100.rp_filter",
            "net.ipv4.conf.eth0/100.rp_filter",
            "/proc/sys/net/ipv4/conf/eth0.100/rp_filter",
        ),
        ("/proc/sys/vm/swappiness", "vm.swappiness", "/proc/sys/vm/swappiness"),
    ],
)
def test_two_ways_to_write_a_key(written, key, path):
    assert normalise(written) == key
    assert proc_path(normalise(written)) == path


def test_modules_of_keys():
    assert module_of("net.ipv4.tcp_congestion_control", "bbr") == "tcp_bbr"
    assert module_of("net.ipv4.tcp_congestion_control", "cubic") == ""
    assert module_of("sunrpc.tcp_max_slot_table_entries", "128") == "sunrpc"
    assert module_of("vm.swappiness", "1") == ""
