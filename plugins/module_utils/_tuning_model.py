"""The words of host tuning: what is asked for, what the machine is, what a live value is.

Everything here is plain frozen data without input or output, so that planning can be tested on paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

#: A value that waits for a machine: ``{"rule": name}`` or ``{"at_least": number}``.
Derived = Mapping[str, Any]
Value = Union[str, Derived]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the request: where (option path), what, and what to do instead."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return "%s: %s%s" % (self.where, self.what, " (%s)" % self.hint if self.hint else "")


class TuningError(Exception):
    """The set can't be applied; ``problems`` lists every reason known at that moment."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        lines = [message] + ["  - %s" % problem for problem in self.problems]
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Setting:
    """One wanted value with the reason and the source it comes from (both may be empty)."""

    value: Value
    reason: str = ""
    source: str = ""

    @property
    def derived(self) -> bool:
        """True if the value is computed from the machine it is applied on."""
        return not isinstance(self.value, str)


@dataclass(frozen=True)
class Limit:
    """One line of ``/etc/security/limits.d``; ``value`` is a number or ``unlimited``."""

    domain: str
    type: str
    item: str
    value: str


@dataclass(frozen=True)
class Request:
    """The whole wanted set, merged, normalised and checked."""

    sysctl: Mapping[str, Setting] = field(default_factory=dict)
    thp: Mapping[str, Setting] = field(default_factory=dict)
    hugepages: Mapping[str, Any] = field(default_factory=dict)
    governor: Mapping[str, Setting] = field(default_factory=dict)
    read_ahead: Mapping[str, Setting] = field(default_factory=dict)
    irq_affinity: Tuple[str, ...] = ()
    limits: Tuple[Limit, ...] = ()
    systemd_limits: Mapping[str, Setting] = field(default_factory=dict)
    swap: str = "keep"
    modules: Tuple[str, ...] = ()
    required: Tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True if nothing is wanted: everything owned so far is released."""
        return self == Request()


@dataclass(frozen=True)
class Node:
    """One NUMA node: its id, its memory in KiB, and whether it has CPUs."""

    id: int
    memory_kib: int
    has_cpus: bool


@dataclass(frozen=True)
class Machine:
    """What the derived values depend on.

    ``ram_kib`` and ``hugepage_kib`` (size of the default huge page) are KiB; ``link_mbps`` is the speed of the
    default route's interface in Mb/s, None where the driver doesn't say; ``virtual`` names the hypervisor, empty
    on bare metal.
    """

    ram_kib: int
    hugepage_kib: int = 2048
    nodes: Tuple[Node, ...] = ()
    virtual: str = ""
    link_mbps: Optional[int] = None

    @property
    def numa(self) -> int:
        """Number of NUMA nodes with CPUs; at least 1."""
        return max(1, sum(1 for node in self.nodes if node.has_cpus))


@dataclass(frozen=True)
class Knob:
    """One live kernel value: its name in reports, its file, the wanted text and how to compare it.

    Styles: ``plain`` (white space is equal), ``choice`` (the value in brackets counts), ``pages`` (a count the
    kernel may fall short of), ``cpulist`` (sets of CPUs). ``volatile`` values belong to this boot only.
    """

    name: str
    path: str
    wanted: str
    style: str = "plain"
    volatile: bool = False


@dataclass
class Resolved:
    """The request with every rule worked out for one machine, or put off until a machine is there."""

    sysctl: Dict[str, str] = field(default_factory=dict)
    knobs: List[Knob] = field(default_factory=list)
    left: Dict[str, str] = field(default_factory=dict)
    deferred: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class OwnedFile:
    """One file this set owns: its text, or for a link the target in ``text``."""

    path: str
    text: str
    link: bool = False
