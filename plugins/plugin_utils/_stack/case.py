# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""One exact combination under examination, and what is found about it."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from .gpus import Gpu
from .model import Branch, Compat, Distribution, Row
from .request import Request
from .versions import order

#: What an uncertainty rests on: a row, or a row and the keys of it that were looked at.
Basis = Union[Row, Tuple[Row, str]]
#: Rules about what nobody knows; with allow_unknown they warn.
UNKNOWN = frozenset(
    ("branch-unknown", "release-unknown", "toolkit-unknown", "gpu-unknown", "distribution-unknown", "component-unknown",
     "lock-unknown")
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One reason. ``what`` is wrong, ``why`` that is so, ``hint`` what to do; ``severity`` is refuse or warn."""

    rule: str
    severity: str
    what: str
    why: str
    hint: str
    certainty: str
    source: Tuple[str, ...]

    def to_json(self) -> Dict[str, Any]:
        """JSON-ready form."""
        return {**asdict(self), "source": list(self.source)}

    def render(self) -> str:
        """As text, the hint on a line of its own."""
        seen = "" if self.certainty == "certain" else " [inferred]"
        return f"{self.what}: {self.why}{seen}\n    {self.hint}" if self.hint else f"{self.what}: {self.why}{seen}"


@dataclass(frozen=True)
class Choice:
    """What would be installed. ``driver`` is empty where the archive decides on the release, ``branch`` where there is
    no driver; ``releases`` are CUDA releases, ``asked`` is what the driver was called if it is not known."""

    branch: str
    driver: str
    flavour: str
    releases: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A choice with all that it is judged by."""

    compat: Compat
    request: Request
    today: datetime.date
    gpus: Tuple[Gpu, ...]
    distribution: Optional[Distribution]
    choice: Choice

    @property
    def branch(self) -> Optional[Branch]:
        """The facts about the branch, if there are any."""
        return self.compat.branches.get(self.choice.branch)

    @property
    def has_driver(self) -> bool:
        """Whether there is to be a driver at all."""
        return bool(self.choice.branch)

    @property
    def driver(self) -> str:
        """The release, or the newest that the archive may have."""
        return self.choice.driver or (self.branch.newest or "" if self.branch else "") or self.choice.branch

    def before(self, branch: Optional[str]) -> bool:
        """Whether the choice's branch came before *branch*."""
        return bool(branch) and self.has_driver and int(self.choice.branch) < int(branch or 0)

    def older(self, release: str) -> bool:
        """Whether the choice's driver is older than *release*."""
        return self.has_driver and order(self.driver) < order(release)

    def with_choice(self, choice: Choice) -> Case:
        """The same with another choice."""
        return replace(self, choice=choice)

    def say(self, rule: str, what: str, hint: str = "", *basis: Basis, why: str = "", harm: str = "") -> Finding:
        """A finding of *rule*. It refuses if the rule does, and rule and *basis* are certain; else it warns.

        :param why: instead of the rule's own reason.
        :param harm: warn where this one finding shall not refuse.
        """
        row = self.compat.rules[rule]
        looked_at = [(item, ()) if isinstance(item, Row) else (item[0], (item[1],)) for item in basis]
        sure = row.sure() and all(fact.sure(*keys) for fact, keys in looked_at)
        refuses = (
            sure and row.harm == "refuse" and harm != "warn" and not (rule in UNKNOWN and self.request.allow_unknown)
        )
        sources: List[str] = []
        for fact in (*(fact for fact, _ in looked_at), row):
            sources += [item for item in fact.source if item not in sources and item != "derived"]
        return Finding(
            rule, "refuse" if refuses else "warn", what, why or row.why, hint, "certain" if sure else "inferred",
            tuple(sources),
        )  # fmt: skip


RuleFunction = Callable[[Case], Iterator[Finding]]


def has_ended(branch: Branch, today: datetime.date) -> bool:
    """Whether the branch's last month with fixes is over."""
    return branch.eol != "unknown" and f"{today:%Y-%m}" > branch.eol


def join(words: Union[List[str], Tuple[str, ...]], last: str = "and") -> str:
    """Words as a sentence lists them."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
