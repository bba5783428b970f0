"""Keys below ``net.``: kinds, ranges and where they are documented (paths of the kernel's source tree)."""

from __future__ import annotations

from typing import Dict

from ._tuning_key import INT_MAX, LONG_MAX, UINT_MAX, Key, ints

CORE = "Documentation/admin-guide/sysctl/net.rst"
IP = "Documentation/networking/ip-sysctl.rst"
CONNTRACK = "Documentation/networking/nf_conntrack-sysctl.rst"
BRIDGE = "net/bridge/br_netfilter_hooks.c"

_REPORT = "the kernel only reports this value"

#: Congestion controls of the kernel's tree (net/ipv4/tcp_*.c); each but the first two is a module ``tcp_<name>``.
CONGESTION = ("reno", "cubic", "bbr", "bic", "cdg", "dctcp", "highspeed", "htcp", "hybla", "illinois") + (
    "lp",
    "nv",
    "scalable",
    "vegas",
    "veno",
    "westwood",
    "yeah",
)
#: Queueing disciplines that make sense as a default (net/sched); the kernel loads ``sch_<name>`` by itself.
QDISCS = ("fq_codel", "fq", "pfifo_fast", "sfq", "cake", "codel", "pfifo", "fq_pie", "pie", "noqueue", "mq")

