# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads the list of installed packages from dpkg's own file."""

from __future__ import annotations

from typing import Dict

from .machine import Machine

STATUS_FILE = "/var/lib/dpkg/status"


def parse_status(text: str) -> Dict[str, str]:
    """``{"name:architecture": version}`` of every package whose files are on the disk in working order.

    Removed packages that left configuration behind are not installed, and half-installed ones are not either
    (dpkg(1), "Package states": only ``installed`` and the two trigger states are whole).
    """
    found: Dict[str, str] = {}
    for paragraph in text.split("\n\n"):
        entry: Dict[str, str] = {}
        for line in paragraph.splitlines():
            key, sign, value = line.partition(":")
            if sign and not line.startswith(" "):
                entry[key] = value.strip()
        state = entry.get("Status", "").split()
        if state[2:] and state[2] in ("installed", "triggers-awaited", "triggers-pending"):
            found[f"{entry['Package']}:{entry.get('Architecture', '')}"] = entry.get("Version", "")
    return found


def installed(machine: Machine) -> Dict[str, str]:
    """As `parse_status`, of the machine. Raises OSError when the file cannot be read."""
    found: Dict[str, str] = machine.once("dpkg", lambda: parse_status(machine.tree.read_text(STATUS_FILE)))
    return found
