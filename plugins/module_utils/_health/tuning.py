# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``tuning``: does the kernel use the values that were set for it?

The record of what is set, /etc/gpuforge/kernel-tuning.json, is written by the module ``kernel_tuning``; what depends on
the machine is worked out at boot by gpuforge-tuning.service.
"""

from __future__ import annotations

import hashlib
import os
from typing import Callable, List, Optional, Tuple

from .._machine import Host
from .._tuning_boot import Finding, compare
from .._tuning_keys import proc_path
from .._tuning_model import TuningError
from .._tuning_state import STATE, State, load_state
from .._tuning_values import canonical, same
from .machine import Machine
from .model import FAIL, PASS, WARNING, Check, Outcome, failed, passed, skipped, unknown

_EXPECTED = f"the values of {STATE}"


def _with_record(ask: Callable[[Machine, State], Outcome]) -> Callable[[Machine], Outcome]:
    """Leave a check out when there is no usable record: tuning.record says so, once."""

    def asked(machine: Machine) -> Outcome:
        try:
            record = load_state(Host(machine.tree.root))
        except TuningError:
            record = None
        return skipped("no usable record, see tuning.record") if record is None else ask(machine, record)

    return asked


def _record(machine: Machine) -> Outcome:
    expected = "a record of what was tuned"
    try:
        record = load_state(Host(machine.tree.root))
    except TuningError as exc:
        return unknown(str(exc), expected)
    if record is None:
        return unknown(f"{STATE} is missing or unreadable", expected)
    left_out = sorted({**record.unsupported, **record.left})
    return passed("readable" + (f"; not set here: {', '.join(left_out)}" if left_out else ""), expected)


def findings(machine: Machine, record: State) -> List[Finding]:
    """Every value that the record names against the kernel's."""
    found = compare(Host(machine.tree.root))
    seen = {item.name for item in found}
    for key, value in sorted(record.sysctl.items()):
        if key in seen:
            continue
        try:
            live = canonical(machine.tree.read_text(proc_path(key)))
        except OSError as exc:
            found.append(Finding(key, value, None, "unknown", exc.strerror or str(exc)))
            continue
        found.append(Finding(key, value, live, "pass" if same(live, value) else "fail"))
    return found


@_with_record
def _values(machine: Machine, record: State) -> Outcome:
    found = findings(machine, record)
    wrong = [
        f"{item.name} is {item.found}, not {item.wanted}" + (f" ({item.why})" if item.why else "")
        for item in found
        if item.status == FAIL
    ]
    unsure = [f"{item.name}: {item.why or 'unknown'}" for item in found if item.status not in (PASS, FAIL)]
    if wrong:
        return failed("; ".join(wrong + unsure), _EXPECTED)
    if unsure:
        return unknown("; ".join(unsure), _EXPECTED)
    return passed(f"{len(found)} as set", _EXPECTED) if found else skipped("no value is set")


@_with_record
def _swap(machine: Machine, record: State) -> Outcome:
    if record.request.get("swap") != "off" or "swap" in record.left:
        return skipped("swap is not set to be off")
    areas = [line.split()[0] for line in machine.tree.read_text("/proc/swaps").splitlines()[1:] if line.strip()]
    return failed("in use: " + ", ".join(areas), "no swap") if areas else passed("no swap")


def _difference(machine: Machine, path: str, digest: Optional[str], target: Optional[str]) -> str:
    """What is wrong with an owned file (``digest`` of its bytes) or link (``target``); empty when nothing is."""
    tree = machine.tree
    if not tree.exists(path):
        return f"{path} is gone"
    if target is not None:
        is_same = tree.is_link(path) and os.readlink(tree.host_unfollowed(path)) == target
    else:
        is_same = not tree.is_link(path) and hashlib.sha256(tree.read_bytes(path)).hexdigest() == digest
    return "" if is_same else f"{path} was changed"


@_with_record
def _files(machine: Machine, record: State) -> Outcome:
    owned: List[Tuple[str, Optional[str], Optional[str]]] = [
        (path, digest, None) for path, digest in record.files.items()
    ]
    owned += [(path, None, target) for path, target in record.links.items()]
    if not owned:
        return skipped("no file is owned")
    wrong = [text for text in (_difference(machine, *item) for item in sorted(owned, key=lambda item: item[0])) if text]
    expected = f"{len(owned)} files as written"
    return failed("; ".join(wrong), expected) if wrong else passed(expected)


_AGAIN = (
    "Run the role perf_tuning again to put the values back; `sysctl --system` shows which file sets a key last. "
    "Huge pages that no longer fit into fragmented memory need a reboot."
)

CHECKS = (
    Check(
        "tuning.record",
        "the record of tuned values is readable",
        WARNING,
        "Run the role perf_tuning, or leave the group out (`--skip tuning`) on a node that is not tuned.",
        _record,
    ),
    Check("tuning.values", "each kernel value is as set", WARNING, _AGAIN, _values, live=True),
    Check(
        "tuning.swap",
        "swap is off where it should be",
        WARNING,
        "`swapoff -a`, and see what turned it on: `systemctl list-units --type=swap`.",
        _swap,
        live=True,
    ),
    Check(
        "tuning.files",
        "the files of the tuning are as written",
        WARNING,
        "Move local edits to a file of their own, then run the role perf_tuning again.",
        _files,
    ),
)
