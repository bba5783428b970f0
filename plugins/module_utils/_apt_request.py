# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is asked of a set of packages, and what is remembered of it.

That is /etc/gpuforge/packages/NAME.json: taking the set away takes what it brought, and no more.
"""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass, field
from typing import Callable, List, Mapping, NamedTuple, Optional, Tuple

from ._apt_repo import Repository
from ._dpkg import upstream
from ._machine import Host

RECORDS = "/etc/gpuforge/packages"
_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]+$")


class SetError(Exception):
    """The set is impossible; nothing was changed. The message has every reason."""


class Wish(NamedTuple):
    """A package at a version: a whole one, an upstream one, a pattern with ``*``, or "" for what there is."""

    name: str
    version: str = ""

    def met_by(self, version: str) -> bool:
        """Whether a Debian version is the wanted one, whatever its epoch and, if not asked for, its revision."""
        if not self.version:
            return True
        bare = version.split(":", 1)[-1]
        return self.version in (version, bare, upstream(version)) or (
            "*" in self.version and any(fnmatch.fnmatchcase(one, self.version) for one in (version, bare))
        )


class Family(NamedTuple):
    """Everything built from some source packages, held at one version, be it in the set or what the set depends on.

    apt takes nothing but its candidate for a dependency. So a downgrade, or any version but the newest, is found only
    when this is among apt's preferences before it plans.
    """

    sources: Tuple[str, ...]  # names of source packages, patterns with * too
    version: str  # how their versions start, e.g. "580.178.04"

    def text(self) -> str:
        """As apt's preferences."""
        which = " ".join("src:%s:any" % one for one in self.sources)
        return "Package: %s\nPin: version %s*\nPin-Priority: 1001\n" % (which, self.version)


@dataclass(frozen=True)
class Request:
    """Everything that is asked of a set. ``key`` returns the key file of the repository when it is needed."""

    name: str
    repository: Optional[Repository]
    key: Callable[[], bytes]
    wishes: Tuple[Wish, ...] = ()
    absent: Tuple[str, ...] = ()  # packages that must not be there
    never: Tuple[str, ...] = ()  # patterns of packages that this set must not bring
    family: Optional[Family] = None
    hold: bool = True
    update: bool = True
    check_mode: bool = False
    lock_s: float = 300.0  # seconds that another program may have apt's or dpkg's lock

    @property
    def record_path(self) -> str:
        """Where it is remembered."""
        return "%s/%s.json" % (RECORDS, self.name)

    @property
    def pin_path(self) -> str:
        """Where apt's preferences for its packages lie."""
        return "/etc/apt/preferences.d/gpuforge-%s.pref" % self.name


@dataclass
class Record:
    """What an earlier run was asked for and brought."""

    asked: List[str] = field(default_factory=list)
    brought: List[str] = field(default_factory=list)

    def text(self) -> str:
        """As it lies on disk."""
        body = {"version": 1, "asked": sorted(set(self.asked)), "brought": sorted(set(self.brought))}
        return json.dumps(body, indent=2) + "\n"


def load_record(host: Host, path: str) -> Record:
    """The record at *path*, empty where there is none.

    :raises SetError: it is damaged, so that it is not known what may be taken away.
    """
    text = host.read(path)
    if text is None:
        return Record()
    try:
        body = json.loads(text)
        if body["version"] != 1:
            raise ValueError("another version")
        return Record([str(one) for one in body["asked"]], [str(one) for one in body["brought"]])
    except (ValueError, KeyError, TypeError) as exc:
        raise SetError("%s is damaged (%s): remove it to start anew" % (path, exc)) from None


def check(request: Request) -> None:
    """Refuse what can be seen to be wrong without looking at the machine. Raises SetError."""
    problems = [] if _NAME.match(request.name) else ["%r is no name such as dcgm" % request.name]
    names = [wish.name for wish in request.wishes] + list(request.absent)
    problems += ["%r is no package's name" % name for name in names if not _PACKAGE.match(name)]
    problems += ["%s is there more than once" % name for name in sorted({one for one in names if names.count(one) > 1})]
    for wish in request.wishes:
        odd = [pattern for pattern in request.never if fnmatch.fnmatchcase(wish.name, pattern)]
        problems += ["%s must not come with this set" % wish.name for _pattern in odd[:1]]
    if problems:
        raise SetError("; ".join(problems))


def pins(request: Request, versions: Mapping[str, str]) -> Optional[str]:
    """The text of apt's preferences that keep each package at its version, upgrades and downgrades included.

    Beside a family only packages whose version was asked for: the others are to move with what they belong to. None
    where nothing is held.
    """
    family = request.family
    asked = {wish.name for wish in request.wishes if wish.version or not family}
    held = {name: version for name, version in versions.items() if name in asked and request.hold}
    parts = [family.text()] if family else []
    for version in sorted(set(held.values())):
        names = sorted(name for name, one in held.items() if one == version)
        parts.append("Package: %s\nPin: version %s\nPin-Priority: 1001\n" % (" ".join(names), version))
    return "\n".join(["# Written by gpuforge; changes made here are lost.\n", *parts]) if parts else None
