"""Values that depend on the machine, as pure functions: memory, link speed, NUMA, virtualisation.

A rule returns the value, or the reason (as ``Left``) why the kernel's own value stays. ``current`` is the value the
kernel had before gpuforge touched it, so that a second run comes to the same result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Dict, List, Mapping, Union

from ._tuning_model import Machine

GIB = 1024 * 1024  # in KiB
MIB = 1024 * 1024  # in bytes

#: Below this much memory (KiB) nothing that costs memory is raised.
SMALL = 8 * GIB
#: Above this much memory (KiB) a machine counts as a big GPU node.
BIG = 64 * GIB


@dataclass(frozen=True)
class Left:
    """The kernel's own value stays, for this reason."""

    reason: str


Outcome = Union[str, Left]
Rule = Callable[[Machine, str], Outcome]


def _number(current: str) -> int:
    words = current.split()
    return int(words[-1]) if words and words[-1].lstrip("-").isdecimal() else 0


def buffer_bytes(machine: Machine) -> int:
    """The largest useful socket buffer: about two bandwidth-delay products at 2 to 5 ms, at most RAM/128.

    RAM/128 is the kernel's own bound (net/ipv4/tcp.c, tcp_init). An unknown speed counts as 10 Gb/s.
    """
    steps = ((10000, 16), (25000, 32), (100000, 64), (200000, 128))
    speed = machine.link_mbps or 10000
    target = next((mib for limit, mib in steps if speed <= limit), 256) * MIB
    return min(target, machine.ram_kib * 1024 // 128)


def socket_buffer(machine: Machine, current: str) -> Outcome:
    """``net.core.[rw]mem_max``: raised to what the link needs, never lowered."""
    if machine.ram_kib < SMALL:
        return Left("less than 8 GiB of memory: the kernel's own buffers fit")
    wanted = buffer_bytes(machine)
    return str(wanted) if wanted > _number(current) else Left("the kernel's own value is large enough")


def tcp_buffer(machine: Machine, current: str) -> Outcome:
    """``net.ipv4.tcp_[rw]mem``: only the last of the three numbers is raised."""
    wanted = socket_buffer(machine, current)
    words = current.split()
    if isinstance(wanted, Left):
        return wanted
    if len(words) != 3:
        return Left("the kernel's three numbers cannot be read here")
    return "%s %s %s" % (words[0], words[1], wanted)


def min_free_kbytes(machine: Machine, current: str) -> Outcome:
    """Half a percent of memory, at most 1 GiB, never lower than the kernel's own value, never on small machines."""
    if machine.ram_kib < SMALL:
        return Left("less than 8 GiB of memory")
    wanted = min(machine.ram_kib // 200, GIB)
    return str(wanted) if wanted > _number(current) else Left("the kernel's own value is large enough")


def swappiness(machine: Machine, _current: str) -> Outcome:
    """10, or 1 on nodes with 64 GiB and more. Never 0, which means: swap only when memory has run out."""
    return "1" if machine.ram_kib >= BIG else "10"


def dirty_background_bytes(machine: Machine, _current: str) -> Outcome:
    """1 GiB: on big nodes the kernel's ten percent would be a burst of many GiB."""
    return str(1024 * MIB) if machine.ram_kib >= BIG else Left("less than 64 GiB of memory: the ratio is right")


def dirty_bytes(machine: Machine, _current: str) -> Outcome:
    """4 GiB, on big nodes only."""
    return str(4096 * MIB) if machine.ram_kib >= BIG else Left("less than 64 GiB of memory: the ratio is right")


def numa_balancing_off(machine: Machine, _current: str) -> Outcome:
    """0 where there are several nodes: launchers pin processes, and migration only costs."""
    return "0" if machine.numa >= 2 else Left("one NUMA node: nothing to balance")


def zone_reclaim(machine: Machine, _current: str) -> Outcome:
    """1 on bare metal with several NUMA nodes: a pinned rank's memory stays on its node."""
    if machine.virtual:
        return Left("a virtual machine (%s)" % machine.virtual)
    return "1" if machine.numa >= 2 else Left("one NUMA node")


RULES: Dict[str, Rule] = {
    "socket_buffer": socket_buffer,
    "tcp_buffer": tcp_buffer,
    "min_free_kbytes": min_free_kbytes,
    "swappiness": swappiness,
    "dirty_background_bytes": dirty_background_bytes,
    "dirty_bytes": dirty_bytes,
    "numa_balancing_off": numa_balancing_off,
    "zone_reclaim": zone_reclaim,
}


def work_out(value: Mapping[str, object], machine: Machine, current: str) -> Outcome:
    """The value of ``{"rule": name}`` or ``{"at_least": number}`` on this machine."""
    if "at_least" in value:
        wanted = int(str(value["at_least"]))
        return str(wanted) if wanted > _number(current) else Left("the kernel's own value is at least that")
    return RULES[str(value["rule"])](machine, current)


def hugepages(spec: Mapping[str, object], machine: Machine) -> Union[Dict[int, int], Left]:
    """Pages per NUMA node (key -1: the kernel spreads them), from shares of memory in percent.

    ``spec``: ``percent`` of all memory, or ``nodes`` = {node id: percent of that node's memory}; ``size_kib`` of a
    page; ``min_ram_gib`` below which nothing is taken.
    """
    least = int(str(spec["min_ram_gib"]))
    size = int(str(spec["size_kib"]))
    if machine.ram_kib < least * GIB:
        return Left("less than %d GiB of memory" % least)
    nodes = spec.get("nodes")
    if not isinstance(nodes, Mapping) or not nodes:
        return {-1: int(machine.ram_kib * float(str(spec["percent"])) / 100 / size)}
    memory = {node.id: node.memory_kib for node in machine.nodes}
    missing: List[int] = [number for number in nodes if number not in memory]
    if missing:
        return Left("this machine has no NUMA node %s" % ", ".join(str(number) for number in sorted(missing)))
    return {number: int(memory[number] * float(str(share)) / 100 / size) for number, share in sorted(nodes.items())}
