# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Rules about CUDA toolkits: driver, GPUs, compiler, repository, compatibility package; and the locked environments."""

from __future__ import annotations

from typing import Iterator, Optional

from .case import Case, Finding, join
from .model import Toolkit
from .rules_bad import bad
from .versions import minor_of, order


def toolkits(case: Case) -> Iterator[Finding]:
    """Every toolkit of the choice."""
    if case.choice.releases and not case.has_driver:
        yield case.say(
            "toolkit-without-driver", f"CUDA {join(case.choice.releases)} is asked for without a driver",
            "ask for a driver too (production, lts, or a version)",
        )  # fmt: skip
    for release in case.choice.releases:
        toolkit = case.compat.toolkits.get(minor_of(release))
        if toolkit is None or release not in toolkit.releases:
            yield _unknown(case, release, toolkit)
        yield from _driver(case, release, toolkit)
        yield from _gpus(case, release)
        if toolkit is not None:
            yield from _place(case, toolkit)
        yield from bad(case, "cuda", release, "CUDA", "take another release of the toolkit")


def _unknown(case: Case, release: str, toolkit: Optional[Toolkit]) -> Finding:
    if toolkit is not None:
        known = join(sorted(toolkit.releases, key=order))
        return case.say("toolkit-unknown", f"CUDA {release} is no known release", f"known of {toolkit.id}: {known}")
    newest = max(case.compat.toolkits, key=order)
    return case.say(
        "toolkit-unknown", f"there is no CUDA toolkit {release} in the facts of {case.compat.date}",
        f"the newest known one is {newest}; add a newer one in a file of your own, or allow what is unknown",
    )  # fmt: skip


def native_driver(toolkit: Toolkit, release: str) -> str:
    """The driver with all features of a release: its own, or the toolkit's branch."""
    return toolkit.releases.get(release) or toolkit.branch


def _driver(case: Case, release: str, toolkit: Optional[Toolkit]) -> Iterator[Finding]:
    if not case.has_driver:
        return
    if case.request.cuda_compat:
        yield from _compat(case, release)
        return
    family = case.compat.cuda_families.get(release.partition(".")[0])
    if family is not None and case.older(family.floor):
        yield case.say(
            "toolkit-floor", f"CUDA {release} needs driver {family.floor} or newer, not {case.driver}",
            f"take driver {family.floor} or newer, an older toolkit, or the package cuda-compat on a data centre GPU",
            (family, "floor"),
        )  # fmt: skip
    elif toolkit is not None and case.older(native_driver(toolkit, release)):
        yield case.say(
            "toolkit-partial", f"CUDA {release} belongs to driver {native_driver(toolkit, release)}, and {case.driver} "
            "is older", f"for all its features take branch {toolkit.branch} or newer", (toolkit, "releases"),
        )  # fmt: skip


def uses_compat(case: Case, release: str) -> bool:
    """Whether the package cuda-compat serves *release* on the choice's driver."""
    row = case.compat.forward_compat.get(minor_of(release))
    return case.request.cuda_compat and row is not None and case.choice.branch in row.useful


def _compat(case: Case, release: str) -> Iterator[Finding]:
    minor, branch = minor_of(release), case.choice.branch
    row = case.compat.forward_compat.get(minor)
    package = f"cuda-compat-{minor.replace('.', '-')}"
    if row is None:
        yield case.say(
            "compat-broken", f"{package} is not in NVIDIA's table", "take a driver that runs the toolkit itself"
        )
    elif branch in row.useful:
        facts = case.branch
        if facts is not None and facts.kind == "new_feature":
            yield case.say(
                "compat-broken", f"{package} on branch {branch}", "take a production or LTS branch", row,
                (facts, "class"),
                why="the table has this branch, and the text beside it says that new feature branches are no target",
                harm="warn",
            )  # fmt: skip
    elif branch not in row.needless:
        broken = "is older than driver" if branch in row.broken else "is not made for driver"
        yield case.say("compat-broken", f"{package} {broken} {case.driver}", "leave the package out", row)


