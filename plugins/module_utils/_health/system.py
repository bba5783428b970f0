# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``system``: did everything that should run start?"""

from __future__ import annotations

from .machine import Machine, ProgramError
from .model import CRITICAL, Check, Outcome, failed, passed, unknown

#: Answers of ``systemctl is-system-running`` (systemctl(1)) that say nothing about health yet.
_NOT_YET = ("initializing", "starting", "offline", "unknown", "")


def _state(machine: Machine) -> Outcome:
    expected = "running"
    if not machine.booted:
        return unknown("systemd does not run this machine", expected, "Run the check on the booted machine.")
    try:
        state = machine.run(["systemctl", "is-system-running"]).out.strip()
    except ProgramError as exc:
        return unknown(str(exc), expected)
    if state in _NOT_YET:
        return unknown(state or "no answer", expected, "Wait for `systemctl is-system-running --wait` and check again.")
    return passed(state, expected) if state == expected else failed(state, expected)


def _units(machine: Machine) -> Outcome:
    expected = "no failed unit"
    if not machine.booted:
        return unknown("systemd does not run this machine", expected, "Run the check on the booted machine.")
    try:
        ran = machine.run(["systemctl", "list-units", "--state=failed", "--all", "--plain", "--no-legend", "--full"])
    except ProgramError as exc:
        return unknown(str(exc), expected)
    if ran.code:
        return unknown(f"systemctl list-units ended with {ran.code}: {ran.err.strip()}", expected)
    names = sorted(line.split()[0] for line in ran.out.splitlines() if line.strip())
    if not names:
        return passed(expected)
    return failed(
        "failed: " + ", ".join(names),
        expected,
        f"See `journalctl -b -u {names[0]}`, mend the cause, then `systemctl restart {names[0]}`.",
    )


CHECKS = (
    Check(
        "system.running",
        "systemd reports the system as running",
        CRITICAL,
        "See `systemctl --failed` for what did not start; after mending it `systemctl reset-failed`.",
        _state,
        live=True,
    ),
    Check(
        "system.units",
        "no unit has failed",
        CRITICAL,
        "See `systemctl --failed` and the journal of each unit that it names.",
        _units,
        live=True,
    ),
)
