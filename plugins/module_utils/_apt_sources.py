# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which components of which suites a Debian system has, and the one file that adds those it lacks.

The system's own sources are never rewritten. What is missing is added in a file of its own that repeats the address
and the signing key of the source it completes: apt refuses two sources of one suite whose ``Signed-By`` differ, and
warns when one component is configured twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Sequence, Tuple

_ONE_LINE = re.compile(r"^\s*(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<rest>\S.*)$")
# Options of one-line sources that a completed source must share, by their deb822 names (sources.list(5)).
_SHARED = {
    "signed-by": "Signed-By",
    "arch": "Architectures",
    "trusted": "Trusted",
    "check-valid-until": "Check-Valid-Until",
}


@dataclass(frozen=True)
class Source:
    """One suite at one address, as configured."""

    uri: str  # without a trailing slash
    suite: str
    components: Tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)  # deb822 names: Signed-By, Trusted, ...
    path: str = ""


@dataclass(frozen=True)
class Want:
    """Components that a suite must have."""

    suite: str
    components: Tuple[str, ...]
    uri: str = ""  # the archive's address, for when no source of the system can be followed; "" for an optional suite
    like: Tuple[str, ...] = ()  # suites of the same archive whose address is used before ``uri``
    optional: bool = False  # complete the suite if it is configured, and do without it if it is not


def parse_list(text: str, path: str = "") -> List[Source]:
    """Return the binary sources of a one-line style file (``*.list``)."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#", 1)[0])
        if not match or match.group("type") != "deb":
            continue
        words = match.group("rest").split()
        options = {}
        for option in (match.group("options") or "").split():
            key, _sep, value = option.partition("=")
            if key.lower() in _SHARED:
                options[_SHARED[key.lower()]] = value.replace(",", " ")
        if len(words) >= 2:
            found.append(Source(words[0].rstrip("/"), words[1], tuple(words[2:]), options, path))
    return found


def parse_deb822(text: str, path: str = "") -> List[Source]:
    """Return the enabled binary sources of a deb822 style file (``*.sources``)."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        options = {name: fields[name.lower()] for name in _SHARED.values() if name.lower() in fields}
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                found.append(Source(uri.rstrip("/"), suite, components, options, path))
    return found


def missing(have: Sequence[Source], wants: Sequence[Want], keyring: str) -> List[Source]:
    """Return the sources to add so that every wanted component is configured exactly once.

    A suite that is configured already is completed at the first of its addresses with that one's key; a suite that is
    not gets the address of a suite it is ``like``, else ``uri``, signed by ``keyring``.
    """
    added = []
    for want in wants:
        same = [source for source in have if source.suite.rstrip("/") == want.suite]
        known = {component for source in same for component in source.components}
        lacking = tuple(component for component in want.components if component not in known)
        if not lacking or (want.optional and not same):
            continue
        if same:
            added.append(Source(same[0].uri, want.suite, lacking, same[0].options))
            continue
        alike = [source for source in have if source.suite in want.like]
        options = dict(alike[0].options) if alike else {}
        options.setdefault("Signed-By", keyring)
        added.append(Source(alike[0].uri if alike else want.uri, want.suite, want.components, options))
    return added


def render(sources: Sequence[Source], header: str) -> str:
    """Return a deb822 file with one stanza a source, or an empty text for no source."""
    if not sources:
        return ""
    stanzas = []
    for source in sources:
        lines = ["Types: deb", "URIs: " + source.uri, "Suites: " + source.suite]
        lines.append("Components: " + " ".join(source.components))
        lines.extend("%s: %s" % (key, value) for key, value in sorted(source.options.items()))
        stanzas.append("\n".join(lines))
    comment = "".join("# %s\n" % line for line in header.splitlines())
    return comment + "\n\n".join(stanzas) + "\n"


def index_name(source: Source) -> str:
    """Return how apt starts the file names of this suite in /var/lib/apt/lists (``URItoFileName`` of apt)."""
    address = re.sub(r"^[a-z+]+:(?://(?:[^@/]*@)?)?", "", source.uri)
    return re.sub(r"[/_]", lambda hit: "_" if hit.group() == "/" else "%5f", address) + "_dists_" + source.suite + "_"


def lacks_index(source: Source, held: Sequence[str], release: str, architecture: str) -> bool:
    """Return whether the package index lacks a component of ``source``.

    :param held: names of the files in /var/lib/apt/lists.
    :param release: text of the suite's Release or InRelease in there, "" if it is not there.
    :param architecture: Debian's name of the machine's architecture. An empty component has no file in the index; the
        Release file tells its size.
    """
    if not release:
        return True
    for component in source.components:
        path = "%s/binary-%s/Packages" % (component, architecture)
        size = re.search(r"^ [0-9a-f]{64} +(\d+) %s$" % re.escape(path), release, re.MULTILINE)
        start = index_name(source) + path.replace("/", "_")
        if size and int(size.group(1)) and not any(name.startswith(start) for name in held):
            return True
    return False


def _fields(stanza: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    last = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and last:
            found[last] += "\n" + line
        elif ":" in line:
            last, value = line.split(":", 1)
            last = last.strip().lower()
            found[last] = value.strip()
    return found
