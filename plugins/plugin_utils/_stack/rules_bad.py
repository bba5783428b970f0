# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Versions that are known to be bad, asked by the rules of each component."""

from __future__ import annotations

from typing import Iterator

from .case import Case, Finding


def bad(case: Case, component: str, version: str, label: str, hint: str) -> Iterator[Finding]:
    """A finding for each row by which *version* of *component* is known to be bad."""
    for row in case.compat.bad_versions.values():
        if row.component == component and version in row.versions:
            what = f"{label} {version} is known to be bad"
            yield case.say("bad-version", what, hint, row, why=row.why, harm=row.harm)
