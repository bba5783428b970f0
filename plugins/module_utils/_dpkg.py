# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What dpkg says is installed, read from its status file: no program runs, so it works below any root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterator

from ._rootfs import names, read_text

STATUS = "/var/lib/dpkg/status"
#: dpkg writes what it is doing to numbered files here, and into the status file when it has done it.
JOURNAL = "/var/lib/dpkg/updates"
#: dpkg(1), "Package states": the files of these are on the disk in working order.
_WHOLE = ("installed", "triggers-awaited", "triggers-pending")


@dataclass(frozen=True)
class Package:
    """One package of the status file."""

    name: str
    version: str  # Debian version, e.g. "535.309.01-0+deb12u1"
    source: str  # source package's name
    state: str  # "installed", "half-configured", "unpacked", "config-files", ...
    architecture: str = ""  # "amd64", "all", ...
    held: bool = False  # put on hold by somebody (apt-mark hold)

    @property
    def installed(self) -> bool:
        """Whether it is unpacked and configured. One that left its configuration behind is not."""
        return self.state in _WHOLE


def read_packages(root: str = "/") -> Dict[str, Package]:
    """Return every package of the status file below ``root`` by name; an absent file has none.

    Of a package that several architectures have, the last one that is installed counts.
    """
    try:
        text = read_text(root, STATUS)
    except FileNotFoundError:
        return {}
    found: Dict[str, Package] = {}
    for package in parse_status(text):
        if package.installed or not (package.name in found and found[package.name].installed):
            found[package.name] = package
    return found


def interrupted(root: str = "/") -> bool:
    """Whether a dpkg was killed at its work: its journal was not taken into the status file. apt does nothing then."""
    return any(name.isdigit() for name in names(root, JOURNAL))


def parse_status(text: str) -> Iterator[Package]:
    """Yield the packages of a status file; stanzas without a package name are passed over."""
    for stanza in text.split("\n\n"):
        fields = _fields(stanza)
        if "package" not in fields:
            continue
        yield Package(
            name=fields["package"],
            version=fields.get("version", ""),
            # "Source: name (version)" names the version only where it differs from the binary's
            source=(fields.get("source") or fields["package"]).split(" ")[0],
            state=(fields.get("status", "").split(" ") or [""])[-1],
            architecture=fields.get("architecture", ""),
            held=fields.get("status", "").startswith("hold "),
        )


def upstream(version: str) -> str:
    """Return the upstream part of a Debian version: ``1:535.309.01-0+deb12u1`` is ``535.309.01``."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]


def _fields(stanza: str) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for line in stanza.splitlines():
        if line[:1] in (" ", "\t") or ":" not in line:
            continue
        key, value = line.split(":", 1)
        found[key.lower()] = value.strip()
    return found
