# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The facts as tables for people: rows of text."""

from __future__ import annotations

from typing import Any, Dict, List

from .candidates import best_release
from .model import Compat, Row
from .versions import order

_KINDS = {"new_feature": "new feature", "lts": "LTS"}


def mark(row: Row, key: str, text: str) -> str:
    """The text, with a question mark where the fact behind it is only inferred."""
    return text if not text or text == "unknown" or row.sure(key) else f"{text}?"


def branch_rows(compat: Compat) -> List[List[str]]:
    """Branch, class, end, newest release, CUDA, kernel modules; the newest branch first."""
    return [
        [
            row.id, _KINDS.get(row.kind, row.kind), mark(row, "eol", row.eol), row.newest or "none seen",
            row.cuda or "", mark(row, "modules", ", ".join(row.modules)),
        ]
        for row in sorted(compat.branches.values(), key=lambda item: int(item.id), reverse=True)
    ]  # fmt: skip


def toolkit_rows(compat: Compat) -> List[List[str]]:
    """Toolkit, newest good release, its branch, lowest driver, compute capabilities; the newest toolkit first."""
    rows = []
    for key in sorted(compat.toolkits, key=order, reverse=True):
        row = compat.toolkits[key]
        floor = compat.cuda_families[key.partition(".")[0]].floor
        built = mark(row, "builds_for", f"{row.builds_for[0]} to {row.builds_for[1]}")
        rows.append([key, best_release(compat, key), row.branch, floor, built])
    return rows


def generation_rows(compat: Compat) -> List[List[str]]:
    """Generation, driver branches, kernel modules, toolkits, products; the oldest first, as in the file."""
    rows = []
    for row in compat.generations.values():
        first, last = row.first_branch or "", row.last_branch or ""
        drivers = (
            f"{mark(row, 'first_branch', first)} to {last}" if last else f"from {mark(row, 'first_branch', first)}"
        )
        toolkits = f"{mark(row, 'first_toolkit', row.first_toolkit)} to {row.last_major or ''}".rstrip()
        toolkits = toolkits if row.last_major else f"from {mark(row, 'first_toolkit', row.first_toolkit)}"
        products = [item.id for item in compat.gpus.values() if item.generation == row.id]
        rows.append([
            row.id.replace("_", " "), drivers.strip(), mark(row, "modules", ", ".join(row.modules)),
            toolkits + (".x" if row.last_major else ""), ", ".join(products),
        ])  # fmt: skip
    return rows


def facts_json(compat: Compat) -> Dict[str, Any]:
    """All of it, as JSON has it."""
    return {
        "date": compat.date,
        "files": list(compat.files),
        "branches": branch_rows(compat),
        "toolkits": toolkit_rows(compat),
        "generations": generation_rows(compat),
    }
