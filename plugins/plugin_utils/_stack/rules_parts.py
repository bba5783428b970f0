# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Rules about what goes round the driver: Fabric Manager and its kin, DCGM, containers, packages, parameters."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Tuple

from .case import Case, Finding
from .model import Board, Component
from .rules_bad import bad
from .versions import leading, order, upstream


def parts(case: Case) -> Iterator[Finding]:
    """What has to have the driver's own version."""
    for name, asked in case.request.parts.items():
        part = case.compat.parts[name]
        if asked == "none":
            continue
        if not case.has_driver:
            yield case.say(
                "part-without-driver", f"{part.package} is asked for without a driver",
                "ask for a driver too (production, lts, or a version), or leave it out", part,
            )  # fmt: skip
            continue
        if asked != "yes" and upstream(asked) != case.driver:
            yield case.say(
                "part-version", f"{part.package} {upstream(asked)} does not go with driver {case.driver}",
                f"take {part.package} {case.driver}", part,
            )  # fmt: skip
        if case.before(part.first_branch):
            yield case.say(
                "part-branch", f"branch {case.choice.branch} has no {part.package}",
                f"it came with branch {part.first_branch}", (part, "first_branch"),
            )  # fmt: skip


def boards(case: Case) -> Iterator[Finding]:
    """Boards with NVSwitches."""
    asked = case.request.parts.get("fabricmanager", "none") != "none"
    found = _boards(case)
    known = bool(case.gpus) and all(gpu.products for gpu in case.gpus)
    if asked and (case.request.switches is False or (known and not found)):
        yield case.say(
            "board-none", "Fabric Manager is asked for, and the node has no NVSwitch",
            "leave it out; racks of GB200 and GB300 need IMEX on their nodes instead",
        )  # fmt: skip
    for label, board in found:
        # Boards of four have the same GPUs and no switch: only a switch that is there makes it certain.
        sure = "refuse" if case.request.switches or asked else "warn"
        if case.before(board.first_branch):
            yield case.say(
                "board-branch", f"the switches beside {label} need branch {board.first_branch} or newer",
                "take a newer driver", (board, "first_branch"), harm=sure,
            )  # fmt: skip
        kernel = _kernel(case)
        if board.kernel is not None and kernel and order(kernel) < order(board.kernel):
            yield case.say(
                "board-kernel", f"the switches beside {label} need kernel {board.kernel} or newer, not {kernel}",
                "take a newer distribution or kernel", (board, "kernel"), harm=sure,
            )  # fmt: skip


def _boards(case: Case) -> List[Tuple[str, Board]]:
    found: Dict[str, Tuple[str, Board]] = {}
    for gpu in case.gpus:
        board = case.compat.switch_boards.get(gpu.generation.id) if gpu.generation is not None else None
        if board is not None and (gpu.on_board or (case.request.switches and not gpu.products)):
            found.setdefault(board.id, (gpu.label, board))
    return list(found.values())


def _kernel(case: Case) -> str:
    """The kernel of the node, or the one that its distribution came with; numbers only."""
    said = re.match(r"\d+(\.\d+)*", case.request.kernel)
    return said[0] if said else case.distribution.kernel if case.distribution is not None else ""


def components(case: Case) -> Iterator[Finding]:
    """DCGM and the container toolkit, where they are asked for."""
    for name, component in case.compat.components.items():
        asked = getattr(case.request, name)
        if asked not in ("", "none"):
            yield from _component(case, component, component_version(component, asked))


def component_version(component: Component, asked: str) -> str:
    """The version that *asked* means, as its packages have it: 4.7.0 for newest, and for 4.7."""
    known = (component.newest, *component.known, component.usable_from)
    version = component.newest if asked == "newest" else upstream(asked)
    return next((item for item in known if order(item) == order(version)), version)


def _component(case: Case, component: Component, version: str) -> Iterator[Finding]:
    label = {"dcgm": "DCGM", "container_toolkit": "container toolkit"}[component.id]
    if order(version) > order(component.newest):
        yield case.say(
            "component-unknown",
            f"{label} {version} is newer than the facts of {case.compat.date} ({component.newest})",
            "add it in a file of your own, or allow what is unknown",
        )  # fmt: skip
    elif order(version) < order(component.usable_from):
        yield case.say(
            "component-old", f"{label} {version} lacks {component.lacking}",
            f"take {component.usable_from} or newer, {component.newest} for instance", (component, "usable_from"),
            harm=component.harm,
        )  # fmt: skip
    elif version not in (*component.known, component.newest, component.usable_from):
        yield case.say(
            "release-unlisted", f"{label} {version} is not among the known versions",
            "the repository decides whether it exists", why="it is older than what is known, and in no list",
        )  # fmt: skip
    yield from bad(case, component.id, version, label, f"take {component.newest}")
    floor = component.floor_driver
    if floor is not None and case.older(floor):
        yield case.say(
            "component-driver", f"{label} needs driver {floor} or newer, not {case.driver}", "take a newer driver",
            (component, "floor_driver"),
        )  # fmt: skip
    place = case.distribution
    if place is not None and not (place.dcgm if component.id == "dcgm" else place.containers):
        yield case.say(
            "component-platform", f"{label} is not documented for {place.id}",
            "see whether the repository has it before you rely on it",
        )  # fmt: skip


def engines(case: Case) -> Iterator[Finding]:
    """Container engines and CDI."""
    for name, version in case.request.engines.items():
        engine = case.compat.engines.get(name)
        if engine is not None and order(leading(version)) < order(engine.first_version):
            yield case.say(
                "engine-old", f"{name} {leading(version)} does not read CDI 0.7",
                f"take {engine.first_version} or newer, or generate the specification without additional group ids",
                engine,
            )  # fmt: skip


def packages(case: Case) -> Iterator[Finding]:
    """Packages that were asked for by name."""
    for package in case.request.packages:
        for trap in case.compat.package_traps.values():
            if trap.origin in (None, case.request.origin) and re.fullmatch(trap.match, package):
                yield case.say("package-trap", f"package {package}", f"instead: {trap.instead}", trap, why=trap.why)


def parameters(case: Case) -> Iterator[Finding]:
    """Parameters of the kernel module."""
    if not case.has_driver:
        return
    for name in case.request.module_options:
        row = case.compat.module_parameters.get(name)
        if row is None:
            continue
        if case.before(row.first_branch):
            yield case.say(
                "parameter-unknown", f"{name} came with branch {row.first_branch}, and the driver is {case.driver}",
                "leave it out, or take a newer driver", (row, "first_branch"),
            )  # fmt: skip
        if row.module is not None and row.module != case.choice.flavour:
            yield case.say(
                "parameter-unknown", f"{name} is heeded by the {row.module} kernel module only", "leave it out",
                (row, "module"),
            )  # fmt: skip


RULES = (parts, boards, components, engines, packages, parameters)
