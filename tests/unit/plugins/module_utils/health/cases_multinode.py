"""Trees for the checks of the group multinode: as the role leaves a node, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ansible_collections.gpuforge.node.plugins.module_utils._fabric_boot import read_at_boot
from ansible_collections.gpuforge.node.plugins.module_utils._file_set import Wanted, ensure
from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Ran
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_block import put
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_conf import render_nccl_conf
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Case, Node

MANAGER = "/etc/systemd/system.conf.d/91-gpuforge-multinode.conf"
UNIT = "/etc/systemd/system/gpuforge-fabric.service"
LINK = "/etc/systemd/system/multi-user.target.wants/gpuforge-fabric.service"
ROUTE = "Iface\tDestination\n{}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"


def _install(node: Node, *, memlock: bool = True) -> None:
    wanted = [Wanted(UNIT, "[Unit]\n"), Wanted(LINK, target=UNIT)]
    wanted += [Wanted(MANAGER, "[Manager]\nDefaultLimitMEMLOCK=infinity\n")] if memlock else []
    ensure(Host(str(node.root)), "multinode", wanted)


def _systemctl(node: Node, state: str, limit: str) -> None:
    def answer(argv: Sequence[str]) -> Ran:
        return Ran(0, (limit if any("MEMLOCK" in word for word in argv) else state) + "\n", "")

    node.programs["systemctl"] = answer


def _conf(node: Node) -> Path:
    return node.root / "etc/nccl.conf"


def as_left(node: Node) -> None:
    _install(node)
    node.boot()
    _systemctl(node, "active", "infinity")
    node.file("/proc/net/route", ROUTE.format("eth0"))
    facts = read_at_boot(str(node.root), None, live=False).facts
    node.file("/etc/nccl.conf", put("NCCL_DEBUG=WARN\n", render_nccl_conf(facts)))


def in_an_image(node: Node) -> None:
    _install(node)


def not_installed(node: Node) -> None:
    node.boot()


def record_damaged(node: Node) -> None:
    as_left(node)
    node.file("/etc/gpuforge/files/multinode.json", "{")


def files_edited(node: Node) -> None:
    as_left(node)
    node.file(UNIT, "[Unit]\nAfter=x\n")
    (node.root / LINK[1:]).unlink()
    (node.root / MANAGER[1:]).unlink()


def service_failed(node: Node) -> None:
    as_left(node)
    _systemctl(node, "failed", "8388608")


def service_waits(node: Node) -> None:
    as_left(node)
    _systemctl(node, "activating", "infinity")


def no_systemctl(node: Node) -> None:
    as_left(node)
    del node.programs["systemctl"]


def systemctl_breaks(node: Node) -> None:
    as_left(node)
    node.answer("systemctl", err="no bus", code=1)


def no_conf(node: Node) -> None:
    as_left(node)
    _conf(node).unlink()


def conf_of_others(node: Node) -> None:
    as_left(node)
    node.file("/etc/nccl.conf", "NCCL_DEBUG=WARN\n")


def conf_edited(node: Node) -> None:
    as_left(node)
    node.file("/etc/nccl.conf", _conf(node).read_text().replace("=eth0", "=eth1"))


def another_network(node: Node) -> None:
    as_left(node)
    node.file("/proc/net/route", ROUTE.format("ens5"))


def limits_left_alone(node: Node) -> None:
    as_left(node)
    _install(node, memlock=False)


CASES = (
    Case("multinode.files", "pass", as_left, "3 files"),
    Case("multinode.files", "pass", in_an_image),
    Case("multinode.files", "fail", files_edited, f"{MANAGER} is gone; {UNIT} was changed; {LINK} does not lead to"),
    Case("multinode.files", "unknown", record_damaged, "damaged"),
    Case("multinode.files", "skipped", not_installed, "not installed"),
    Case("multinode.service", "pass", as_left),
    Case("multinode.service", "fail", service_failed, "is failed"),
    Case("multinode.service", "unknown", service_waits, "waits for adapters"),
    Case("multinode.service", "unknown", no_systemctl, "not installed"),
    Case("multinode.service", "unknown", systemctl_breaks, "no bus"),
    Case("multinode.service", "skipped", in_an_image, "systemd does not run"),
    Case("multinode.settings", "pass", as_left, "fabric tcp"),
    Case("multinode.settings", "fail", no_conf, "there is no /etc/nccl.conf"),
    Case("multinode.settings", "fail", conf_of_others, "no block"),
    Case("multinode.settings", "fail", conf_edited, "edited by hand"),
    Case("multinode.settings", "fail", another_network, "the network has changed"),
    Case("multinode.settings", "skipped", not_installed, "not installed"),
    Case("multinode.memlock", "pass", as_left, "infinity"),
    Case("multinode.memlock", "fail", service_failed, "8388608"),
    Case("multinode.memlock", "unknown", no_systemctl, "not installed"),
    Case("multinode.memlock", "skipped", limits_left_alone, "leave limits alone"),
)
