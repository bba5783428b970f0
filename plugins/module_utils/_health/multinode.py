# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``multinode``: are NCCL's settings those of the network found here, and may memory be pinned?

They are left out where the role multinode is not installed; its record of files says whether it is.
"""

from __future__ import annotations

import hashlib
import os
from typing import Callable, List

from .._fabric_boot import read_at_boot
from .._file_set import FileSetError, Record, load_record
from .._machine import Host
from .._metadata import read_metadata
from .._nccl_block import parse
from .._nccl_conf import render_nccl_conf
from .machine import Machine, ProgramError
from .model import WARNING, Check, Outcome, failed, passed, skipped, unknown

SET = "multinode"
UNIT = "gpuforge-fabric.service"
CONF = "/etc/nccl.conf"
_MANAGER = "/etc/systemd/system.conf.d/91-gpuforge-multinode.conf"
_NO_BOOT = "systemd does not run this machine"


def _installed(ask: Callable[[Machine, Record], Outcome]) -> Callable[[Machine], Outcome]:
    """Leave a check out where the role is not installed."""

    def asked(machine: Machine) -> Outcome:
        try:
            record = load_record(Host(machine.tree.root), SET)
        except FileSetError as exc:
            return unknown(str(exc), "a record of the role's files")
        return skipped("the role multinode is not installed") if record is None else ask(machine, record)

    return asked


def _booted(ask: Callable[[Machine, Record], Outcome]) -> Callable[[Machine, Record], Outcome]:
    """Leave a check out in a tree that is being made into an image: systemd does not run it."""

    def asked(machine: Machine, record: Record) -> Outcome:
        return ask(machine, record) if machine.booted else skipped(_NO_BOOT)

    return asked


def _show(machine: Machine, *arguments: str) -> List[str]:
    """The words of ``systemctl show``; raises ProgramError."""
    ran = machine.run(["systemctl", "show", "--value", *arguments])
    if ran.code:
        raise ProgramError(f"systemctl show ended with {ran.code}: {ran.err.strip()}")
    return ran.out.split()


@_installed
def _files(machine: Machine, record: Record) -> Outcome:
    tree = machine.tree
    wrong = []
    for path, digest in sorted(record.files.items()):
        if not tree.exists(path):
            wrong.append(f"{path} is gone")
        elif tree.is_link(path) or hashlib.sha256(tree.read_bytes(path)).hexdigest() != digest:
            wrong.append(f"{path} was changed")
    for path, target in sorted(record.links.items()):
        if not tree.is_link(path) or os.readlink(tree.host_unfollowed(path)) != target:
            wrong.append(f"{path} does not lead to {target}")
    expected = f"{len(record.files) + len(record.links)} files as written"
    return failed("; ".join(wrong), expected) if wrong else passed(expected)


@_installed
@_booted
def _service(machine: Machine, _record: Record) -> Outcome:
    expected = f"{UNIT} is active"
    try:
        state = " ".join(_show(machine, "--property=ActiveState", UNIT))
    except ProgramError as exc:
        return unknown(str(exc), expected)
    if state == "activating":
        return unknown("it still waits for adapters", expected, "Ask again in a minute.")
    return passed(expected) if state == "active" else failed(f"{UNIT} is {state or 'unknown'}", expected)


@_installed
@_booted
def _settings(machine: Machine, _record: Record) -> Outcome:
    root = machine.tree.root
    expected = f"{CONF} has the settings for the network found here"
    if not machine.tree.is_file(CONF):
        return failed(f"there is no {CONF}", expected)
    parts = parse(machine.tree.read_text(CONF))
    if parts.edited:
        return failed(parts.edited, expected, f"Move your lines in {CONF} above gpuforge's first mark; {_AGAIN}")
    live = root == "/"
    facts = read_at_boot(root, read_metadata(root)[0] if live else None, live=live).facts
    if parts.block is None:
        return failed("it has no block of gpuforge", expected)
    same = _without_remarks(parts.block) == _without_remarks(render_nccl_conf(facts))
    return passed(f"fabric {facts['fabric']}", expected) if same else failed("the network has changed", expected)


def _without_remarks(text: str) -> List[str]:
    """The lines that NCCL reads, and the fabric's name: why each was chosen may be worded by the moment."""
    return [line for line in text.splitlines() if not line.startswith("#") or line.startswith("# fabric: ")]


@_installed
@_booted
def _memlock(machine: Machine, record: Record) -> Outcome:
    if _MANAGER not in record.files:
        return skipped("the role was told to leave limits alone")
    lines = machine.tree.read_text(_MANAGER).splitlines()
    wanted = next((line.split("=", 1)[1] for line in lines if line.startswith("DefaultLimitMEMLOCK=")), "")
    expected = f"services may pin memory: {wanted}"
    try:
        found = _show(machine, "--property=DefaultLimitMEMLOCK")
    except ProgramError as exc:
        return unknown(str(exc), expected)
    return passed(expected) if found == [wanted] else failed(f"the limit is {' '.join(found) or 'unknown'}", expected)


_AGAIN = f"`systemctl reload {UNIT}` writes them anew and `journalctl -u {UNIT}` says what was chosen."

CHECKS = (
    Check(
        "multinode.files",
        "the files of the role multinode are as written",
        WARNING,
        "Move local edits to a drop-in of their own, then run the role multinode again.",
        _files,
    ),
    Check(
        "multinode.service",
        "NCCL's settings were chosen at boot",
        WARNING,
        f"`journalctl -b -u {UNIT}` says why not; mend it, then `systemctl restart {UNIT}`.",
        _service,
        live=True,
    ),
    Check(
        "multinode.settings",
        "NCCL's settings are those for the network found here",
        WARNING,
        _AGAIN,
        _settings,
        live=True,
    ),
    Check(
        "multinode.memlock",
        "services may pin as much memory as they like",
        WARNING,
        "`systemctl daemon-reexec`, then restart the services that start jobs; another drop-in may win: "
        "`systemd-analyze cat-config systemd/system.conf`.",
        _memlock,
        live=True,
    ),
)
