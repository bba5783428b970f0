# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a guest's serial line says about a boot that does not get anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

StuckKind = Literal["no-bootable-disk", "grub", "panic", "initramfs", "emergency"]

TAIL_LINES: Final = 30
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78cM])|[\x00-\x08\x0b-\x1a\x7f]")


@dataclass(frozen=True, slots=True)
class Stuck:
    """A boot that will not go on: ``kind`` and, in ``message``, what that is and what to look at."""

    kind: StuckKind
    message: str


# In the order of a boot; the last that matches counts, because a boot may get over an early complaint.
_SIGNS: Final[tuple[tuple[StuckKind, re.Pattern[str], str], ...]] = (
    (
        "no-bootable-disk",
        re.compile(r"No bootable device|BdsDxe: No bootable option|UEFI Interactive Shell|Shell> *$|BdsDxe: failed to "
                   r"load Boot\S+ \"UEFI [^\n]*: (?:Access Denied|Security Violation)|Verification failed|"
                   r"Bad shim signature|prohibited by secure boot policy"),
        "the firmware found nothing that it may boot: the boot sector or the EFI system partition is wrong",
    ),
    ("grub", re.compile(r"^grub(?: rescue)?> *$|^.*Failed to boot both default and fallback entries", re.MULTILINE),
     "GRUB stopped: it did not find its modules, grub.cfg, the kernel or the root file system"),
    ("initramfs", re.compile(r"^\(initramfs\) *$|ALERT! +\S+ does not exist", re.MULTILINE),
     "the initramfs did not find the root file system: its UUID or a driver is missing"),
    ("emergency", re.compile(r"You are in (?:emergency|rescue) mode|Press Enter for maintenance"),
     "systemd went to emergency mode: a mount of /etc/fstab or an early unit failed"),
    ("panic", re.compile(r"Kernel panic - not syncing:?[^\n]*"), "the kernel panicked"),
)  # fmt: skip


def plain(raw: bytes) -> str:
    """The text of a serial line: no terminal control sequences, one kind of line end."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace").replace("\r\n", "\n"))
    return text.replace("\r", "\n")


def tail(text: str, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """The last *lines* lines of *text* that say something."""
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])


def find_stuck(text: str) -> Stuck | None:
    """Why the boot in *text* (see ``plain``) will not go on, or None while it may."""
    found = None
    for kind, pattern, meaning in _SIGNS:
        if match := pattern.search(text):
            words = " ".join(match[0].split())
            found = Stuck(kind, f"{meaning} ({words})")
    return found
