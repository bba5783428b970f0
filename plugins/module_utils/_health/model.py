# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a health check is, what it answers, and what a whole run of checks is.

Everything else in this package is data of these types or a function between them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Tuple

if TYPE_CHECKING:
    from .machine import Machine

PASS = "pass"
FAIL = "fail"
UNKNOWN = "unknown"
SKIPPED = "skipped"
#: Every state a check can be in, best known first.
STATUSES = (PASS, FAIL, UNKNOWN, SKIPPED)

CRITICAL = "critical"
WARNING = "warning"
SEVERITIES = (CRITICAL, WARNING)

#: What to do with the node, mildest first; the verdict of a run is the harshest that any check asks for.
VERDICTS = ("ok", "monitor", "reset", "reboot", "isolate")

EXIT_OK = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_UNKNOWN = 3

NEEDS_BOOT = "needs the booted machine"


class HealthError(Exception):
    """The caller asked for something that does not exist or cannot be; the message says what and what to do."""


@dataclass(frozen=True)
class Outcome:
    """What one check saw.

    ``remedy`` is only set when the check knows better than its standing advice.
    """

    status: str
    observed: str
    expected: str = ""
    remedy: str = ""


def passed(observed: str, expected: str = "") -> Outcome:
    """The check looked and the machine is as it should be."""
    return Outcome(PASS, observed, expected or observed)


def failed(observed: str, expected: str, remedy: str = "") -> Outcome:
    """The check looked and the machine is not as it should be."""
    return Outcome(FAIL, observed, expected, remedy)


def unknown(observed: str, expected: str = "", remedy: str = "") -> Outcome:
    """The check could not look; this never counts as a pass."""
    return Outcome(UNKNOWN, observed, expected, remedy)


def skipped(reason: str) -> Outcome:
    """The question does not arise on this machine; the reason says why."""
    return Outcome(SKIPPED, reason)


@dataclass(frozen=True)
class Check:
    """One question about the machine.

    ``id`` is ``group.name``; ``remedy`` is what to do at three in the morning when it fails; ``live`` marks questions
    that only the booted machine can answer (they are skipped on an unpacked tree).
    """

    id: str
    title: str
    severity: str
    remedy: str
    ask: Callable[[Machine], Outcome]
    live: bool = False

    @property
    def group(self) -> str:
        """The part of the id before the first dot."""
        return self.id.split(".", 1)[0]


@dataclass(frozen=True)
class Result:
    """The answer to one check, complete enough to act on without looking anything up."""

    id: str
    group: str
    status: str
    severity: str
    observed: str
    expected: str
    remedy: str

    def to_dict(self) -> Dict[str, Any]:
        """The form of DESIGN's contract, ready for JSON."""
        return {
            "id": self.id,
            "group": self.group,
            "status": self.status,
            "severity": self.severity,
            "observed": self.observed,
            "expected": self.expected,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Report:
    """All answers of one run and the verdict derived from them."""

    verdict: str
    results: Tuple[Result, ...]

    @property
    def counts(self) -> Dict[str, int]:
        """How many checks ended in each state; every state is named, also with 0."""
        seen = Counter(result.status for result in self.results)
        return {status: seen[status] for status in STATUSES}

    @property
    def exit_code(self) -> int:
        """0 when nothing failed and nothing is unknown, 1 when a check failed, 3 when something is unknown."""
        counts = self.counts
        if counts[FAIL]:
            return EXIT_FAIL
        return EXIT_UNKNOWN if counts[UNKNOWN] else EXIT_OK

    def to_dict(self) -> Dict[str, Any]:
        """The form of DESIGN's contract, ready for JSON."""
        return {
            "verdict": self.verdict,
            "summary": self.counts,
            "checks": [result.to_dict() for result in self.results],
        }
