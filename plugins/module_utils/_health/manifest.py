# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``manifest``: does the machine hold exactly the packages that its image was made with?"""

from __future__ import annotations

import json
from typing import Dict, List, Mapping

from .._dpkg import STATUS
from .dpkg import installed
from .machine import Machine
from .model import WARNING, Check, Outcome, failed, passed, skipped, unknown

MANIFEST = "/etc/gpuforge/manifest.json"
#: How many differences are spelt out; the rest is counted.
_SHOWN = 12
_EXPECTED = f"the packages of {MANIFEST}"


class ManifestError(Exception):
    """The manifest is not what a bake writes; the message says in what way."""


def declared(text: str) -> Dict[str, str]:
    """``{"name:architecture": version}`` of the manifest's ``packages.dpkg``, a list of objects or a mapping.

    Raises ManifestError.
    """
    try:
        listed = json.loads(text)["packages"]["dpkg"]
        if isinstance(listed, Mapping):
            return {str(name): str(version) for name, version in listed.items()}
        return {f"{item['name']}:{item['architecture']}": str(item["version"]) for item in listed}
    except ValueError as exc:
        raise ManifestError(f"not JSON: {exc}") from exc
    except (KeyError, TypeError) as exc:
        raise ManifestError(f"no usable packages.dpkg ({exc})") from exc


def differences(declared_packages: Mapping[str, str], found: Mapping[str, str]) -> List[str]:
    """One text for each package that is missing, not in the manifest, or of another version; sorted by name."""
    lines = []
    for name in sorted({*declared_packages, *found}):
        wanted, has = declared_packages.get(name), found.get(name)
        if has is None:
            lines.append(f"{name} {wanted} is gone")
        elif wanted is None:
            lines.append(f"{name} {has} was added")
        elif wanted != has:
            lines.append(f"{name} {has} instead of {wanted}")
    return lines


def _packages(machine: Machine) -> Outcome:
    try:
        text = machine.tree.read_text(MANIFEST)
    except FileNotFoundError:
        if machine.expect.image is False:
            return skipped("this machine was not made from an image")
        return unknown(
            f"no {MANIFEST}",
            _EXPECTED,
            'If this node was not made from an image, say `"image": false` in '
            "/etc/gpuforge/expect.json or leave the group out (`--skip manifest`).",
        )
    try:
        wanted = declared(text)
    except ManifestError as exc:
        return unknown(f"{MANIFEST}: {exc}", _EXPECTED)
    if not wanted:
        return unknown(f"{MANIFEST} lists no package", _EXPECTED)
    try:
        found = installed(machine)
    except OSError as exc:
        return unknown(f"{STATUS}: {exc.strerror}", _EXPECTED)
    lines = differences(wanted, found)
    if not lines:
        return passed(f"{len(found)} packages, all alike", _EXPECTED)
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return failed("; ".join(lines[:_SHOWN]) + more, _EXPECTED)


CHECKS = (
    Check(
        "manifest.packages",
        "the installed packages are those of the image",
        WARNING,
        "See /var/log/apt/history.log for who changed packages; put back the versions named, or move the node to an "
        "image that has the new ones.",
        _packages,
    ),
)
