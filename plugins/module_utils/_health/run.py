# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Chooses checks, asks them, and makes a report of the answers."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Dict, Iterable, List, Sequence, Tuple

from . import (
    driver,
    driver_live,
    gpu,
    hygiene,
    hygiene_content,
    hygiene_identity,
    kernel_guard,
    manifest,
    multinode,
    nouveau,
    system,
    tuning,
)
from .machine import Machine
from .model import NEEDS_BOOT, Check, HealthError, Outcome, Report, Result, skipped, unknown
from .verdict import derive

#: Every check there is, in the order in which it is asked and shown.
CHECKS: Tuple[Check, ...] = (
    *system.CHECKS,
    *driver.CHECKS,
    *driver_live.CHECKS,
    *kernel_guard.CHECKS,
    *nouveau.CHECKS,
    *tuning.CHECKS,
    *multinode.CHECKS,
    *manifest.CHECKS,
    *gpu.CHECKS,
    *hygiene.CHECKS,
    *hygiene_identity.CHECKS,
    *hygiene_content.CHECKS,
)
GROUPS: Tuple[str, ...] = tuple(dict.fromkeys(check.group for check in CHECKS))
#: Groups that are only asked by name: a node that has been in use is not meant to look like a fresh image.
BY_NAME_ONLY = ("hygiene",)


def choose(only: Sequence[str] = (), skip: Sequence[str] = ()) -> List[Check]:
    """The checks that are named by group or id, less those left out the same way.

    Raises HealthError for a name that is neither, and when nothing is left: an empty run would look like success.
    """
    known: Dict[str, None] = dict.fromkeys([*GROUPS, *(check.id for check in CHECKS)])
    problems = []
    for name in [*only, *skip]:
        if name not in known:
            near = get_close_matches(name, list(known), 1)
            problems.append(f"no check or group is called {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if problems:
        raise HealthError("; ".join(problems) + f". Groups: {', '.join(GROUPS)}.")
    chosen = [
        check
        for check in CHECKS
        if (check.group in only or check.id in only if only else check.group not in BY_NAME_ONLY)
        and check.group not in skip
        and check.id not in skip
    ]
    if not chosen:
        raise HealthError("no check is left to run")
    return chosen


def ask(check: Check, machine: Machine) -> Outcome:
    """The check's outcome; whatever goes wrong inside it becomes ``unknown``, so that the others still answer."""
    if check.live and not machine.live:
        return skipped(NEEDS_BOOT)
    try:
        return check.ask(machine)
    except OSError as exc:
        return unknown(f"cannot read {exc.filename or 'a file'}: {exc.strerror or exc}", remedy="Run it as root.")
    except Exception as exc:  # a defect in one check must not hide what the others found
        return unknown(f"the check itself broke: {type(exc).__name__}: {exc}", remedy="Report this as a bug.")


def run_checks(machine: Machine, checks: Iterable[Check]) -> Report:
    """Ask the checks in order and derive the verdict."""
    results = []
    for check in checks:
        outcome = ask(check, machine)
        results.append(
            Result(
                id=check.id,
                group=check.group,
                status=outcome.status,
                severity=check.severity,
                observed=outcome.observed,
                expected=outcome.expected or check.title,
                remedy=outcome.remedy or check.remedy,
            )
        )
    return Report(derive(results), tuple(results))
