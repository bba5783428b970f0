"""Who sets a sysctl key last at boot: the files systemd-sysctl reads, in its order (man 5 sysctl.d).

A file in ``/etc`` hides one of the same name in ``/run``, ``/usr/local/lib`` and ``/usr/lib``; a link to ``/dev/null``
hides it altogether; the rest are read in the order of their names, whatever folder they lie in. ``/etc/sysctl.conf``
counts only through a link such as Debian 12's ``99-sysctl.conf``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ._machine import Host
from ._tuning_keys import normalise
from ._tuning_values import canonical

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")


@dataclass(frozen=True)
class Assignment:
    """One line ``key = value`` of a file."""

    key: str
    value: str
    file: str


def parse(text: str, file: str = "") -> List[Assignment]:
    """The assignments of one file; comments, exclusions (``-key``) and patterns are left out.

    A pattern such as ``net.ipv4.conf.*.rp_filter`` never beats a key written out, wherever it stands.
    """
    found: List[Assignment] = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        key, _equals, value = line.partition("=")
        key = key.strip().lstrip("-").strip()
        if any(sign in key for sign in "*?["):
            continue
        found.append(Assignment(normalise(key), canonical(value), file))
    return found


def ordered_files(host: Host) -> List[str]:
    """The files in the order they are read; hidden ones left out."""
    chosen: Dict[str, str] = {}
    for folder in FOLDERS:
        for path in host.glob(folder + "/*.conf"):
            chosen.setdefault(path.rsplit("/", 1)[1], path)
    return [chosen[name] for name in sorted(chosen) if host.readlink(chosen[name]) != "/dev/null"]


def winners(host: Host, own_file: str, own: Dict[str, str]) -> Dict[str, Tuple[str, str]]:
    """Keys of ``own`` that a later file sets to another value: {key: (file, value)}.

    Call it before or after our file is written: its place in the order follows from its name alone.
    """
    own_name = own_file.rsplit("/", 1)[1]
    beaten: Dict[str, Tuple[str, str]] = {}
    for path in ordered_files(host):
        if path.rsplit("/", 1)[1] <= own_name:
            continue
        text: Optional[str] = host.read(path)
        for line in parse(text or "", path):
            if line.key not in own:
                continue
            if line.value == canonical(own[line.key]):
                beaten.pop(line.key, None)
            else:
                beaten[line.key] = (path, line.value)
    return beaten
