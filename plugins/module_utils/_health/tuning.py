# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``tuning``: does the kernel use the values that were set for it?

The record of what is owned, /etc/gpuforge/kernel-tuning.json, is written by the module ``kernel_tuning``.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from .._tuning_keys import proc_path
from .._tuning_state import BOOT_STATE, STATE, VERSION
from .._tuning_values import canonical, same
from .machine import Machine
from .model import WARNING, Check, Outcome, failed, passed, skipped, unknown

_EXPECTED = f"the values of {STATE}"


class Wanted(NamedTuple):
    """A live value: its file, what it should hold and how two texts of its kind are compared."""

    path: str
    value: str
    style: str


class RecordError(Exception):
    """There is no usable record; the message says why."""


def read_record(machine: Machine, path: str = STATE) -> Mapping[str, Any]:
    """A decoded record. Raises RecordError."""
    try:
        record = json.loads(machine.tree.read_text(path))
    except OSError as exc:
        raise RecordError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise RecordError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise RecordError(f"{path} is not a record of version {VERSION}")
    return record


def wanted(record: Mapping[str, Any]) -> Dict[str, Wanted]:
    """Every live value that a record names: its sysctls, and its knobs, which name their own files."""
    found = {key: Wanted(proc_path(key), str(value), "plain") for key, value in record.get("sysctl", {}).items()}
    for name, knob in record.get("knobs", {}).items():
        found[name] = Wanted(knob["path"], knob["value"], knob.get("style", "plain"))
    return found


def _with_record(ask: Callable[[Machine, Mapping[str, Any]], Outcome]) -> Callable[[Machine], Outcome]:
    def asked(machine: Machine) -> Outcome:
        try:
            return ask(machine, read_record(machine))
        except RecordError as exc:
            return skipped(f"{exc}, see tuning.record")

    return asked


def _record(machine: Machine) -> Outcome:
    expected = "a record of what was tuned"
    try:
        record = read_record(machine)
    except RecordError as exc:
        return unknown(str(exc), expected)
    left_out = sorted({**record.get("unsupported", {}), **record.get("left", {})})
    return passed("readable" + (f"; not set here: {', '.join(left_out)}" if left_out else ""), expected)


def compare(machine: Machine, values: Mapping[str, Wanted]) -> Outcome:
    """Each file's live value against the wanted one; what cannot be read makes the whole unknown, not good."""
    wrong: List[str] = []
    unread: List[str] = []
    for name, (path, value, style) in sorted(values.items()):
        try:
            live = machine.tree.read_text(path)
        except OSError as exc:
            unread.append(f"cannot read {name}: {exc.strerror}")
            continue
        if not same(live, value, style):
            wrong.append(f"{name} is {canonical(live, style)}, not {value}")
    if wrong:
        return failed("; ".join(wrong + unread), _EXPECTED)
    if unread:
        return unknown("; ".join(unread), _EXPECTED)
    return passed(f"{len(values)} as set", _EXPECTED) if values else skipped("nothing of this kind is set")


def _values(below: str) -> Callable[[Machine], Outcome]:
    """The question whether all values in files below a folder are as set."""

    def ask(machine: Machine, record: Mapping[str, Any]) -> Outcome:
        values = wanted(record)
        if machine.tree.is_file(BOOT_STATE):
            values.update(wanted(read_record(machine, BOOT_STATE)))
        return compare(machine, {name: item for name, item in values.items() if item.path.startswith(below)})

    return _with_record(ask)


def _swap(machine: Machine, record: Mapping[str, Any]) -> Outcome:
    if record.get("request", {}).get("swap") != "off" or "swap" in record.get("left", {}):
        return skipped("swap is not set to be off")
    areas = [line.split()[0] for line in machine.tree.read_text("/proc/swaps").splitlines()[1:] if line.strip()]
    return failed("in use: " + ", ".join(areas), "no swap") if areas else passed("no swap")


def _digest(machine: Machine, path: str) -> Optional[str]:
    """SHA-256 of an owned file as the record has it (a link counts by its target), None when it is gone."""
    try:
        if machine.tree.is_link(path):
            content = b"-> " + os.readlink(machine.tree.host_unfollowed(path)).encode()
        else:
            content = machine.tree.read_bytes(path)
    except FileNotFoundError:
        return None
    return hashlib.sha256(content).hexdigest()


def _files(machine: Machine, record: Mapping[str, Any]) -> Outcome:
    files: Mapping[str, str] = record.get("files", {})
    if not files:
        return skipped("no file is owned")
    found = {path: _digest(machine, path) for path in sorted(files)}
    wrong = [
        f"{path} {'is gone' if digest is None else 'was edited'}"
        for path, digest in found.items()
        if digest != files[path]
    ]
    expected = f"{len(files)} files as written"
    return failed("; ".join(wrong), expected) if wrong else passed(expected)


_AGAIN = "Run the role perf_tuning again to put the values back; `sysctl --system` shows which file sets a key last."

CHECKS = (
    Check(
        "tuning.record",
        "the record of tuned values is readable",
        WARNING,
        "Run the role perf_tuning, or leave the group out (`--skip tuning`) on a node that is not tuned.",
        _record,
    ),
    Check("tuning.sysctl", "each sysctl has its value", WARNING, _AGAIN, _values("/proc/sys/"), live=True),
    Check(
        "tuning.sysfs",
        "huge pages, governors and other values in /sys are as set",
        WARNING,
        "Run the role perf_tuning again; huge pages that no longer fit in fragmented memory need a reboot.",
        _values("/sys/"),
        live=True,
    ),
    Check("tuning.swap", "swap is off where it should be", WARNING, _AGAIN, _with_record(_swap), live=True),
    Check(
        "tuning.files",
        "the files of the tuning are as written",
        WARNING,
        "Move local edits to a file of their own, then run the role perf_tuning again.",
        _with_record(_files),
    ),
)
