# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The nearest combination that works: as few changes as possible, and none that the check would refuse.

Every combination that is offered has gone through the check itself. What is a fault of one key alone is put right
first; then driver, module, source, toolkits and environments are tried together, the cheapest change first; where
nothing of that works, another distribution or fewer kinds of GPUs.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .candidates import best_driver, best_release
from .case import has_ended
from .check import Verdict, check
from .gpus import Gpu, find_gpu
from .model import Compat
from .request import Request
from .rules_parts import components, packages
from .schema import ORIGINS
from .versions import minor_of, order

#: What a change costs: a flavour is nothing to anybody, a toolkit is work, hardware is the last resort.
_COST = {"flavour": 1, "driver": 3, "origin": 4, "cuda": 5, "drop": 9, "locks": 8, "distribution": 30, "gpus": 60}
_Option = Tuple[float, Any]
_OTHER = dict(zip(ORIGINS, reversed(ORIGINS)))
#: The least that can be asked for beside a driver.
_NOTHING: Mapping[str, Any] = {
    "branch": "",
    "locks": (),
    "parts": {},
    "packages": (),
    "cuda_compat": False,
    "precompiled": False,
    "module_options": (),
}


@dataclass(frozen=True)
class Nearest:
    """A combination that passes, and how it differs from what was asked: key → (asked, offered)."""

    verdict: Verdict
    changes: Dict[str, Tuple[str, str]]


def nearest(refused: Verdict, compat: Compat, today: datetime.date) -> Optional[Nearest]:
    """The nearest combination that passes, or None where there is none."""
    start = _put_right(refused, compat)
    places = _combined(start, {
        "distribution": [(0, start.distribution), *_distributions(refused, compat)],
        "gpus": [(0, start.gpus), *_fewer(tuple(find_gpu(compat, said) for said in start.gpus))],
    })  # fmt: skip
    for place in places:
        # Where the least of it does not pass, nothing that is more will.
        least = replace(place, driver="", flavour="auto", origin="nvidia", cuda=(), **_NOTHING)
        if not check(least, compat, today).passes:
            continue
        for attempt in _attempts(place, refused, compat, today):
            verdict = check(attempt, compat, today)
            if verdict.passes:
                return Nearest(verdict, _changes(refused.case.request, refused, verdict))
    return None


def _put_right(refused: Verdict, compat: Compat) -> Request:
    """The request without the faults that are a single key's own."""
    request = refused.case.request
    rules = {item.rule for item in refused.refusals}
    changed: Dict[str, Any] = {}
    if rules & {"branch-mismatch"}:
        changed["branch"] = ""
    if rules & {"part-version"}:
        changed["parts"] = {name: "yes" if value != "none" else value for name, value in request.parts.items()}
    if rules & {"part-branch", "part-without-driver"}:
        changed["parts"] = {}
    for name in compat.components:
        others: Dict[str, Any] = {key: "" for key in compat.components if key != name}
        case = replace(refused.case, request=replace(request, **others))
        found = {item.rule for item in components(case) if item.severity == "refuse"}
        if found & {"component-unknown", "component-old", "bad-version"}:
            changed[name] = "newest"
    if rules & {"package-trap"}:
        changed["packages"] = tuple(name for name in request.packages if not _trapped(refused, name, request.origin))
    if rules & {"lock-unknown"}:
        changed["locks"] = tuple(name for name in request.locks if name in compat.locks)
    if rules & {"gpu-unknown"}:
        meant = (gpu.said if gpu.generation is not None or gpu.is_id else gpu.near for gpu in refused.case.gpus)
        changed["gpus"] = tuple(filter(None, meant))
    if rules & {"compat-broken"}:
        changed["cuda_compat"] = False
    if rules & {"repository-key"}:
        changed["repository"] = ""
    if rules & {"board-kernel"} and request.kernel:
        changed["kernel"] = max((row.kernel for row in compat.switch_boards.values() if row.kernel), key=order)
    return replace(request, **changed)


def _trapped(refused: Verdict, package: str, origin: str) -> bool:
    case = replace(refused.case, request=replace(refused.case.request, packages=(package,), origin=origin))
    return any(item.severity == "refuse" for item in packages(case))


def _attempts(start: Request, refused: Verdict, compat: Compat, today: datetime.date) -> Iterable[Request]:
    """Requests to try in one place, the cheapest change first. What cannot pass by itself is not tried with others."""

    def alone(key: str, options: Sequence[_Option]) -> List[_Option]:
        bare: Dict[str, Any] = {**_NOTHING, "cuda": (), "driver": "", "flavour": "auto"}
        origins = ORIGINS if key == "driver" else ("nvidia",)
        return [
            (cost, value)
            for cost, value in options
            if any(
                check(replace(start, **{**bare, "origin": item, key: value}), compat, today).passes for item in origins
            )
        ]

    flavours = [(0, start.flavour), *([(_COST["flavour"], "auto")] if start.flavour != "auto" else [])]
    return _combined(start, {
        "driver": alone("driver", _drivers(start, refused, compat, today)),
        "flavour": alone("flavour", flavours),
        "origin": alone("origin", [(0, start.origin), (_COST["origin"], _OTHER[start.origin])]),
        "cuda": alone("cuda", _toolkits(start, compat)),
        **_dropped(start, refused),
    })  # fmt: skip


