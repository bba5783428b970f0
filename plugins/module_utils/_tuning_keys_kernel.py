"""Keys below ``kernel.``, ``vm.``, ``fs.`` and ``sunrpc.``: kinds, ranges and where they are documented.

Paths are those of the kernel's own source tree; a file outside ``Documentation`` is where the range is enforced.
"""

from __future__ import annotations

from typing import Dict

from ._tuning_key import INT_MAX, LONG_MAX, Key, ints

VM = "Documentation/admin-guide/sysctl/vm.rst"
KERNEL = "Documentation/admin-guide/sysctl/kernel.rst"
FS = "Documentation/admin-guide/sysctl/fs.rst"
NFS = "net/sunrpc/xprtsock.c"

_POOL = "a constant would take the same memory from every machine: use the hugepages option (a share of memory)"
_ONCE = "an action, not a setting: it has no value to keep"
_REPORT = "the kernel only reports this value"
_SCHED = "removed from sysctl in Linux 5.13 (now below /sys/kernel/debug/sched)"

KEYS: Dict[str, Key] = {
    **ints(VM, ["vm.swappiness"], 0, 200),
    **ints(VM, ["vm.zone_reclaim_mode"], 0, 7),
    **ints(VM, ["vm.overcommit_memory", "vm.panic_on_oom"], 0, 2),
    **ints(VM, ["vm.dirty_ratio", "vm.dirty_background_ratio", "vm.compaction_proactiveness"], 0, 100),
    **ints(VM, ["vm.min_unmapped_ratio", "vm.min_slab_ratio"], 0, 100),
    **ints("mm/page-writeback.c (two pages at least)", ["vm.dirty_bytes"], 8192, LONG_MAX),
    **ints("mm/page-writeback.c", ["vm.dirty_background_bytes"], 1, LONG_MAX),
    **ints(VM, ["vm.dirty_expire_centisecs", "vm.dirty_writeback_centisecs", "vm.dirtytime_expire_seconds"]),
    **ints(VM, ["vm.min_free_kbytes", "vm.max_map_count", "vm.vfs_cache_pressure", "vm.overcommit_ratio"]),
    **ints(VM, ["vm.overcommit_kbytes", "vm.admin_reserve_kbytes", "vm.user_reserve_kbytes"], 0, LONG_MAX),
    **ints(VM, ["vm.watermark_scale_factor"], 1, 3000),
    **ints(VM, ["vm.watermark_boost_factor", "vm.laptop_mode", "vm.hugetlb_shm_group"]),
    **ints(VM, ["vm.percpu_pagelist_high_fraction"]),
    **ints(VM, ["vm.extfrag_threshold"], 0, 1000),
    **ints(VM, ["vm.page-cluster"], 0, 31),
    **ints(VM, ["vm.stat_interval"], 1),
    **ints(VM, ["vm.numa_stat", "vm.unprivileged_userfaultfd"], 0, 1),
    **ints(VM, ["vm.oom_kill_allocating_task", "vm.oom_dump_tasks"], 0, 1),
    **ints(VM, ["vm.compact_unevictable_allowed", "vm.legacy_va_layout", "vm.hugetlb_optimize_vmemmap"], 0, 1),
    **ints(VM, ["vm.mmap_min_addr", "vm.nr_overcommit_hugepages"], 0, LONG_MAX),
    "vm.lowmem_reserve_ratio": Key("text", VM),
    "vm.nr_hugepages": Key("pages", VM, hint=_POOL),
    "vm.nr_hugepages_mempolicy": Key("pages", VM, hint=_POOL),
    "vm.drop_caches": Key("action", VM, hint=_ONCE),
    "vm.compact_memory": Key("action", VM, hint=_ONCE),
    "vm.stat_refresh": Key("action", VM, hint=_ONCE),
    **ints(KERNEL, ["kernel.numa_balancing"], 0, 3),
    **ints("include/linux/threads.h", ["kernel.pid_max"], 301, 4194304),
    **ints("kernel/fork.c", ["kernel.threads-max"], 20, 1073741823),
    **ints(KERNEL, ["kernel.randomize_va_space", "kernel.kptr_restrict", "kernel.unprivileged_bpf_disabled"], 0, 2),
    **ints(KERNEL, ["kernel.io_uring_disabled"], 0, 2),
    **ints(KERNEL, ["kernel.dmesg_restrict", "kernel.panic_on_oops", "kernel.watchdog", "kernel.nmi_watchdog"], 0, 1),
    **ints(KERNEL, ["kernel.soft_watchdog", "kernel.core_uses_pid", "kernel.timer_migration"], 0, 1),
    **ints(KERNEL, ["kernel.sched_autogroup_enabled", "kernel.sched_schedstats"], 0, 1),
    **ints("Debian's and Ubuntu's kernels only", ["kernel.unprivileged_userns_clone"], 0, 1),
    **ints("Ubuntu's kernels only", ["kernel.apparmor_restrict_unprivileged_userns"], 0, 1),
    **ints(KERNEL, ["kernel.watchdog_thresh"], 0, 60),
    **ints(KERNEL, ["kernel.panic"], -INT_MAX, INT_MAX),
    **ints(KERNEL, ["kernel.hung_task_timeout_secs", "kernel.hung_task_panic"], 0, 9223372036),
    **ints(KERNEL, ["kernel.perf_event_paranoid"], -1, 4),
    **ints(KERNEL, ["kernel.perf_event_max_sample_rate"], 1),
    **ints(KERNEL, ["kernel.perf_cpu_time_max_percent"], 0, 100),
    **ints(KERNEL, ["kernel.perf_event_mlock_kb"]),
    **ints("Documentation/admin-guide/LSM/Yama.rst", ["kernel.yama.ptrace_scope"], 0, 3),
    **ints("Documentation/admin-guide/sysrq.rst", ["kernel.sysrq"], 0, 511),
    **ints("Documentation/scheduler/sched-rt-group.rst", ["kernel.sched_rt_runtime_us"], -1),
    **ints("Documentation/scheduler/sched-rt-group.rst", ["kernel.sched_rt_period_us"], 1),
    **ints(KERNEL, ["kernel.shmmax", "kernel.shmall"], 0, LONG_MAX),
    **ints("include/uapi/linux/shm.h", ["kernel.shmmni"], 0, 32768),
    **ints(KERNEL, ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni"]),
    **ints(KERNEL, ["kernel.keys.maxkeys", "kernel.keys.maxbytes", "kernel.pty.max"]),
    "kernel.sem": Key("ints", KERNEL, 0, INT_MAX, count=4),
    "kernel.printk": Key("ints", KERNEL, 0, 15, count=4),
    "kernel.core_pattern": Key("text", KERNEL),
    "kernel.osrelease": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.ostype": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.version": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.random.boot_id": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.random.uuid": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.cap_last_cap": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.ngroups_max": Key("readonly", KERNEL, hint=_REPORT),
    "kernel.sched_min_granularity_ns": Key("gone", KERNEL, hint=_SCHED),
    "kernel.sched_wakeup_granularity_ns": Key("gone", KERNEL, hint=_SCHED),
    "kernel.sched_latency_ns": Key("gone", KERNEL, hint=_SCHED),
    "kernel.sched_migration_cost_ns": Key("gone", KERNEL, hint=_SCHED),
    "kernel.sched_nr_migrate": Key("gone", KERNEL, hint=_SCHED),
    "kernel.sched_tunable_scaling": Key("gone", KERNEL, hint=_SCHED),
    **ints(FS, ["fs.file-max"], 0, LONG_MAX),
    **ints("fs/file.c (a whole machine word at least)", ["fs.nr_open"], 64, 2147483584),
    **ints(FS, ["fs.aio-max-nr"], 0, LONG_MAX),
    **ints("man 7 inotify", ["fs.inotify.max_user_instances", "fs.inotify.max_user_watches"]),
    **ints("man 7 inotify", ["fs.inotify.max_queued_events"]),
    **ints("man 7 epoll", ["fs.epoll.max_user_watches"], 0, LONG_MAX),
    **ints("man 7 pipe", ["fs.pipe-max-size"], 4096),
    **ints(FS, ["fs.pipe-user-pages-hard", "fs.pipe-user-pages-soft"], 0, LONG_MAX),
    **ints(FS, ["fs.suid_dumpable", "fs.protected_fifos", "fs.protected_regular"], 0, 2),
    **ints(FS, ["fs.protected_hardlinks", "fs.protected_symlinks"], 0, 1),
    **ints(FS, ["fs.mount-max"], 1),
    "fs.file-nr": Key("readonly", FS, hint=_REPORT),
    "fs.inode-nr": Key("readonly", FS, hint=_REPORT),
    "fs.aio-nr": Key("readonly", FS, hint=_REPORT),
    **ints(NFS, ["sunrpc.tcp_slot_table_entries", "sunrpc.udp_slot_table_entries"], 2, 128, "sunrpc"),
    **ints(NFS, ["sunrpc.tcp_max_slot_table_entries"], 2, 65536, "sunrpc"),
}

#: Writing one of a pair sets the other to 0, so they can't both be wanted, and putting one back to 0 means
#: writing the other. Source: vm.rst, "dirty_bytes" and "overcommit_kbytes".
COUNTERPARTS: Dict[str, str] = {
    "vm.dirty_bytes": "vm.dirty_ratio",
    "vm.dirty_ratio": "vm.dirty_bytes",
    "vm.dirty_background_bytes": "vm.dirty_background_ratio",
    "vm.dirty_background_ratio": "vm.dirty_background_bytes",
    "vm.overcommit_kbytes": "vm.overcommit_ratio",
    "vm.overcommit_ratio": "vm.overcommit_kbytes",
}
