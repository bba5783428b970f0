# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The check: a request in, an exact combination or every reason against it out."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import List, Optional, Tuple

from . import rules_cuda, rules_driver, rules_parts, rules_place
from .candidates import choices
from .case import Case, Choice, Finding
from .gpus import find_distribution, find_gpu
from .model import Compat
from .request import Request

RULES = (*rules_driver.RULES, *rules_cuda.RULES, *rules_parts.RULES, *rules_place.RULES)


@dataclass(frozen=True)
class Verdict:
    """What came of a request: the case that was judged, and what was found about it."""

    case: Case
    findings: Tuple[Finding, ...]

    @property
    def refusals(self) -> Tuple[Finding, ...]:
        """Every reason not to start."""
        return tuple(item for item in self.findings if item.severity == "refuse")

    @property
    def warnings(self) -> Tuple[Finding, ...]:
        """What should be known before starting."""
        return tuple(item for item in self.findings if item.severity == "warn")

    @property
    def passes(self) -> bool:
        """Whether it may be installed."""
        return not self.refusals


def judge(case: Case) -> Tuple[Finding, ...]:
    """Everything that the rules find about one exact combination."""
    found: List[Finding] = []
    for rule in RULES:
        for finding in rule(case):
            if finding not in found:
                found.append(finding)
    return tuple(found)


def check(request: Request, compat: Compat, today: datetime.date) -> Verdict:
    """The best combination that the words of *request* allow; where none passes, the likeliest, with its refusals."""
    distribution = find_distribution(compat, request.distribution) if request.distribution else None
    gpus = tuple(find_gpu(compat, said) for said in request.gpus)
    case = Case(compat, request, today, gpus, distribution, Choice("", "", ""))
    best: Optional[Verdict] = None
    for choice in choices(compat, request, distribution, today):
        verdict = Verdict(case.with_choice(choice), judge(case.with_choice(choice)))
        if best is None or _rank(verdict) < _rank(best):
            best = verdict
        if not any(_rank(best)):
            break
    assert best is not None, "a request means at least one combination"
    return best


def _rank(verdict: Verdict) -> Tuple[int, ...]:
    """What makes a choice worse, worst first; among equals the first one counts.

    Who asks for the newest gets it; where the driver is ours to choose, it has not ended and has all that the toolkit
    needs.
    """
    rules = [item.rule for item in verdict.warnings]
    ended, partial = rules.count("branch-ended"), rules.count("toolkit-partial")
    asked, refused = verdict.case.request.driver, len(verdict.refusals)
    if asked == "newest":
        return (refused, 999 - int(verdict.case.choice.branch), partial)
    return (refused, ended, partial) if asked == "" else (refused, partial)