KEYS: Dict[str, Key] = {
    # include/net/sock.h: SOCK_MIN_RCVBUF and SOCK_MIN_SNDBUF on 64-bit machines.
    **ints("include/net/sock.h", ["net.core.rmem_max", "net.core.rmem_default"], 2304),
    **ints("include/net/sock.h", ["net.core.wmem_max", "net.core.wmem_default"], 4608),
    **ints(CORE, ["net.core.optmem_max", "net.core.netdev_max_backlog", "net.core.netdev_budget"]),
    **ints(CORE, ["net.core.netdev_budget_usecs", "net.core.somaxconn", "net.core.busy_poll", "net.core.busy_read"]),
    **ints(CORE, ["net.core.dev_weight"], 1),
    **ints("net/core/sysctl_net_core.c", ["net.core.rps_sock_flow_entries"], 0, 536870912),
    **ints("Documentation/networking/scaling.rst", ["net.core.flow_limit_table_len"], 1),
    **ints(CORE, ["net.core.bpf_jit_enable", "net.core.bpf_jit_harden"], 0, 2),
    **ints(CORE, ["net.core.bpf_jit_kallsyms"], 0, 1),
    **ints(CORE, ["net.core.bpf_jit_limit"], 0, LONG_MAX),
    "net.core.default_qdisc": Key("name", CORE, names=QDISCS),
    "net.ipv4.tcp_congestion_control": Key("name", IP, names=CONGESTION),
    "net.ipv4.tcp_available_congestion_control": Key("readonly", IP, hint=_REPORT),
    "net.ipv4.tcp_allowed_congestion_control": Key("text", IP),
    "net.ipv4.tcp_rmem": Key("ints", IP, 1, INT_MAX, count=3, rising=True),
    "net.ipv4.tcp_wmem": Key("ints", IP, 1, INT_MAX, count=3, rising=True),
    "net.ipv4.tcp_mem": Key("ints", IP, 0, LONG_MAX, count=3, rising=True),
    "net.ipv4.udp_mem": Key("ints", IP, 0, LONG_MAX, count=3, rising=True),
    **ints(IP, ["net.ipv4.udp_rmem_min", "net.ipv4.udp_wmem_min"], 1),
    **ints(IP, ["net.ipv4.tcp_mtu_probing", "net.ipv4.tcp_timestamps", "net.ipv4.tcp_tw_reuse"], 0, 2),
    **ints(IP, ["net.ipv4.tcp_syncookies"], 0, 2),
    **ints(IP, ["net.ipv4.tcp_sack", "net.ipv4.tcp_dsack", "net.ipv4.tcp_fack", "net.ipv4.tcp_window_scaling"], 0, 1),
    **ints(IP, ["net.ipv4.tcp_no_metrics_save", "net.ipv4.tcp_moderate_rcvbuf"], 0, 1),
    **ints(IP, ["net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_autocorking"], 0, 1),
    **ints(IP, ["net.ipv4.tcp_abort_on_overflow", "net.ipv4.tcp_rfc1337", "net.ipv4.ip_forward"], 0, 1),
    **ints(IP, ["net.ipv4.tcp_ecn"], 0, 5),
    **ints(IP, ["net.ipv4.tcp_fastopen"], 0, 0x707),
    **ints(IP, ["net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_max_syn_backlog", "net.ipv4.tcp_max_tw_buckets"]),
    **ints(IP, ["net.ipv4.tcp_max_orphans", "net.ipv4.tcp_limit_output_bytes", "net.ipv4.tcp_base_mss"]),
    **ints(IP, ["net.ipv4.tcp_notsent_lowat"], 0, UINT_MAX),
    **ints("net/ipv4/sysctl_net_ipv4.c", ["net.ipv4.tcp_adv_win_scale"], -31, 31),
    **ints(IP, ["net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_intvl"], 1, 32767),
    **ints(IP, ["net.ipv4.tcp_keepalive_probes"], 1, 127),
    **ints(IP, ["net.ipv4.tcp_syn_retries"], 1, 127),
    **ints(IP, ["net.ipv4.tcp_synack_retries", "net.ipv4.tcp_retries1", "net.ipv4.tcp_retries2"], 0, 255),
    **ints(IP, ["net.ipv4.tcp_reordering", "net.ipv4.tcp_max_reordering"], 1),
    **ints(IP, ["net.ipv4.ip_default_ttl"], 1, 255),
    **ints(IP, ["net.ipv4.ip_nonlocal_bind", "net.ipv4.icmp_echo_ignore_broadcasts"], 0, 1),
    **ints(IP, ["net.ipv4.ip_unprivileged_port_start"], 0, 65535),
    "net.ipv4.ip_local_port_range": Key("ints", IP, 1, 65535, count=2, rising=True),
    "net.ipv4.ip_local_reserved_ports": Key("text", IP),
    "net.ipv4.ping_group_range": Key("ints", IP, 0, UINT_MAX - 1, count=2),
    **ints(IP, ["net.%s.neigh.*.gc_thresh%d" % (ip, n) for ip in ("ipv4", "ipv6") for n in (1, 2, 3)]),
    **ints(IP, ["net.ipv4.neigh.*.base_reachable_time_ms", "net.ipv4.neigh.*.gc_stale_time"]),
    **ints(IP, ["net.ipv4.neigh.*.base_reachable_time"]),
    "net.ipv4.conf.*.mc_forwarding": Key("readonly", IP, hint=_REPORT),
    "net.ipv6.conf.*.mc_forwarding": Key("readonly", IP, hint=_REPORT),
    **ints(IP, ["net.ipv4.conf.*.rp_filter", "net.ipv4.conf.*.arp_announce"], 0, 2),
    **ints(IP, ["net.ipv4.conf.*.arp_ignore"], 0, 8),
    **ints(
        IP,
        ["net.ipv4.conf.*.%s" % name for name in ("arp_filter", "log_martians", "forwarding", "bc_forwarding")],
        0,
        1,
    ),
    **ints(IP, ["net.ipv4.conf.*.%s" % name for name in ("accept_redirects", "send_redirects")], 0, 1),
    **ints(IP, ["net.ipv4.conf.*.%s" % name for name in ("accept_source_route", "accept_local")], 0, 1),
    **ints(IP, ["net.ipv6.conf.*.%s" % name for name in ("disable_ipv6", "accept_redirects")], 0, 1),
    **ints(IP, ["net.ipv6.conf.*.accept_ra", "net.ipv6.conf.*.forwarding"], 0, 2),
    **ints(CONNTRACK, ["net.netfilter.nf_conntrack_max", "net.nf_conntrack_max"], 0, INT_MAX, "nf_conntrack"),
    **ints(
        CONNTRACK,
        ["net.netfilter.nf_conntrack_%s_timeout_established" % name for name in ("tcp", "sctp")],
        0,
        INT_MAX,
        "nf_conntrack",
    ),
    **ints(
        BRIDGE,
        ["net.bridge.bridge-nf-call-%s" % name for name in ("iptables", "ip6tables", "arptables")],
        0,
        1,
        "br_netfilter",
    ),
}
