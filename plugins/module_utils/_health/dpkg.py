# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The installed packages, as the manifest of an image names them."""

from __future__ import annotations

from typing import Dict

from .. import _dpkg
from .machine import Machine


def parse_status(text: str) -> Dict[str, str]:
    """``{"name:architecture": version}`` of every installed package in the text of dpkg's status file."""
    return {
        f"{package.name}:{package.architecture}": package.version
        for package in _dpkg.parse_status(text)
        if package.installed
    }


def installed(machine: Machine) -> Dict[str, str]:
    """As `parse_status`, of the machine. Raises OSError when the file cannot be read."""
    found: Dict[str, str] = machine.once("dpkg", lambda: parse_status(machine.tree.read_text(_dpkg.STATUS)))
    return found
