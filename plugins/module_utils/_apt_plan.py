# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What apt would do for a set of packages: exact versions, a simulation, and a refusal of what goes beyond the set."""

from __future__ import annotations

import fnmatch
from typing import Dict, List, Mapping, Optional, Sequence

from ._apt_repo import Repository
from ._apt_request import Record, Request, SetError, Wish
from ._apt_tools import Apt, AptError, Step
from ._dpkg import Package


def resolve(apt: Apt, wishes: Sequence[Wish], repository: Optional[Repository]) -> Dict[str, str]:
    """The exact version of each wanted package.

    :raises SetError: with every package that there is not, and what there is instead.
    """
    known = apt.versions([wish.name for wish in wishes])
    found, problems = {}, []
    for wish in wishes:
        fitting = [version for version in known.get(wish.name, []) if wish.met_by(version)]
        if fitting:
            found[wish.name] = fitting[0]
            continue
        there = ", ".join(known.get(wish.name, [])[:6]) or "none of that name"
        problems.append("%s %s (there is: %s)" % (wish.name, wish.version, there))
    if problems:
        where = repository.uri if repository else "the archive"
        raise SetError("apt does not find, in %s or elsewhere: %s" % (where, "; ".join(problems)))
    return found


def refuse(
    request: Request, record: Record, steps: Sequence[Step], leaving: Sequence[str], have: Mapping[str, Package]
) -> None:
    """Refuse what apt would do beyond what is asked for. Raises SetError."""
    odd = [step.name for step in steps if step.after and not step.before and _any(step.name, request.never)]
    gone = [step.name for step in steps if not step.after and step.name not in {*leaving, *record.brought}]
    held = [name for name in (step.name for step in steps) if name in have and have[name].held]
    problems = []
    if held:
        problems.append(
            "it would change %s, which somebody has put on hold. If it shall move: apt-mark unhold %s"
            % (", ".join("%s (now %s)" % (name, have[name].version) for name in held), " ".join(held))
        )
    if odd:
        problems.append("it would bring %s, which must not come with it" % ", ".join(odd))
    if gone:
        problems.append("it would remove %s" % ", ".join(gone))
    if problems:
        raise SetError("apt's plan was not followed: %s" % "; ".join(problems))


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def simulate(apt: Apt, words: Sequence[str], have: Mapping[str, Package]) -> List[Step]:
    """What apt would do. Raises AptError, with the packages on hold where there are any: they may be why."""
    try:
        return apt.simulate(words)
    except AptError as exc:
        held = sorted(name for name, package in have.items() if package.held)
        if not held:
            raise
        words = "apt finds no way. It may be that somebody has put %s on hold: if it shall move, apt-mark unhold %s. %s"
        raise AptError(words % (", ".join(held), " ".join(held), exc)) from None
