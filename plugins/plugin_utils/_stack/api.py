# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The check as a function from decoded JSON to decoded JSON: what the action plugin and the command line both call."""

from __future__ import annotations

import datetime
from typing import Any, Dict, List, Mapping, Optional

from .check import check
from .listing import facts_json
from .load import CompatError, load
from .model import Compat
from .nearest import Nearest, nearest
from .request import RequestError, looks_like_cuda, parse_request
from .resolved import resolved


class StackError(Exception):
    """The request cannot be understood, or the facts cannot be used; ``problems`` names everything."""

    def __init__(self, message: str, problems: List[str]) -> None:
        super().__init__(message)
        self.problems = problems


def load_facts(override: Optional[str] = None, releases: Optional[str] = None) -> Compat:
    """The facts, with the operator's files over them. Raises StackError."""
    try:
        return load(override, releases)
    except CompatError as exc:
        raise StackError("the compatibility facts cannot be used", list(exc.faults)) from exc


def stack_check(
    data: Mapping[str, Any], compat: Optional[Compat] = None, today: Optional[datetime.date] = None
) -> Dict[str, Any]:
    """Check a request.

    :param data: the request; its keys are those of request.Request.
    :param compat: the facts; ours where there are none.
    :param today: the day to judge ends of branches by.
    :returns: ``passes``; ``resolved`` (None if refused); ``refusals`` and ``warnings``, each with rule, severity, what,
        why, hint, certainty and source; ``nearest`` (None if it passes or nothing else does) with ``changes`` and
        ``resolved``; ``date`` and ``files`` of the facts.
    :raises StackError: the request cannot be understood, or the facts cannot be used.
    """
    compat = compat or load_facts()
    today = today or datetime.datetime.now(datetime.timezone.utc).date()
    try:
        request = parse_request(data)
    except RequestError as exc:
        raise StackError("the request cannot be understood", list(exc.problems)) from exc
    verdict = check(request, compat, today)
    other = None if verdict.passes else nearest(verdict, compat, today)
    return {
        "passes": verdict.passes,
        "resolved": resolved(verdict.case) if verdict.passes else None,
        "refusals": [item.to_json() for item in verdict.refusals],
        "warnings": [item.to_json() for item in verdict.warnings],
        "nearest": _nearest(other),
        "date": compat.date,
        "files": list(compat.files),
    }


def _nearest(found: Optional[Nearest]) -> Optional[Dict[str, Any]]:
    if found is None:
        return None
    return {
        "changes": {key: {"asked": old, "offered": new} for key, (old, new) in found.changes.items()},
        "text": describe_changes(found),
        "resolved": resolved(found.verdict.case),
        "warnings": [item.to_json() for item in found.verdict.warnings],
    }


_SAID = {
    "driver": "driver", "flavour": "kernel module", "cuda": "CUDA", "origin": "driver from",
    "distribution": "distribution", "repository": "repository", "branch": "branch", "kernel": "kernel", "dcgm": "DCGM",
    "container_toolkit": "container toolkit",
    "gpus": "GPUs", "locks": "environments", "packages": "packages", "parts": "parts", "cuda_compat": "cuda-compat",
    "precompiled": "precompiled modules",
}  # fmt: skip


def describe_changes(found: Nearest) -> str:
    """The changes as one line: "driver 580.178.04 instead of 595.91.07, no CUDA instead of 13.2.2"."""
    said = []
    for key, (old, new) in found.changes.items():
        said.append(f"{_SAID[key]} {new or 'none'} instead of {old}" if old else f"{_SAID[key]} {new}")
    return ", ".join(said)


def render(verdict: Mapping[str, Any]) -> str:
    """Refusals, the nearest combination that works, and warnings, as text for people."""
    lines = [_line(item) for item in verdict["refusals"]]
    if verdict["nearest"]:
        lines.append(f"nearest that works: {verdict['nearest']['text']}")
    elif not verdict["passes"]:
        lines.append("nothing near it works on this hardware")
    lines += ["warning: " + _line(item) for item in verdict["warnings"]]
    return "\n".join(lines)


def _line(item: Mapping[str, Any]) -> str:
    seen = "" if item["certainty"] == "certain" else " [inferred]"
    hint = f"\n    {item['hint']}" if item["hint"] else ""
    return f"{item['what']} ({item['why']}){seen}{hint}"


__all__ = ["StackError", "facts_json", "load_facts", "looks_like_cuda", "render", "stack_check"]
