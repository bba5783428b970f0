"""Read what derived values depend on from a machine's /proc and /sys (or from a tree of them)."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

from ._machine import Host
from ._tuning_model import Machine, Node, TuningError

#: DMI vendor or product texts of hypervisors. A bare-metal instance of a cloud has the cloud's vendor too, but its
#: CPU flags lack ``hypervisor``; DMI counts only where the flags can't be asked (arm64).
_VIRTUAL = ("QEMU", "KVM", "VMware", "VirtualBox", "innotek", "Xen", "Bochs", "BHYVE", "Parallels", "OpenStack")


def read_machine(host: Host) -> Machine:
    """The machine's facts. Raises TuningError when there is no memory information to go by."""
    ram_kib, hugepage_kib = _memory(host)
    return Machine(
        ram_kib=ram_kib,
        hugepage_kib=hugepage_kib,
        nodes=_nodes(host),
        virtual=_virtual(host),
        link_mbps=_link_mbps(host),
    )


def _memory(host: Host) -> Tuple[int, int]:
    text = host.read("/proc/meminfo") or ""
    total = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    if total is None:
        raise TuningError("cannot read MemTotal from %s; use live=false for an image" % host.real("/proc/meminfo"))
    page = re.search(r"^Hugepagesize:\s+(\d+) kB", text, re.MULTILINE)
    return int(total.group(1)), int(page.group(1)) if page else 0


def _nodes(host: Host) -> Tuple[Node, ...]:
    found: List[Node] = []
    for path in host.glob("/sys/devices/system/node/node[0-9]*"):
        memory = re.search(r"MemTotal:\s+(\d+) kB", host.read(path + "/meminfo") or "")
        cpus = (host.read(path + "/cpulist") or "").strip()
        number = int(path.rsplit("node", 1)[1])
        found.append(Node(number, int(memory.group(1)) if memory else 0, bool(cpus)))
    return tuple(sorted(found, key=lambda node: node.id))


def _virtual(host: Host) -> str:
    """The hypervisor's name, or an empty text on bare metal."""
    kind = (host.read("/sys/hypervisor/type") or "").strip()
    cpuinfo = host.read("/proc/cpuinfo") or ""
    product = (host.read("/sys/class/dmi/id/product_name") or "").strip()
    vendor = (host.read("/sys/class/dmi/id/sys_vendor") or "").strip()
    if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE):
        return kind or product or vendor or "hypervisor"
    if re.search(r"^flags\s*:", cpuinfo, re.MULTILINE):
        return ""  # x86 without the flag: bare metal, whatever the vendor sells
    for name in _VIRTUAL:
        if name.lower() in (vendor + " " + product).lower():
            return name
    tree = host.read("/proc/device-tree/hypervisor/compatible") or ""
    cloud = "Google Compute Engine" in product or vendor in ("Amazon EC2", "Microsoft Corporation")
    if cloud and not product.endswith(".metal"):
        return product or vendor
    return kind or tree.strip("\0\n ")


def _link_mbps(host: Host) -> Optional[int]:
    """Speed of the default route's interface in Mb/s; None when there is no route or the driver doesn't know."""
    best: Optional[Tuple[int, str]] = None
    for line in (host.read("/proc/net/route") or "").splitlines()[1:]:
        words = line.split()
        if len(words) >= 8 and words[1] == "00000000" and words[7] == "00000000" and words[6].isdecimal():
            route = (int(words[6]), words[0])
            best = route if best is None or route < best else best
    if best is None:
        return None
    speed = (host.read("/sys/class/net/%s/speed" % best[1]) or "").strip()
    return int(speed) if speed.isdecimal() and int(speed) > 0 else None
