# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Rules about the driver by itself, and about the driver and the GPUs."""

from __future__ import annotations

from functools import lru_cache
from typing import Iterator

from .case import Case, Finding, has_ended, join
from .gpus import Gpu
from .model import Branch, Compat, Generation
from .rules_bad import bad
from .versions import branch_of, order

_OTHER = {"open": "proprietary", "proprietary": "open"}


def lifecycle(case: Case) -> Iterator[Finding]:
    """Whether there is such a driver, and for how long it gets fixes."""
    if not case.has_driver:
        return
    choice, branch = case.choice, case.branch
    wanted = case.request.branch
    if wanted and wanted != choice.branch:
        yield case.say(
            "branch-mismatch", f"driver {case.driver} is of branch {choice.branch}, and branch {wanted} is asked for",
            "keep one of the two",
        )  # fmt: skip
    if branch is None:
        yield case.say(
            "branch-unknown", f"there is no driver branch {choice.branch} in the facts of {case.compat.date}",
            "check the number; if it is real, add the branch in a file of your own, or allow what is unknown",
        )  # fmt: skip
        return
    if not choice.driver and (branch.newest is None or case.request.origin == "nvidia"):
        yield case.say(
            "release-none", f"branch {branch.id} has no release that is known", "take another branch", branch
        )
    elif choice.driver:
        yield from _release(case, branch, choice.driver)
        yield from bad(case, "driver", choice.driver, "driver", "take another release of the branch")
    if has_ended(branch, case.today):
        yield case.say(
            "branch-ended", f"branch {branch.id} ended in {branch.eol}",
            "plan to move to a branch that gets fixes", (branch, "eol"),
        )  # fmt: skip
    if branch.kind in ("unknown", "developer"):
        kind = "is for developers of CUDA's next release" if branch.kind == "developer" else "has no known class or end"
        yield case.say("driver-class", f"branch {branch.id} {kind}", "for production take a production or LTS branch")


def _release(case: Case, branch: Branch, driver: str) -> Iterator[Finding]:
    if driver in (*branch.releases, branch.newest):
        return
    if branch.newest is None or order(driver) > order(branch.newest):
        yield case.say(
            "release-unknown", f"driver {driver} is newer than the facts of {case.compat.date} "
            f"({branch.newest or 'none'} in branch {branch.id})",
            "lay NVIDIA's releases.json or a file of your own over the facts, or allow what is unknown",
        )  # fmt: skip
    else:
        yield case.say(
            "release-unlisted", f"driver {driver} is not among the known releases of branch {branch.id}",
            f"the repository decides whether it exists; the newest known one is {branch.newest}",
        )  # fmt: skip


def modules(case: Case) -> Iterator[Finding]:
    """Whether the kernel module exists as a package."""
    branch, flavour = case.branch, case.choice.flavour
    if branch is not None and flavour not in branch.modules:
        yield case.say(
            "module-not-packaged", f"branch {branch.id} has no packages of the {flavour} kernel module",
            f"set the flavour to {join(branch.modules, 'or')}, or take another branch", (branch, "modules"),
        )  # fmt: skip


def gpu_support(case: Case) -> Iterator[Finding]:
    """Whether the driver and its module drive each GPU."""
    found = list(_apart(case))
    yield from found
    apart = any(item.severity == "refuse" for item in found)
    for gpu in case.gpus:
        yield from _known(case, gpu)
        if gpu.generation is None or not case.has_driver:
            continue
        # Where no module suits all of them and the choice was ours, the one that was tried says nothing.
        if not (apart and case.request.flavour == "auto"):
            yield from _module(case, gpu, gpu.generation)
        yield from _branch(case, gpu, gpu.generation)
        for caution in case.compat.cautions.values():
            if not case.before(caution.first_branch) and {item.id for item in gpu.products} & set(caution.gpus):
                yield case.say(
                    "gpu-caution", f"{gpu.label} with branch {case.choice.branch}",
                    "try it on one node first, or stay below branch " + caution.first_branch, caution, why=caution.why,
                )  # fmt: skip


def _known(case: Case, gpu: Gpu) -> Iterator[Finding]:
    if gpu.generation is not None and (gpu.products or not gpu.is_id):
        return
    if gpu.generation is not None:
        yield case.say(
            "gpu-unlisted", f"GPU {gpu.said} is in no table; by its number it is {_name(gpu.generation)}",
            "add it in a file of your own if you know better",
        )  # fmt: skip
    elif gpu.is_id:
        yield case.say(
            "gpu-unlisted", f"GPU {gpu.said} is in no table, and nothing about it was checked",
            "add it in a file of your own",
        )  # fmt: skip
    else:
        hint = (
            f"did you mean {gpu.near}?"
            if gpu.near
            else "name a product (H100), a generation (hopper) or a PCI id (10de:2330)"
        )
        yield case.say("gpu-unknown", f'"{gpu.said}" is no GPU that is known', hint)


