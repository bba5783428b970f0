"""docs/compatibility.md: the facts of plugins/plugin_utils/compat.yml as tables."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markup import table

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "compatibility.md"
NOTE = "<!-- Written by `make docs`; change plugins/plugin_utils/compat.yml instead. -->"
HEAD = """\
What this version knows of NVIDIA's stack on {date}. `gpuforge plan`, `gpuforge stack` and the top of
[site.yml](../playbooks/site.yml) check every combination against these tables; [which driver](which-driver.md) tells
how to ask, and how to lay newer facts over them.

A question mark stands behind what is only inferred: such a fact warns and never refuses. Of two kernel modules the
first is NVIDIA's own default. Where each row was read: the [file itself](../plugins/plugin_utils/compat.yml) and the
[sources](#sources)."""
PARTIAL = (
    "Between the lowest driver and the toolkit's own branch a program runs with the driver's features and without "
    "newer PTX."
)


def facts() -> Any:
    """The facts, as the collection's own loader reads them."""
    sys.path.insert(0, str(REPO / "plugins" / "plugin_utils"))
    try:
        return importlib.import_module("_stack.load").load()
    finally:
        sys.path.pop(0)


def sure(row: Any, key: str, text: object) -> str:
    """A value, with a question mark where it is only inferred."""
    return "" if text in (None, "") else f"{text}" if row.sure(key) else f"{text}?"


def listed(items: Sequence[str], joint: str = ", ") -> str:
    """Several values in a cell."""
    return joint.join(items)


def gpu_rows(compat: Any) -> list[list[str]]:
    """Products with their PCI ids."""
    rows = []
    for row in compat.gpus.values():
        first = sure(row, "first_driver", row.first_driver) or sure(row, "first_branch", row.first_branch)
        ids = listed([f"`{item}`" for item in row.ids], " ")
        rows.append([row.id, ids, row.generation.replace("_", " "), row.capability, row.form, first])
    return rows


def distribution_rows(compat: Any) -> list[list[str]]:
    """Distributions."""
    rows = []
    for row in compat.distributions.values():
        archive = "none" if row.archive is None else sure(row, "archive", listed(row.archive.branches))
        oldest = sure(row, "oldest_toolkit", row.oldest_toolkit)
        named = listed([name for name, there in (("DCGM", row.dcgm), ("container toolkit", row.containers)) if there])
        rows.append([f"`{row.id}`", f"{row.kernel}, gcc {row.gcc}, glibc {row.glibc}", archive, oldest, named])
    return rows


def compat_rows(compat: Any) -> tuple[list[str], list[list[str]]]:
    """The table of cuda-compat: branches across, packages down."""
    branches = sorted(
        {item for row in compat.forward_compat.values() for item in (*row.useful, *row.needless, *row.broken)}
    )
    rows = []
    for row in compat.forward_compat.values():
        marks = [
            "yes" if item in row.useful else "not needed" if item in row.needless else "breaks" for item in branches
        ]
        rows.append([f"`cuda-compat-{row.id.replace('.', '-')}`", *marks])
    return ["Package", *branches], rows


def component_rows(compat: Any) -> list[list[str]]:
    """Components and the versions of them that are known to be bad."""
    rows = [[row.id.replace("_", " "), f"newest seen {sure(row, 'newest', row.newest)}",
             f"older than {row.usable_from} lacks {row.lacking}"] for row in compat.components.values()]  # fmt: skip
    rows += [
        [row.component.replace("_", " "), listed(row.versions), sure(row, "why", row.why)]
        for row in compat.bad_versions.values()
    ]
    rows += [[row.id, f"from {row.first_version}", "older ones do not read CDI 0.7"] for row in compat.engines.values()]
    return rows


def trap_rows(compat: Any) -> list[list[str]]:
    """Packages and parameters that do not do what they seem to."""
    rows = [[f"`{row.match}`", sure(row, "why", row.why), row.instead] for row in compat.package_traps.values()]
    for row in compat.module_parameters.values():
        first = f"branch {row.first_branch} or newer" if row.first_branch else f"the {row.module} kernel module"
        rows.append([f"`{row.id}`", f"needs {sure(row, 'first_branch', first)}", "the module's log tells"])
    for row in compat.cautions.values():
        rows.append([listed(row.gpus), f"{sure(row, 'why', row.why)}", f"branches before {row.first_branch}"])
    return rows


def part_rows(compat: Any) -> list[list[str]]:
    """What has the driver's version."""
    return [[f"`{row.package}`", row.first_branch, f"`{row.with_branch}` before {row.unversioned_from}"]
            for row in compat.parts.values()]  # fmt: skip


def lock_rows(compat: Any) -> list[list[str]]:
    """Locked environments."""
    return [[row.id, row.torch, row.cuda, row.glibc, sure(row, "capabilities", listed(row.capabilities))]
            for row in compat.locks.values()]  # fmt: skip


def rule_rows(compat: Any) -> list[list[str]]:
    """The rules."""
    return [[f"`{row.id}`", row.harm + "s" if row.harm == "refuse" and row.sure() else "warns", row.why]
            for row in compat.rules.values()]  # fmt: skip


def source_rows(compat: Any) -> list[list[str]]:
    """Where it was read."""
    return [[f"`{key}`", f"[{row.title}]({row.at})" if row.at else row.title] for key, row in compat.sources.items()]


def page() -> str:
    """The whole page."""
    compat = facts()
    listing = importlib.import_module("_stack.listing")
    matrix_head, matrix = compat_rows(compat)
    parts = [
        "# What goes with what", NOTE, HEAD.format(date=compat.date),
        "## Driver branches",
        table(["Branch", "Class", "Fixes until", "Newest release", "CUDA", "Kernel modules"],
              listing.branch_rows(compat)),
        "## CUDA toolkits",
        table(["Toolkit", "Newest release", "Branch with all features", "Lowest driver", "Builds for"],
              listing.toolkit_rows(compat)),
        PARTIAL,
        "### cuda-compat on an older driver", table(matrix_head, matrix),
        "## GPUs",
        table(["Generation", "Driver branches", "Kernel modules", "Toolkits", "Products"],
              listing.generation_rows(compat)),
        "### By PCI id",
        table(["GPU", "`10de:`", "Generation", "Compute capability", "Form", "Needs driver"], gpu_rows(compat)),
        "## Distributions",
        table(["Name", "Comes with", "Driver branches in its archive", "Oldest toolkit in NVIDIA's repository",
               "Documented for"], distribution_rows(compat)),
        "## What must have the driver's version", table(["Package", "From branch", "Called"], part_rows(compat)),
        "## Components and versions to avoid", table(["What", "Versions", "Why"], component_rows(compat)),
        "## Packages, parameters and GPUs to look twice at", table(["What", "Why", "Instead"], trap_rows(compat)),
        "## Locked Python environments",
        table(["Environment", "torch", "CUDA", "glibc", "Machine code for"], lock_rows(compat)),
        "## Rules",
        "A rule refuses only where every fact that it looks at is certain.",
        table(["Rule", "At most", "Why"], rule_rows(compat)),
        "## Sources", table(["Key", "Where"], source_rows(compat)),
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in parts) + "\n"
