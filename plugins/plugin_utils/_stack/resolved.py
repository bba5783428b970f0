# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a passed combination comes to: exact versions and packages, in the form that roles and people read.

Packages are written as apt takes them, ``name=version``; a driver's ends in ``-*``, as the packaging number differs
from release to release. Where the archive decides on the version there is none.
"""

from __future__ import annotations

from typing import Any, Dict, List

from .case import Case
from .model import Component, Part
from .precompiled import module_packages
from .request import PARTS
from .rules_cuda import uses_compat
from .rules_parts import component_version
from .rules_place import pin_package
from .versions import minor_of, order


def resolved(case: Case) -> Dict[str, Any]:
    """The whole of it. A component that was not asked for is null."""
    place = case.distribution
    cuda = [_toolkit(case, release) for release in case.choice.releases]
    return {
        "driver": _driver(case),
        "cuda": max(cuda, key=lambda item: order(str(item["version"]))) if cuda else None,
        "toolkits": cuda,
        **{name: _part(case, case.compat.parts[name]) for name in PARTS},
        "fabric_plane": _plane(case),
        **{name: _component(case, row) for name, row in case.compat.components.items()},
        "distribution": None if place is None else {
            "id": place.id, "family": place.family, "repository": case.request.repository or place.repository,
            "key": place.key,
        },
        "gpus": [
            {"said": gpu.said, "name": gpu.label, "generation": gpu.generation.id if gpu.generation else None}
            for gpu in case.gpus
        ],
        "locks": {name: case.compat.locks[name].torch for name in case.request.locks if name in case.compat.locks},
    }  # fmt: skip


def _driver(case: Case) -> Any:
    choice, branch = case.choice, case.branch
    if not case.has_driver:
        return None
    names = _driver_packages(case)
    version = choice.driver
    return {
        "version": version,
        "branch": choice.branch,
        "class": branch.kind if branch else "unknown",
        "eol": branch.eol if branch else "unknown",
        "cuda": branch.cuda if branch else None,
        "flavour": choice.flavour,
        "source": case.request.origin,
        "packages": [f"{name}={version}-*" if version else name for name in names] + _modules(case),
        "pin": (pin_package(case) or None) if case.request.origin == "nvidia" else None,
    }


def _driver_packages(case: Case) -> List[str]:
    family = case.distribution.family if case.distribution is not None else ""
    number = int(case.choice.branch)
    for row in case.compat.driver_packages.values():
        within = int(row.first or 0) <= number <= int(row.last or 999)
        if row.origin == case.request.origin and row.family == family and within:
            names = row.open if case.choice.flavour == "open" else row.proprietary
            return [name.format(branch=case.choice.branch) for name in names]
    return []


def _modules(case: Case) -> List[str]:
    """Precompiled modules. Their version is their kernel's and the driver's both, so none is named."""
    if not case.request.precompiled:
        return []
    kernel = f"linux-image-{case.request.kernel or 'generic'}"
    return module_packages(case.choice.branch, case.choice.flavour, [kernel])


def _toolkit(case: Case, release: str) -> Dict[str, Any]:
    minor = minor_of(release)
    dashed = minor.replace(".", "-")
    packages = [f"cuda-toolkit-{dashed}={release}-*" if release.count(".") == 2 else f"cuda-toolkit-{dashed}"]
    if uses_compat(case, release):
        packages.append(f"cuda-compat-{dashed}")
    return {"version": release, "toolkit": minor, "major": minor.partition(".")[0], "packages": packages}


def _part(case: Case, part: Part) -> Any:
    """What has the driver's version; null where there is no driver, or its branch has no such part."""
    if not case.has_driver or case.before(part.first_branch):
        return None
    named = part.with_branch.format(branch=case.choice.branch)
    # Ubuntu's own archive keeps the branch in the name in every branch; Debian's has none of these.
    plain = case.request.origin == "nvidia" and not case.before(part.unversioned_from)
    name, version = part.package if plain else named, case.choice.driver
    family = case.distribution.family if case.distribution is not None else ""
    shipped = case.request.origin == "nvidia" or family == "ubuntu"
    return {
        "version": version,
        "packages": [f"{name}={version}-*" if version else name] if shipped else [],
        "wanted": case.request.parts.get(part.id, "none") != "none",
    }


def _plane(case: Case) -> List[str]:
    """Packages beside Fabric Manager that the GPUs' boards may need."""
    names: List[str] = []
    for gpu in case.gpus:
        board = case.compat.switch_boards.get(gpu.generation.id) if gpu.generation is not None else None
        if board is not None and (gpu.on_board or not gpu.products):
            names += [name for name in board.plane if name not in names]
    return names


def _component(case: Case, component: Component) -> Any:
    asked = getattr(case.request, component.id)
    if asked in ("", "none"):
        return None
    version = component_version(component, asked)
    majors = cuda_majors(case, component)
    names: List[str] = []
    for package in component.packages:
        if "{major}" in package:
            names += [package.format(major=major) for major in majors]
        else:
            names.append(package)
    return {
        "version": version,
        "cuda_majors": majors,
        "packages": [f"{name}={component.epoch}{version}-1" for name in names],
    }


def cuda_majors(case: Case, component: Component) -> List[str]:
    """The CUDA majors whose packages a component needs: the driver's, and those that some generations need too."""
    majors = set()
    if case.branch is not None and case.branch.cuda is not None:
        majors.add(case.branch.cuda.partition(".")[0])
    here = {gpu.generation.id for gpu in case.gpus if gpu.generation is not None}
    majors |= {major for major, generations in component.also_for.items() if here & set(generations)}
    return sorted(majors, key=int)
