# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Canonical's precompiled kernel modules: which packages hold the driver's module for the kernels of an Ubuntu machine.

They are built and signed by Canonical for each kernel of the archive, so that nothing is compiled on the machine and no
key has to be enrolled. Names as in Ubuntu's archive (22.04 and 24.04):
``linux-modules-nvidia-BRANCH-server[-open]-FLAVOUR`` follows the kernel's meta package ``linux-image-FLAVOUR``, and
``linux-modules-nvidia-BRANCH-server[-open]-RELEASE`` is for one kernel.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Set

#: A kernel package: with a release (6.8.0-45-generic) it is one kernel, without it follows the archive's newest.
_IMAGE = re.compile(r"linux-image-(?:unsigned-)?(?P<kernel>(?P<version>\d+\.\d+\.\d+-\d+-)?[a-z][a-z0-9.-]*)")
_NOT_IMAGES = ("extra", "uc-")


def kernels_to_follow(installed: Iterable[str]) -> List[str]:
    """What the modules' packages are named after: flavours (generic-hwe-24.04) of the installed kernels' meta packages,
    else the kernels' own releases (6.8.0-45-generic).

    A meta package counts before the kernels that it brought: its modules' package brings those of the next kernel too.
    """
    flavours: Set[str] = set()
    releases: Set[str] = set()
    for name in installed:
        match = _IMAGE.fullmatch(name)
        if match is None or match["kernel"].startswith(_NOT_IMAGES) or match["kernel"].endswith("-dbgsym"):
            continue
        (releases if match["version"] else flavours).add(match["kernel"])
    # generic-hwe-24.04 follows kernels that are named …-generic.
    followed = {flavour.partition("-hwe-")[0] for flavour in flavours}
    alone = {release for release in releases if re.sub(r"^[\d.]+-\d+-", "", release) not in followed}
    return sorted(flavours) + sorted(alone)


def module_packages(branch: str, flavour: str, installed: Iterable[str]) -> List[str]:
    """The packages with the modules of a driver branch for the installed kernels.

    :param branch: such as "580".
    :param flavour: open or proprietary.
    :param installed: names of the installed packages.
    """
    middle = "-open" if flavour == "open" else ""
    return [f"linux-modules-nvidia-{branch}-server{middle}-{kernel}" for kernel in kernels_to_follow(installed)]


def userland_packages(branch: str, flavour: str) -> List[str]:
    """The packages beside them that a compute node needs; none of them builds a module."""
    middle = "-open" if flavour == "open" else ""
    return [f"nvidia-headless-no-dkms-{branch}-server{middle}", f"nvidia-utils-{branch}-server"]
