# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``driver`` about nouveau, the other driver for the same hardware: it must not get there first."""

from __future__ import annotations

import re
from typing import List

from .._initramfs import InitramfsError, read_initramfs
from .driver import where_it_matters
from .kernel import boot_kernel
from .machine import Machine
from .model import CRITICAL, Check, Outcome, failed, passed, skipped, unknown

#: modprobe.d(5): later folders give way to earlier ones with a file of the same name.
_FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_CONFIGURATION = re.compile(r"(etc|run|(usr/)?lib)/modprobe\.d/[^/]*\.conf")
_NOUVEAU = re.compile(r"nouveau\.ko(\.\w+)?")
_OFF = re.compile(r"^\s*(blacklist\s+nouveau|install\s+nouveau\s+(/usr)?/bin/(false|true))\s*(#.*)?$", re.MULTILINE)


def blacklists(machine: Machine) -> List[str]:
    """The modprobe.d files in force that keep nouveau from being loaded."""
    found, seen = [], set()
    for folder in _FOLDERS:
        for path in machine.tree.glob(f"{folder}/*.conf"):
            name = path.rpartition("/")[2]
            if name in seen:
                continue
            seen.add(name)
            if machine.tree.is_file(path) and _OFF.search(machine.tree.read_text(path)):
                found.append(path)
    return found


@where_it_matters
def _blacklisted(machine: Machine) -> Outcome:
    expected = "`blacklist nouveau` in modprobe.d"
    found = blacklists(machine)
    return passed(", ".join(found), expected) if found else failed("nothing keeps nouveau from loading", expected)


@where_it_matters
def _initramfs(machine: Machine) -> Outcome:
    release = boot_kernel(machine)
    image = f"/boot/initrd.img-{release}"
    if release is None or not machine.tree.is_file(image):
        return skipped("no initramfs for the newest kernel in /boot")
    expected = f"{image} without nouveau, or with its blacklist"
    try:
        files = read_initramfs(machine.tree.host(image), lambda name: bool(_CONFIGURATION.fullmatch(name)))
    except InitramfsError as exc:
        return unknown(str(exc), expected)
    if not any(_NOUVEAU.fullmatch(name.rpartition("/")[2]) for name in files):
        return passed(f"no nouveau among {len(files)} files", expected)
    carried = sorted(name for name, text in files.items() if _OFF.search(text.decode("utf-8", "replace")))
    if carried:
        return passed("blacklist " + ", ".join(carried), expected)
    return failed("nouveau without its blacklist", expected)


CHECKS = (
    Check(
        "driver.nouveau",
        "nouveau is kept from loading",
        CRITICAL,
        "Write `blacklist nouveau` to /etc/modprobe.d/, `update-initramfs -u -k all`, reboot.",
        _blacklisted,
    ),
    Check(
        "driver.nouveau_initramfs",
        "the initramfs keeps nouveau off, too",
        CRITICAL,
        "`update-initramfs -u -k KERNEL` puts modprobe.d into it; then reboot.",
        _initramfs,
    ),
)