def _dropped(start: Request, refused: Verdict) -> Dict[str, Sequence[_Option]]:
    """What may be left out, as another driver or source may make it a fault: only what is there."""
    usable = tuple(name for name in start.packages if not _trapped(refused, name, "nvidia"))
    without: Dict[str, Any] = {
        "branch": "",
        "locks": (),
        "parts": {},
        "cuda_compat": False,
        "precompiled": False,
        "packages": usable,
    }
    return {
        key: [(0, getattr(start, key)), (_COST["locks"], value)]
        for key, value in without.items()
        if getattr(start, key) and getattr(start, key) != value
    }


def _combined(start: Request, options: Dict[str, Sequence[_Option]]) -> Iterable[Request]:
    """Every combination of one option for each key, by what they cost together."""
    for row in sorted(product(*options.values()), key=lambda row: sum(cost for cost, _value in row)):
        yield replace(start, **dict(zip(options, (value for _cost, value in row))))


def _drivers(start: Request, refused: Verdict, compat: Compat, today: datetime.date) -> List[_Option]:
    """The driver that was asked for, then others: of its branch, those that get fixes, near ones first."""
    found: List[_Option] = [(0, start.driver)]
    here = int(refused.case.choice.branch or 0)
    known = refused.case.branch is not None
    for branch in compat.branches.values():
        if branch.newest is None or branch.kind == "developer":
            continue
        # Near is only what is near something real; else the newest is as good as any.
        far = abs(int(branch.id) - here) if known else 999 - int(branch.id)
        cost: float = _COST["driver"] + far / 1000
        if int(branch.id) != here:
            cost += 1 if not has_ended(branch, today) else 3
            cost += 0 if branch.kind in ("production", "lts") else 0.5
        found.append((cost, best_driver(compat, branch) if start.origin == "nvidia" else branch.id))
    return found


def _toolkits(start: Request, compat: Compat) -> List[_Option]:
    """The toolkits that were asked for, then all of them replaced by one other, then none."""
    found: List[_Option] = [(0, start.cuda)]
    if not start.cuda:
        return found
    asked = start.cuda[-1]
    keys = sorted(compat.toolkits, key=order)
    newest = compat.toolkits[keys[-1]].id
    at = minor_of(asked) if asked[0].isdigit() and "." in asked and not asked.endswith(".x") else newest
    at = at if at in compat.toolkits else min(keys, key=lambda key: (order(key) > order(at), -keys.index(key)))
    for key in keys:
        far = abs(keys.index(key) - keys.index(at)) / 10
        major = 0 if key.partition(".")[0] == at.partition(".")[0] else 0.5
        found.append((_COST["cuda"] + far + major, (best_release(compat, key),)))
    found.append((_COST["drop"], ()))
    return found


def _distributions(refused: Verdict, compat: Compat) -> List[_Option]:
    here = refused.case.distribution
    if here is None and not refused.case.request.distribution:
        return []
    own = here.family if here is not None else ""
    ids = [row for row in compat.distributions.values() if here is None or row.id != here.id]
    return [(_COST["distribution"] + (0 if row.family == own else 5), row.id) for row in ids]


def _fewer(gpus: Tuple[Gpu, ...]) -> List[_Option]:
    """The GPUs of a single generation, those that are there most first."""
    generations = [gpu.generation.id for gpu in gpus if gpu.generation is not None]
    if len(set(generations)) < 2:
        return []
    ranked = sorted(dict.fromkeys(generations), key=generations.count, reverse=True)
    return [(_COST["gpus"] + index, tuple(gpu.said for gpu in gpus if gpu.generation and gpu.generation.id == name))
            for index, name in enumerate(ranked)]  # fmt: skip


def _changes(asked: Request, refused: Verdict, verdict: Verdict) -> Dict[str, Tuple[str, str]]:
    """What is different, in the words of both."""
    before, after, new = refused.case.choice, verdict.case.choice, verdict.case.request
    pairs: Dict[str, Tuple[str, str]] = {
        "driver": (before.driver or before.branch, after.driver or after.branch),
        "flavour": (before.flavour, after.flavour),
        "cuda": (", ".join(before.releases), ", ".join(after.releases)),
    }
    for key in ("origin", "distribution", "repository", "branch", "kernel", "dcgm", "container_toolkit"):
        pairs[key] = (getattr(asked, key), getattr(new, key))
    for key in ("gpus", "locks", "packages"):
        pairs[key] = (", ".join(getattr(asked, key)), ", ".join(getattr(new, key)))
    pairs["parts"] = tuple(  # type: ignore[assignment]
        ", ".join(f"{name} {value}" for name, value in sorted(request.parts.items())) for request in (asked, new)
    )
    for key in ("cuda_compat", "precompiled"):
        pairs[key] = tuple("yes" if getattr(request, key) else "" for request in (asked, new))  # type: ignore[assignment]
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