def _gpus(case: Case, release: str) -> Iterator[Finding]:
    major = release.partition(".")[0]
    for gpu in case.gpus:
        generation = gpu.generation
        if generation is None:
            continue
        basis = (gpu.basis,) if gpu.basis is not None else ()
        if generation.last_major is not None and int(major) > int(generation.last_major):
            yield case.say(
                "toolkit-gpu", f"CUDA {release} builds nothing for {gpu.label}",
                f"take CUDA {generation.last_major}.x", (generation, "last_major"), *basis,
            )  # fmt: skip
        elif order(release) < order(generation.first_toolkit):
            yield case.say(
                "toolkit-gpu", f"CUDA {release} does not know {gpu.label} yet",
                f"take CUDA {generation.first_toolkit} or newer", (generation, "first_toolkit"), *basis,
            )  # fmt: skip


def _place(case: Case, toolkit: Toolkit) -> Iterator[Finding]:
    place = case.distribution
    if place is None:
        return
    if place.gcc > toolkit.gcc:
        yield case.say(
            "toolkit-gcc",
            f"nvcc of CUDA {toolkit.id} takes gcc up to {toolkit.gcc}, and {place.id} has gcc {place.gcc}",
            f"install gcc-{toolkit.gcc} beside it for nvcc, or take a newer toolkit", (toolkit, "gcc"), (place, "gcc"),
        )  # fmt: skip
    oldest = place.oldest_toolkit
    if case.request.origin == "nvidia" and oldest is not None and order(toolkit.id) < order(oldest):
        yield case.say(
            "toolkit-repository", f"NVIDIA's repository for {place.id} seems to begin with CUDA {oldest}",
            "see `apt-cache policy`, or take a newer toolkit", (place, "oldest_toolkit"),
        )  # fmt: skip


def locks(case: Case) -> Iterator[Finding]:
    """Locked Python environments: their CUDA, their machine code, their C library."""
    for name in case.request.locks:
        lock = case.compat.locks.get(name)
        if lock is None:
            known = join(list(case.compat.locks))
            yield case.say("lock-unknown", f"there is no locked environment {name}", f"known: {known}")
            continue
        family = case.compat.cuda_families.get(lock.cuda.partition(".")[0])
        if family is not None and case.older(family.floor):
            yield case.say(
                "lock-driver", f"environment {name} (torch {lock.torch}, CUDA {lock.cuda}) needs driver {family.floor} "
                f"or newer, not {case.driver}", f"take driver {family.floor} or newer, or a lock with an older CUDA",
                (lock, "cuda"), (family, "floor"),
            )  # fmt: skip
        for gpu in case.gpus:
            capabilities = [item.capability for item in gpu.products] or list(
                gpu.generation.capabilities if gpu.generation else ()
            )
            if capabilities and not any(_runs(lock.capabilities, item) for item in capabilities):
                basis = (gpu.basis,) if gpu.basis is not None else ()
                yield case.say(
                    "lock-gpu", f"environment {name} (torch {lock.torch}) has no machine code for {gpu.label}",
                    "make a lock with an older torch for it", (lock, "capabilities"), *basis,
                )  # fmt: skip
        place = case.distribution
        if place is not None and order(place.glibc) < order(lock.glibc):
            yield case.say(
                "lock-glibc", f"environment {name} needs glibc {lock.glibc}, and {place.id} has {place.glibc}",
                "take a newer distribution", (lock, "glibc"), (place, "glibc"),
            )  # fmt: skip


def _runs(built: object, capability: str) -> bool:
    """Machine code runs on its own capability and on higher minor ones of the same major."""
    major, _, minor = capability.partition(".")
    pairs = (item.split(".") for item in built) if isinstance(built, tuple) else ()
    return any(pair[0] == major and int(pair[1]) <= int(minor) for pair in pairs)


RULES = (toolkits, locks)
