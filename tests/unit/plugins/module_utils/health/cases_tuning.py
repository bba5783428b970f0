"""Trees for the group tuning: a record and a kernel that does, or does not, hold its values."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Case, Node

RECORD = "/etc/gpuforge/kernel-tuning.json"
BOOT_RECORD = "/run/gpuforge/kernel-tuning.json"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
DROPIN = "/etc/sysctl.d/90-gpuforge.conf"


def _record(node: Node, **changes: Any) -> None:
    record: dict[str, Any] = {
        "version": 1,
        "sysctl": {"vm.swappiness": "10", "net.ipv4.tcp_rmem": "4096 87380 16777216"},
        "thp": {"enabled": "madvise"},
        "knobs": {
            "vm.swappiness": {"path": "/proc/sys/vm/swappiness", "value": "10", "style": "plain"},
            "thp.enabled": {"path": THP, "value": "madvise", "style": "choice"},
        },
    }
    record.update(changes)
    node.json(RECORD, record)
    node.file("/proc/sys/vm/swappiness", "10\n")
    # The kernel separates with tabs what people write with spaces.
    node.file("/proc/sys/net/ipv4/tcp_rmem", "4096\t87380\t16777216\n")
    node.file(THP, "always [madvise] never\n")


def in_force(node: Node) -> None:
    _record(node)


def sysctl_overridden(node: Node) -> None:
    _record(node)
    node.file("/proc/sys/vm/swappiness", "60\n")


def sysctl_without_knob_overridden(node: Node) -> None:
    _record(node)
    node.file("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")


def thp_overridden(node: Node) -> None:
    _record(node)
    node.file(THP, "[always] madvise never\n")


def value_unreadable(node: Node) -> None:
    _record(node)
    (node.root / "proc/sys/vm/swappiness").unlink()


def value_without_knob_unreadable(node: Node) -> None:
    _record(node)
    (node.root / "proc/sys/net/ipv4/tcp_rmem").unlink()


def boot_unit_did_not_run(node: Node) -> None:
    _record(node, deferred=["vm.min_free_kbytes"])


def boot_unit_ran(node: Node) -> None:
    boot_unit_did_not_run(node)
    knob = {"path": "/proc/sys/vm/min_free_kbytes", "value": "262144", "style": "plain"}
    node.json(BOOT_RECORD, {"version": 1, "knobs": {"vm.min_free_kbytes": knob}})
    node.file("/proc/sys/vm/min_free_kbytes", "262144\n")


def boot_value_overridden(node: Node) -> None:
    boot_unit_ran(node)
    node.file("/proc/sys/vm/min_free_kbytes", "67584\n")


def no_record(node: Node) -> None:
    node.folder("/etc")


def record_damaged(node: Node) -> None:
    node.file(RECORD, '{"version": 1')


def record_of_the_future(node: Node) -> None:
    node.json(RECORD, {"version": 99})


def swap_off(node: Node) -> None:
    _record(node, request={"swap": "off"})
    node.file("/proc/swaps", "Filename\tType\tSize\n")


def swap_on(node: Node) -> None:
    swap_off(node)
    node.file("/proc/swaps", "Filename\tType\tSize\n/dev/sda2  partition  1000\n")


def swaps_unreadable(node: Node) -> None:
    _record(node, request={"swap": "off"})


def _owned(node: Node) -> None:
    text = "vm.swappiness = 10\n"
    node.file(DROPIN, text)
    node.link("/etc/systemd/system/multi-user.target.wants/gpuforge-tuning.service", "../gpuforge-tuning.service")
    _record(
        node,
        files={DROPIN: hashlib.sha256(text.encode()).hexdigest()},
        links={"/etc/systemd/system/multi-user.target.wants/gpuforge-tuning.service": "../gpuforge-tuning.service"},
    )


def files_as_written(node: Node) -> None:
    _owned(node)


def file_edited(node: Node) -> None:
    _owned(node)
    node.file(DROPIN, "vm.swappiness = 11\n")


def file_gone(node: Node) -> None:
    _owned(node)
    (node.root / DROPIN[1:]).unlink()


def link_changed(node: Node) -> None:
    _owned(node)
    link = node.root / "etc/systemd/system/multi-user.target.wants/gpuforge-tuning.service"
    link.unlink()
    link.symlink_to("/dev/null")


def file_became_a_link(node: Node) -> None:
    _owned(node)
    (node.root / DROPIN[1:]).rename(node.root / "copy")
    node.link(DROPIN, "/copy")


CASES = (
    Case("tuning.record", "pass", in_force),
    Case("tuning.record", "unknown", no_record, "missing"),
    Case("tuning.record", "unknown", record_damaged, "damaged"),
    Case("tuning.record", "unknown", record_of_the_future, "99"),
    Case("tuning.values", "pass", in_force, "3 as set"),
    Case("tuning.values", "pass", boot_unit_ran, "4 as set"),
    Case("tuning.values", "fail", sysctl_overridden, "vm.swappiness is 60, not 10"),
    Case("tuning.values", "fail", sysctl_without_knob_overridden, "net.ipv4.tcp_rmem is 4096 131072 6291456"),
    Case("tuning.values", "fail", thp_overridden, "thp.enabled is always, not madvise"),
    Case("tuning.values", "fail", boot_value_overridden, "vm.min_free_kbytes is 67584"),
    Case("tuning.values", "unknown", value_unreadable, "vm.swappiness"),
    Case("tuning.values", "unknown", value_without_knob_unreadable, "net.ipv4.tcp_rmem"),
    Case("tuning.values", "unknown", boot_unit_did_not_run, "vm.min_free_kbytes"),
    Case("tuning.values", "skipped", no_record),
    Case("tuning.swap", "pass", swap_off),
    Case("tuning.swap", "fail", swap_on, "/dev/sda2"),
    Case("tuning.swap", "unknown", swaps_unreadable),
    Case("tuning.swap", "skipped", in_force),
    Case("tuning.files", "pass", files_as_written, "2 files"),
    Case("tuning.files", "fail", file_edited, f"{DROPIN} was changed"),
    Case("tuning.files", "fail", file_gone, f"{DROPIN} is gone"),
    Case("tuning.files", "fail", link_changed, "gpuforge-tuning.service was changed"),
    Case("tuning.files", "fail", file_became_a_link, "was changed"),
    Case("tuning.files", "skipped", in_force),
)
