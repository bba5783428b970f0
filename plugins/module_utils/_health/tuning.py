# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``tuning``: does the kernel use the values that were set for it?

The record of what is owned, /etc/gpuforge/kernel-tuning.json, is written by the module ``kernel_tuning``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

from .machine import Machine
from .model import WARNING, Check, Outcome, failed, passed, skipped, unknown

RECORD = "/etc/gpuforge/kernel-tuning.json"
RECORD_VERSION = 1
_THP = "/sys/kernel/mm/transparent_hugepage"
_GOVERNORS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


class RecordError(Exception):
    """There is no usable record; the message says why."""


def read_record(machine: Machine) -> Mapping[str, Any]:
    """The decoded record. Raises RecordError."""
    try:
        record = json.loads(machine.tree.read_text(RECORD))
    except OSError as exc:
        raise RecordError(f"{RECORD}: {exc.strerror}") from exc
    except ValueError as exc:
        raise RecordError(f"{RECORD} is not JSON: {exc}") from exc
    if not isinstance(record, dict) or record.get("version") != RECORD_VERSION:
        raise RecordError(f"{RECORD} is not a record of version {RECORD_VERSION}")
    return record


def sysctl_path(key: str) -> str:
    """Where the kernel shows a key; as in sysctl(8), a slash in a key stands for a dot in a name and the reverse."""
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def chosen(text: str) -> str:
    """The word in brackets of "always [madvise] never", else the text with its white space evened out."""
    for word in text.split():
        if word.startswith("[") and word.endswith("]"):
            return word[1:-1]
    return " ".join(text.split())


Wanted = Tuple[str, str, str]  # what it is called, the file that shows it, the value


def _sysctls(record: Mapping[str, Any]) -> Iterable[Wanted]:
    for key, value in record.get("sysctl", {}).items():
        yield key, sysctl_path(key), " ".join(str(value).split())


def _thp(record: Mapping[str, Any]) -> Iterable[Wanted]:
    for name, value in (record.get("thp") or {}).items():
        yield f"THP {name}", f"{_THP}/{name}", str(value)


def compare(machine: Machine, wanted: Iterable[Wanted]) -> Outcome:
    """Each file's live value against the wanted one; what cannot be read makes the whole unknown, not good."""
    wrong: List[str] = []
    unread: List[str] = []
    right = 0
    for name, path, value in wanted:
        try:
            live = chosen(machine.tree.read_text(path))
        except OSError as exc:
            unread.append(f"{name}: {exc.strerror}")
            continue
        if live == value:
            right += 1
        else:
            wrong.append(f"{name} is {live}, not {value}")
    expected = f"the values of {RECORD}"
    if wrong:
        return failed("; ".join([*wrong, *unread]), expected)
    if unread:
        return unknown("cannot read " + "; ".join(unread), expected)
    if not right:
        return skipped("nothing of this kind is set")
    return passed(f"{right} as set", expected)


def _live(part: Callable[[Mapping[str, Any]], Iterable[Wanted]]) -> Callable[[Machine], Outcome]:
    def ask(machine: Machine) -> Outcome:
        try:
            record = read_record(machine)
        except RecordError as exc:
            return skipped(f"{exc}, see tuning.record")
        return compare(machine, part(record))

    return ask


def _governor(machine: Machine) -> Outcome:
    try:
        governor = read_record(machine).get("governor")
    except RecordError as exc:
        return skipped(f"{exc}, see tuning.record")
    if not governor:
        return skipped("no governor is set")
    paths = machine.tree.glob(_GOVERNORS)
    if not paths:
        return unknown("this machine offers no CPU frequency control", governor)
    return compare(machine, [(path.split("/")[5], path, governor) for path in paths])


def _record(machine: Machine) -> Outcome:
    expected = "a record of what was tuned"
    try:
        record = read_record(machine)
    except RecordError as exc:
        return unknown(str(exc), expected)
    left_out: Dict[str, str] = record.get("unsupported") or {}
    note = "; not offered by this kernel: " + ", ".join(sorted(left_out)) if left_out else ""
    return passed(f"version {RECORD_VERSION}{note}", expected)


def _files(machine: Machine) -> Outcome:
    try:
        files: Mapping[str, str] = read_record(machine).get("files") or {}
    except RecordError as exc:
        return skipped(f"{exc}, see tuning.record")
    if not files:
        return skipped("no file is owned")
    wrong, unread = [], []
    for path, digest in sorted(files.items()):
        try:
            if hashlib.sha256(machine.tree.read_bytes(path)).hexdigest() != digest:
                wrong.append(f"{path} was edited")
        except FileNotFoundError:
            wrong.append(f"{path} is gone")
        except OSError as exc:
            unread.append(f"{path}: {exc.strerror}")
    expected = f"{len(files)} files as written"
    if wrong:
        return failed("; ".join([*wrong, *unread]), expected)
    return unknown("cannot read " + "; ".join(unread), expected) if unread else passed(expected)


_AGAIN = "`sysctl --system` shows which file sets a key last; run the role perf_tuning again to put the values back."

CHECKS = (
    Check(
        "tuning.record",
        "the record of tuned values is readable",
        WARNING,
        "Run the role perf_tuning, or leave the group out (`--skip tuning`) on a node that is not tuned.",
        _record,
    ),
    Check("tuning.sysctl", "each sysctl has its value", WARNING, _AGAIN, _live(_sysctls), live=True),
    Check("tuning.thp", "transparent hugepages are as set", WARNING, _AGAIN, _live(_thp), live=True),
    Check("tuning.governor", "each CPU has its frequency governor", WARNING, _AGAIN, _governor, live=True),
    Check(
        "tuning.files",
        "the files of the tuning are as written",
        WARNING,
        "Move local edits to a file of their own, then run the role perf_tuning again.",
        _files,
    ),
)