def _name(generation: Generation) -> str:
    return generation.id.replace("_", " ").title()


def _module(case: Case, gpu: Gpu, generation: Generation) -> Iterator[Finding]:
    flavour = case.choice.flavour
    basis = (gpu.basis,) if gpu.basis is not None else ()
    if flavour not in generation.modules:
        rule = "open-impossible" if flavour == "open" else "open-required"
        yield case.say(
            rule, f"{gpu.label} ({_name(generation)}) does not work with the {flavour} kernel module",
            f"set the flavour to {_OTHER[flavour]}", (generation, "modules"), *basis,
        )  # fmt: skip
    elif flavour == "open" and case.before(generation.open_from) and not case.before(generation.first_branch):
        yield case.say(
            "open-too-early", f"{gpu.label} works with the open kernel module from branch {generation.open_from} on, "
            f"not with {case.choice.branch}", "take a later branch, or the proprietary module",
            (generation, "open_from"), *basis,
        )  # fmt: skip


def _branch(case: Case, gpu: Gpu, generation: Generation) -> Iterator[Finding]:
    basis = (gpu.basis,) if gpu.basis is not None else ()
    last = generation.last_branch
    if last is not None and int(case.choice.branch) > int(last):
        yield case.say(
            "branch-too-new", f"driver {case.driver} no longer drives {gpu.label} ({_name(generation)})",
            f"{last} is the last branch that does", (generation, "last_branch"), *basis,
        )  # fmt: skip
    first = generation.first_branch
    if case.before(first):
        yield case.say(
            "branch-too-old", f"driver {case.driver} does not know {gpu.label} ({_name(generation)}) yet",
            f"{first} is the first branch that does", (generation, "first_branch"), *basis,
        )  # fmt: skip
        return
    # Where the words fit several products, the least demanding one decides.
    firsts = [product.first_branch for product in gpu.products]
    if firsts and all(case.before(item) for item in firsts):
        product = min(gpu.products, key=lambda item: int(item.first_branch or 0))
        yield case.say(
            "branch-too-old", f"driver {case.driver} does not know {gpu.label} yet",
            f"{product.first_branch} is the first branch that does", (product, "first_branch"),
        )  # fmt: skip
    needs = [product for product in gpu.products if product.first_driver and case.older(product.first_driver)]
    if needs and len(needs) == len(gpu.products):
        product = min(needs, key=lambda item: order(item.first_driver or "0"))
        yield case.say(
            "release-too-old", f"{gpu.label} needs driver {product.first_driver} or newer, not {case.driver}",
            f"take {product.first_driver} or newer, or a branch after {branch_of(product.first_driver or '')}",
            (product, "first_driver"),
        )  # fmt: skip


def _apart(case: Case) -> Iterator[Finding]:
    """Two GPUs that no branch and module drive together."""
    if not case.has_driver:
        return
    told = set()
    known = [gpu for gpu in case.gpus if gpu.generation is not None]
    for index, one in enumerate(known):
        for other in known[index + 1 :]:
            a, b = one.generation, other.generation
            if a is None or b is None or frozenset((a.id, b.id)) in told or _together(case.compat, a, b):
                continue
            told.add(frozenset((a.id, b.id)))
            basis = [item for gpu in (one, other) for item in [gpu.basis] if item is not None]
            yield case.say(
                "gpus-apart", f"no driver drives {one.label} and {other.label} in one node",
                "put them into different nodes", (a, "last_branch"), (b, "modules"), *basis,
            )  # fmt: skip


@lru_cache(maxsize=256)
def _together(compat: Compat, a: Generation, b: Generation) -> bool:
    def drives(branch: Branch, flavour: str, one: Generation) -> bool:
        low = int(one.first_branch or 0) if flavour == "proprietary" else int(one.open_from or one.first_branch or 0)
        return flavour in one.modules and low <= int(branch.id) <= int(one.last_branch or 999)

    return any(
        drives(branch, flavour, a) and drives(branch, flavour, b)
        for branch in compat.branches.values()
        for flavour in branch.modules
    )


RULES = (lifecycle, modules, gpu_support)
