"""Refuse what can't be right before anything is touched, every problem at once."""

from __future__ import annotations

import re
from typing import Callable, List, Mapping, Optional, Tuple

from ._tuning_keys import check_value, lookup, misspelt, near, proc_path
from ._tuning_keys_kernel import COUNTERPARTS
from ._tuning_limits import check_limits, check_systemd_limits
from ._tuning_model import Machine, Problem, Request, Setting
from ._tuning_rules import RULES

#: Documentation/admin-guide/mm/transhuge.rst: the words each file takes.
THP = {
    "enabled": ("always", "madvise", "never"),
    "defrag": ("always", "defer", "defer+madvise", "madvise", "never"),
    "shmem_enabled": ("always", "within_size", "advise", "never", "deny", "force"),
    "khugepaged_defrag": ("0", "1"),
}
GOVERNOR = ("governor", "epp")
#: Device kinds whose interrupts can be kept on their own NUMA node.
IRQ_KINDS = ("gpu", "nic", "nvme")
#: Least and most KiB of read-ahead: 0 turns it off; more than 64 MiB has no use on any disk.
READ_AHEAD = {"disks_kib": (0, 65536), "nfs_kib": (0, 65536)}
#: Page sizes in KiB that any supported architecture has (Documentation/admin-guide/mm/hugetlbpage.rst).
PAGE_SIZES = (64, 2048, 32768, 524288, 1048576, 16777216)
#: A reservation above this share of memory (percent) leaves too little for everything else.
MOST_PERCENT = 50.0
_KEY = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_./:@-]*\.[A-Za-z0-9_./:@-]+$")


def check(request: Request, machine: Optional[Machine], problems: List[Problem], exists: Callable[[str], bool]) -> None:
    """Add what is wrong with the request.

    ``machine`` is None when there is no machine yet (an image); ``exists`` tells whether the kernel has a file: a key
    it has is never called misspelt.
    """
    _check_sysctl(request.sysctl, machine, problems, exists)
    _check_words(request.thp, "thp", THP, problems)
    for name, setting in sorted(request.governor.items()):
        if name not in GOVERNOR:
            problems.append(Problem("governor." + name, "no such setting", "one of " + ", ".join(GOVERNOR)))
        elif setting.derived or not re.match(r"^[a-z_]+$", str(setting.value)):
            problems.append(Problem("governor." + name, "must be one lower-case word such as performance"))
    for name, setting in sorted(request.read_ahead.items()):
        _check_range(name, setting, "read_ahead", problems)
    for kind in request.irq_affinity:
        if kind not in IRQ_KINDS:
            problems.append(Problem("irq_affinity", "no device kind %r" % kind, "one of " + ", ".join(IRQ_KINDS)))
    if request.swap not in ("keep", "off"):
        problems.append(Problem("swap", "%r is neither keep nor off" % request.swap))
    for name in request.modules:
        if not re.match(r"^[A-Za-z0-9_-]+$", name):
            problems.append(Problem("modules", "%r is no module name" % name))
    _check_hugepages(request.hugepages, problems)
    check_limits(request.limits, request.sysctl, problems)
    check_systemd_limits(request.systemd_limits, problems)


def _check_words(
    found: Mapping[str, Setting], where: str, known: Mapping[str, Tuple[str, ...]], problems: List[Problem]
) -> None:
    for name, setting in sorted(found.items()):
        words = known.get(name)
        if words is None:
            problems.append(Problem("%s.%s" % (where, name), "no such setting", "one of " + ", ".join(known)))
        elif setting.value not in words:
            problems.append(Problem("%s.%s" % (where, name), "%r is none of %s" % (setting.value, ", ".join(words))))


def _check_range(name: str, setting: Setting, where: str, problems: List[Problem]) -> None:
    path = "%s.%s" % (where, name)
    if name not in READ_AHEAD:
        problems.append(Problem(path, "no such setting", "one of " + ", ".join(READ_AHEAD)))
        return
    low, high = READ_AHEAD[name]
    if not str(setting.value).isdecimal() or not low <= int(str(setting.value)) <= high:
        problems.append(Problem(path, "must be a whole number from %d to %d (KiB)" % (low, high)))


