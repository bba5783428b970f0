# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which exact combinations a request may mean, the likeliest first."""

from __future__ import annotations

import datetime
from itertools import product
from typing import Iterator, List, Optional, Set, Tuple

from .case import Choice, has_ended
from .model import Branch, Compat, Distribution
from .request import Request
from .schema import MODULES
from .versions import branch_of, order, upstream

#: What a new node is best off with, first.
_PREFERENCE = ("production", "lts", "new_feature", "unknown")


def choices(
    compat: Compat, request: Request, distribution: Optional[Distribution], today: datetime.date
) -> Iterator[Choice]:
    """Every combination that the words of *request* allow; at least one."""
    toolkits = list(product(*(_releases(compat, word) for word in request.cuda)))
    for branch, driver in _drivers(compat, request, distribution, today):
        for flavour in _flavours(compat, request, distribution, branch):
            for releases in toolkits:
                yield Choice(branch, driver, flavour, tuple(dict.fromkeys(releases)))


def _drivers(
    compat: Compat, request: Request, distribution: Optional[Distribution], today: datetime.date
) -> List[Tuple[str, str]]:
    """Branches with a release each. The release is empty where the archive has one and only it knows which."""
    word = upstream(request.driver)
    archive = distribution.archive if distribution is not None else None
    if word == "none":
        return [("", "")]
    if word and word[0].isdigit():
        branch = branch_of(word)
        row = compat.branches.get(branch)
        if "." in word:
            # YAML takes an unquoted 595.80 for the number 595.8.
            return [(branch, f"{word}0" if row is not None and f"{word}0" in (*row.releases, row.newest) else word)]
        return [(branch, _newest(compat, row, request))]
    usable = [item for item in compat.branches.values() if item.newest is not None and item.kind != "developer"]
    if request.origin == "distribution" and archive is not None and word in ("", "newest"):
        usable = [item for item in usable if item.id in archive.branches] or usable
    usable.sort(key=lambda item: int(item.id), reverse=True)
    if word in _PREFERENCE:
        usable = [item for item in usable if item.kind == word]
        usable = [item for item in usable if not has_ended(item, today)] or usable[:1]
    elif word == "":
        usable.sort(key=lambda item: (has_ended(item, today), _PREFERENCE.index(item.kind)))
    return [(item.id, _newest(compat, item, request)) for item in usable]


def _newest(compat: Compat, branch: Optional[Branch], request: Request) -> str:
    if branch is None or request.origin == "distribution":
        return ""
    return best_driver(compat, branch)


def _flavours(compat: Compat, request: Request, distribution: Optional[Distribution], branch: str) -> Tuple[str, ...]:
    if request.flavour != "auto":
        return (request.flavour,)
    archive = distribution.archive if distribution is not None else None
    if request.origin == "distribution" and archive is not None:
        # The role builds the one that compiles with the distribution's kernel; it does not look at the GPUs.
        return (archive.module,)
    row = compat.branches.get(branch)
    return row.modules if row is not None else MODULES


def _releases(compat: Compat, word: str) -> List[str]:
    """The CUDA releases that a word may mean: newest first, bad ones last."""
    newest_first = sorted(compat.toolkits, key=order, reverse=True)
    if word == "newest":
        return [best_release(compat, key) for key in newest_first]
    major = word[:-2] if word.endswith(".x") else word
    if "." not in major:
        return [best_release(compat, key) for key in newest_first if key.partition(".")[0] == major] or [word]
    return [best_release(compat, word)] if word in compat.toolkits else [word]


def best_driver(compat: Compat, branch: Branch) -> str:
    """The newest release of a branch that is not known to be bad; empty where none was seen."""
    bad = _bad(compat, "driver")
    releases = filter(None, (*branch.releases, branch.newest))
    return max(releases, key=lambda item: (item not in bad, order(item)), default="")


def _bad(compat: Compat, component: str) -> Set[str]:
    return {item for row in compat.bad_versions.values() if row.component == component for item in row.versions}


def best_release(compat: Compat, toolkit: str) -> str:
    """The newest release of a toolkit that is not known to be bad."""
    bad = _bad(compat, "cuda")
    return max(compat.toolkits[toolkit].releases, key=lambda item: (item not in bad, order(item)))
