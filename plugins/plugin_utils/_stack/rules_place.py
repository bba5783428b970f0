# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Rules about where it is installed: distribution, repository, archive, pin; and about the facts' own age."""

from __future__ import annotations

import datetime
import re
from typing import Iterator

from .case import Case, Finding, join
from .versions import series

#: After this many days the facts themselves are worth a word: two new branches come in half a year.
STALE_DAYS = 183


def place(case: Case) -> Iterator[Finding]:
    """Whether the distribution is known, and its packages will be accepted."""
    said, row = case.request.distribution, case.distribution
    if row is None:
        if said:
            known = join(list(case.compat.distributions), "or")
            yield case.say(
                "distribution-unknown", f'nothing is known about the distribution "{said}"', f"known: {known}"
            )
        elif case.request.origin == "distribution" and case.has_driver:
            yield case.say(
                "distribution-unknown", "the driver is to come from the distribution, and none is named",
                "name the distribution and its release, such as debian12",
            )  # fmt: skip
        return
    repository = case.request.repository
    if case.request.origin == "nvidia" and repository and repository not in row.accepts:
        yield case.say(
            "repository-key", f"{row.id} with NVIDIA's repository {repository}", f"take {row.repository}",
            (row, "accepts"),
        )  # fmt: skip


def archive(case: Case) -> Iterator[Finding]:
    """Whether the distribution's archive has the driver."""
    row = case.distribution
    if case.request.origin != "distribution" or row is None or not case.has_driver:
        return
    if row.archive is None:
        yield case.say(
            "archive-branch", f"{row.id} ships no NVIDIA driver", "take the driver from NVIDIA's repository", row
        )
        return
    if case.branch is not None and case.choice.branch not in row.archive.branches:
        yield case.say(
            "archive-branch", f"the archive of {row.id} has no driver of branch {case.choice.branch}",
            f"it has {join(row.archive.branches)}; others come from NVIDIA's repository", (row, "archive"),
        )  # fmt: skip
    kernel = re.match(r"\d+(\.\d+)*", case.request.kernel)
    last = row.archive.last_kernel
    if kernel is not None and last is not None and series(kernel[0]) > series(last):
        yield case.say(
            "archive-kernel", f"the driver in the archive of {row.id} does not build on kernel {kernel[0]}",
            f"keep a kernel up to {last}, or take the driver from NVIDIA's repository", (row, "archive_last_kernel"),
        )  # fmt: skip


def precompiled(case: Case) -> Iterator[Finding]:
    """Whether somebody builds modules for this distribution's kernels."""
    if not case.request.precompiled or not case.has_driver:
        return
    row = case.distribution
    if case.request.origin != "distribution":
        yield case.say(
            "precompiled-place", "precompiled modules, and the driver from NVIDIA's repository",
            "take the driver from the distribution, or let DKMS build the modules",
        )  # fmt: skip
    elif row is not None and row.family != "ubuntu":
        yield case.say(
            "precompiled-place", f"precompiled modules on {row.id}, for whose kernels nobody builds any",
            "let DKMS build the modules; with Secure Boot, nvidia_driver_secure_boot signs them",
        )  # fmt: skip


def pin_package(case: Case) -> str:
    """The package that pins the choice's driver; empty where there is none."""
    for row in case.compat.pin.values():
        firsts = sorted(row.since, key=int)
        since = row.since.get(case.choice.branch)
        if case.choice.driver and not case.before(firsts[0]) and (since is None or not case.older(since)):
            return row.package.format(version=case.choice.driver, branch=case.choice.branch)
    return ""


def pin(case: Case) -> Iterator[Finding]:
    """Whether NVIDIA's repository has a package that pins the driver."""
    family = case.distribution.family if case.distribution is not None else ""
    if case.request.origin == "nvidia" and case.branch is not None and case.choice.driver and family != "rhel":
        row = next(iter(case.compat.pin.values()))
        if not pin_package(case):
            yield case.say(
                "pin-missing", f"driver {case.driver} has no pinning package",
                "take a newer release, or rely on the preferences that the role writes", (row, "since"),
            )  # fmt: skip


def age(case: Case) -> Iterator[Finding]:
    """Whether the facts are too old to be relied on."""
    days = (case.today - datetime.date(*map(int, case.compat.date.split("-")))).days
    if days > STALE_DAYS:
        yield case.say(
            "data-old",
            f"the facts are {days} days old",
            "update the collection, or lay NVIDIA's releases.json over them",
        )


RULES = (place, archive, precompiled, pin, age)