def _check_sysctl(
    wanted: Mapping[str, Setting], machine: Optional[Machine], problems: List[Problem], exists: Callable[[str], bool]
) -> None:
    for key, setting in sorted(wanted.items()):
        where = "sysctl." + key
        if not _KEY.match(key) or {"", ".", ".."} & set(proc_path(key)[1:].split("/")):
            problems.append(Problem(where, "no sysctl key: names are parts joined by dots"))
            continue
        close = "" if machine is not None and exists(proc_path(key)) else misspelt(key)
        if close:
            problems.append(Problem(where, "unknown key", "did you mean %s?" % close))
            continue
        if not isinstance(setting.value, str):
            _check_rule(where, setting.value, problems)
            continue
        entry = lookup(key)
        why = check_value(entry, setting.value) if entry is not None else ""
        if not setting.value:
            why = "must not be empty"
        if why and entry is not None and entry.kind != "gone":
            problems.append(Problem(where, why, entry.source if entry.source and why != entry.hint else ""))
        elif why and entry is None:
            problems.append(Problem(where, why))
        other = COUNTERPARTS.get(key)
        if other in wanted and key < str(other):
            problems.append(Problem(where, "can't be set together with %s: each sets the other to 0" % other))
        _check_memory(key, setting.value, machine, problems)
    _check_neighbours(wanted, problems)


def _check_memory(key: str, value: str, machine: Optional[Machine], problems: List[Problem]) -> None:
    if key != "vm.min_free_kbytes" or machine is None or not value.isdecimal():
        return
    if int(value) > machine.ram_kib // 20:
        problems.append(
            Problem("sysctl." + key, "more than 5 % of this machine's memory", "use {rule: min_free_kbytes}")
        )


def _check_rule(where: str, value: Mapping[str, object], problems: List[Problem]) -> None:
    if "at_least" in value:
        number = value["at_least"]
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            problems.append(Problem(where, "at_least needs a whole number"))
        return
    name = str(value["rule"])
    if name not in RULES:
        close = near(name, RULES)
        problems.append(
            Problem(where, "no rule %r" % name, "did you mean %s?" % close if close else "one of " + ", ".join(RULES))
        )


def _check_neighbours(wanted: Mapping[str, Setting], problems: List[Problem]) -> None:
    """The three thresholds of a neighbour table must rise, or the kernel drops entries it has just made."""
    for family in ("ipv4", "ipv6"):
        keys = ["net.%s.neigh.default.gc_thresh%d" % (family, number) for number in (1, 2, 3)]
        values = [str(wanted[key].value) for key in keys if key in wanted]
        if len(values) == 3 and all(value.isdecimal() for value in values):
            numbers = [int(value) for value in values]
            if numbers != sorted(numbers):
                problems.append(Problem("sysctl." + keys[0], "gc_thresh1, 2 and 3 must not fall"))


def _check_hugepages(spec: Mapping[str, object], problems: List[Problem]) -> None:
    if not spec:
        return
    shares = []
    nodes = spec.get("nodes")
    if isinstance(nodes, Mapping) and nodes:
        shares = list(nodes.values())
        if spec.get("percent"):
            problems.append(Problem("hugepages", "percent and nodes exclude each other"))
    elif spec.get("percent") is not None:
        shares = [spec["percent"]]
    else:
        problems.append(Problem("hugepages", "needs percent (of all memory) or nodes (percent of each node)"))
    for share in shares:
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= MOST_PERCENT:
            problems.append(Problem("hugepages", "a share is more than 0 and at most %d percent" % MOST_PERCENT))
    if spec.get("size_kib") not in PAGE_SIZES:
        problems.append(Problem("hugepages.size_kib", "no page size; one of " + ", ".join(map(str, PAGE_SIZES))))
    least = spec.get("min_ram_gib")
    if isinstance(least, bool) or not isinstance(least, int) or least < 0:
        problems.append(Problem("hugepages.min_ram_gib", "must be a whole number of GiB"))
