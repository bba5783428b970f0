# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A repository of somebody else's that apt uses: its source, its key, and how far apt prefers it.

Several owners may share a repository (the driver, CUDA and DCGM come from one). Its source file says who uses it, and
goes with the last of them.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Dict, List, Mapping, Sequence, Tuple
from urllib.parse import urlsplit

from ._apt_sources import Source, parse_deb822, parse_list
from ._machine import Host
from ._openpgp import BadKey, expiries, fingerprints

SOURCES = "/etc/apt/sources.list.d"
_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
_OWNERS = re.compile(r"^# Used by: (.*)$", re.MULTILINE)
_FINGERPRINT = re.compile(r"^(?:[0-9A-F]{40}|[0-9A-F]{64})$")


class RepositoryError(Exception):
    """The repository cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Repository:
    """One repository. ``suite`` ending in a slash is a flat one, without components."""

    name: str
    uri: str
    suite: str
    components: Tuple[str, ...]
    fingerprints: Tuple[str, ...]  # the only keys that may sign it
    priority: int = 90  # below 100: nothing that is installed is replaced from here unless it is asked for or pinned

    @property
    def source_path(self) -> str:
        """Where its deb822 file lies."""
        return "%s/gpuforge-%s.sources" % (SOURCES, self.name)

    @property
    def key_path(self) -> str:
        """Where its key lies."""
        return "/etc/apt/keyrings/gpuforge-%s.asc" % self.name

    @property
    def preference_path(self) -> str:
        """Where apt's preference for the whole repository lies."""
        return "/etc/apt/preferences.d/gpuforge-%s-repository.pref" % self.name

    def source(self, key_path: str, owners: Sequence[str]) -> str:
        """The text of the deb822 file."""
        lines = [
            "# Written by gpuforge; changes made here are lost.",
            "# Used by: %s" % ", ".join(owners),
            "Types: deb",
            "URIs: %s" % self.uri,
            "Suites: %s" % self.suite,
        ]
        if self.components:
            lines.append("Components: %s" % " ".join(self.components))
        return "\n".join([*lines, "Signed-By: %s" % key_path, ""])

    def preference(self, release: str) -> str:
        """The text of apt's preference; *release* is the text of the repository's Release file."""
        fields = dict(re.findall(r"^(Origin|Label): *(\S.*?)\s*$", release, re.MULTILINE))
        words = [letter + "=" + fields[key] for key, letter in (("Origin", "o"), ("Label", "l")) if key in fields]
        pin = "release " + ",".join(words) if words else 'origin "%s"' % urlsplit(self.uri).hostname
        return (
            "# Written by gpuforge; changes made here are lost.\n"
            "# Nothing of the distribution's is replaced from here. What is wanted from here is pinned by name.\n"
            "Package: *\nPin: %s\nPin-Priority: %d\n" % (pin, self.priority)
        )

    def list_name(self) -> str:
        """How apt starts the file names of this repository in its lists (``URItoFileName`` of apt)."""
        address = re.sub(r"^[a-z+]+:(?://(?:[^@/]*@)?)?", "", self.uri) + "/"
        flat = self.suite.endswith("/")
        path = address + (self.suite if self.suite != "/" else "") if flat else address + "dists/%s/" % self.suite
        quoted = re.sub(r"[\\|{}\[\]<>\"^~_=!@#$%&*]", lambda hit: "%%%02x" % ord(hit.group()), path)
        return quoted.replace("/", "_")


def make_repository(options: Mapping[str, object]) -> Repository:
    """Return the repository of the module's options.

    :raises RepositoryError: with everything that is wrong with them.
    """
    prints = tuple(re.sub(r"[\s:]", "", str(one)).upper() for one in _listed(options, "fingerprints"))
    found = Repository(
        name=str(options["name"]),
        uri=str(options["uri"]).rstrip("/"),
        suite=str(options.get("suite") or "/"),
        components=tuple(str(one) for one in _listed(options, "components")),
        fingerprints=prints,
        priority=int(str(options.get("priority") or 90)),
    )
    problems = []
    if not _NAME.match(found.name):
        problems.append("%r is no name such as nvidia-cuda" % found.name)
    if not re.match(r"^(https?|file|copy|mirror\+https?):/", found.uri) or re.search(r"\s", found.uri):
        problems.append("%r is no address such as https://example.org/deb" % found.uri)
    if not prints:
        problems.append("no fingerprint: without one any key would do")
    problems += ["%s is no whole fingerprint" % one for one in prints if not _FINGERPRINT.match(one)]
    if bool(found.components) == found.suite.endswith("/"):
        problems.append("a suite that ends in / has no components, and any other has some")
    if problems:
        raise RepositoryError("the repository %s: %s" % (found.name, "; ".join(problems)))
    return found


def _listed(options: Mapping[str, object], key: str) -> List[object]:
    value = options.get(key) or []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_key(repository: Repository, key: bytes) -> None:
    """Refuse a key file with another key in it than those that may sign the repository.

    :raises RepositoryError: it is no key, or not the right one.
    """
    try:
        found = fingerprints(key)
    except BadKey as exc:
        raise RepositoryError("the key of %s is not usable: %s" % (repository.uri, exc)) from None
    strange = [one for one in found if one not in repository.fingerprints]
    if strange:
        raise RepositoryError(
            "the key of %s is %s, which is not the expected %s. Somebody is between you and the repository, or its "
            "owner has changed the key: find out which, from another source than the repository, before you change "
            "the fingerprint" % (repository.uri, ", ".join(strange), " or ".join(repository.fingerprints))
        )


def refuse_expired(repository: Repository, key: bytes, now: float) -> None:
    """Refuse a key that has expired: apt does so on some releases, and on others takes what was signed before.

    :param now: UNIX time.
    :raises RepositoryError: with the day.
    """
    for one, end in sorted(expiries(key).items()):
        if end <= now:
            raise RepositoryError(
                "the key of %s, %s, has expired on %s. Its owner has a newer one: get it, compare its fingerprint with "
                "another source than the repository, and name both"
                % (repository.uri, one, time.strftime("%Y-%m-%d", time.gmtime(end)))
            )


def owners_of(text: str) -> List[str]:
    """Who uses the repository, from its source file's text ("" for no file)."""
    match = _OWNERS.search(text)
    return [word.strip() for word in match.group(1).split(",") if word.strip()] if match else []


def rivals(host: Host, repository: Repository) -> List[str]:
    """Files of others that configure the same repository: apt refuses two that name different keys."""
    found: Dict[str, None] = {}
    for path in ["/etc/apt/sources.list", *host.glob(SOURCES + "/*")]:
        if path == repository.source_path or not path.endswith((".list", ".sources")):
            continue
        text = host.read(path) or ""
        sources: List[Source] = parse_list(text, path) if path.endswith(".list") else parse_deb822(text, path)
        if any(source.uri == repository.uri and _same(source.suite, repository.suite) for source in sources):
            found[path] = None
    return list(found)


def _same(one: str, other: str) -> bool:
    return one.strip("./") == other.strip("./")
