# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""GRUB's default entry: which kernel a grub.cfg boots, and the drop-in that makes another one the default.

The drop-in is shell, read by grub-mkconfig after /etc/default/grub. It names the entry by the id that Debian's and
Ubuntu's 10_linux gives it (GRUB 2.06 and 2.12), so it stays right however many kernels come and go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import List, Mapping, Optional

CONFIG = "/boot/grub/grub.cfg"
ENVIRONMENT = "/boot/grub/grubenv"
#: There wherever GRUB is set up the way of Debian and Ubuntu.
GRUB = "/etc/default/grub"
#: Sorts after every other drop-in of ours, so that what they say of submenus is known in it.
DROP_IN = "/etc/default/grub.d/95-gpuforge-kernel-guard.cfg"

_RELEASE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.+~_-]*$")
_HELD = re.compile(r"^gpuforge_kernel='([^']+)'$", re.MULTILINE)
_TEXT = """\
# Written by gpuforge's kernel guard: newer kernels have no driver that may be loaded.
# `gpuforge-node kernel-guard` says why; this file goes away by itself when they have one.
gpuforge_kernel='{release}'
GRUB_DEFAULT="gnulinux-$gpuforge_kernel-advanced-$GRUB_DEVICE_UUID"
case "$GRUB_DISABLE_SUBMENU" in y|true) ;; *) GRUB_DEFAULT="gnulinux-advanced-$GRUB_DEVICE_UUID>$GRUB_DEFAULT" ;; esac
"""


def drop_in(release: str) -> str:
    """The drop-in that makes the kernel ``release`` the default. Raises ValueError for what is no kernel's name."""
    if not _RELEASE.match(release):
        raise ValueError("%r is no kernel's release" % release)
    return _TEXT.format(release=release)


def held(text: str) -> str:
    """The kernel that a drop-in of this text holds, "" for any other text."""
    found = _HELD.search(text)
    return found.group(1) if found else ""


@dataclass
class _Entry:
    """A menu entry or submenu. ``kernel`` is the release of the kernel that the entry boots."""

    title: str
    ident: str
    kernel: str = ""
    entries: List[_Entry] = field(default_factory=list)


_OPEN = re.compile(r"^\s*(menuentry|submenu)\s+(?:'([^']*)'|\"([^\"]*)\")(.*)\{\s*$")
_IDENT = re.compile(r"(?:\$menuentry_id_option|--id)\s+'?([^'\s]+)'?")
_LINUX = re.compile(r"^\s*linux(?:16|efi)?\s+\S*/vmlinu[xz]-(\S+)")
_DEFAULT = re.compile(r"^\s*set default=\"?([^\"\n]*)\"?\s*$")


def default_kernel(config: str, environment: Optional[Mapping[str, str]] = None) -> str:
    """The release of the kernel that this grub.cfg boots by default, "" where that cannot be told.

    :param environment: what GRUB's grubenv holds; ``next_entry``, which counts for one boot only, is not looked at.
    """
    top: List[_Entry] = []
    open_entries: List[_Entry] = []
    default = "0"
    for line in config.splitlines():
        entry = _OPEN.match(line)
        if entry:
            ident = _IDENT.search(entry.group(4))
            made = _Entry(entry.group(2) or entry.group(3) or "", ident.group(1) if ident else "")
            (open_entries[-1].entries if open_entries else top).append(made)
            open_entries.append(made)
        elif open_entries and line.strip() == "}":
            open_entries.pop()
        elif open_entries:
            linux = _LINUX.match(line)
            if linux:
                open_entries[-1].kernel = linux.group(1)
        else:
            chosen = _DEFAULT.match(line)
            if chosen:  # the last one: before it is the one that counts for a single boot
                default = chosen.group(1)
    if default == "${saved_entry}":
        default = (environment or {}).get("saved_entry", "") or "0"
    return _resolve(top, default)


def _resolve(top: List[_Entry], default: str) -> str:
    entries, found = top, None
    for step in default.split(">"):
        if step.isdigit():
            found = entries[int(step)] if int(step) < len(entries) else None
        else:
            found = next((entry for entry in entries if step in (entry.ident, entry.title)), None)
        if found is None:
            # GRUB boots the first entry when it does not find its default.
            found = top[0] if top else None
            break
        entries = found.entries
    while found is not None and found.entries:
        found = found.entries[0]
    return found.kernel if found is not None else ""


def parse_environment(text: str) -> Mapping[str, str]:
    """The values in a grubenv."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name: value for name, _sign, value in pairs}
