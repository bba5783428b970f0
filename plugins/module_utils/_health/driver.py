# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``driver``: will the kernel that boots next find a driver that fits its user space?

They read files, so they answer alike for a running node and for an unpacked image. What runs now is driver_live.py.
"""

from __future__ import annotations

import functools
import re
from typing import Callable, Optional

from .. import _dkms
from .._modinfo import ModinfoError
from .dpkg import installed
from .expect import version_matches
from .kernel import boot_kernel, dkms_builds, gpus_on_bus, library, module_info, module_path, version_on_disk
from .machine import Machine
from .model import CRITICAL, WARNING, Check, Outcome, failed, passed, skipped, unknown

_PACKAGE = re.compile(r"(lib)?nvidia-.*|libcuda1")
_NO_KERNEL = "no kernel is installed, see driver.kernel"
_REBUILD = (
    "Install linux-headers of that kernel, then `dkms autoinstall -k KERNEL`; the compiler's words are in make.log "
    "below /var/lib/dkms/nvidia*/."
)
#: How many of the compiler's lines are shown.
_LINES = 4


def why_wanted(machine: Machine) -> Optional[str]:
    """Why this machine should have a driver, or None when nothing says so. Raises OSError."""
    if machine.expect.wants_driver:
        return "expected"
    if any(name.startswith("nvidia") for name in machine.tree.names(_dkms.TREE)):
        return "DKMS source"
    if any(_PACKAGE.fullmatch(name.partition(":")[0]) for name in installed(machine)):
        return "package"
    return "GPU on the bus" if gpus_on_bus(machine) else None


def where_it_matters(ask: Callable[[Machine], Outcome]) -> Callable[[Machine], Outcome]:
    """Skip the check where no driver is meant to be, and in containers, whose kernel is their host's affair."""

    @functools.wraps(ask)
    def asked(machine: Machine) -> Outcome:
        if why_wanted(machine) is None:
            return skipped("no GPU on the bus, no driver package and no expectation of either")
        if machine.tree.is_file("/run/systemd/container"):
            return skipped("a container has no kernel of its own")
        return ask(machine)

    return asked


@where_it_matters
def _kernel(machine: Machine) -> Outcome:
    release = boot_kernel(machine)
    expected = "a kernel in /boot with its modules in /lib/modules"
    return passed(release, expected) if release else failed("none", expected)


@where_it_matters
def _module(machine: Machine) -> Outcome:
    release = boot_kernel(machine)
    if release is None:
        return skipped(_NO_KERNEL)
    expected = f"NVIDIA's module in modules.dep of {release}, built for it"
    path = module_path(machine, release)
    if path is None:
        return failed(f"no NVIDIA module for {release}", expected)
    if not machine.tree.is_file(path):
        return failed(f"{path} is listed but missing", expected, f"`depmod {release}`, then check again.")
    try:
        info = module_info(machine, path)
    except ModinfoError as exc:
        return unknown(str(exc), expected)
    built_for = info.get("vermagic", "").partition(" ")[0]
    if built_for != release:
        return failed(f"{path} was built for {built_for or 'an unnamed kernel'}", expected)
    return passed(f"{path} {info.get('version', 'without version')}", expected)


@where_it_matters
def _built(machine: Machine) -> Outcome:
    release = boot_kernel(machine)
    if release is None:
        return skipped(_NO_KERNEL)
    builds = dkms_builds(machine, release)
    if not builds:
        return skipped("the module does not come from DKMS")
    observed = f"{', '.join(f'{build.name}/{build.version} {build.status}' for build in builds)} for {release}"
    expected = f"installed for {release}"
    # An older version may stay as source; the kernel loads the one that is installed.
    if any(build.status == "installed" for build in builds):
        return passed(observed, expected)
    words = [line.strip() for build in builds for line in build.errors][:_LINES]
    return failed(observed + "".join(f"; {line}" for line in words), expected)


@where_it_matters
def _userland(machine: Machine) -> Outcome:
    expected = "libnvidia-ml of the same version as the module"
    try:
        module = version_on_disk(machine, boot_kernel(machine))
    except ModinfoError as exc:
        return unknown(f"version of the module: {exc}", expected)
    path, version = library(machine)
    if version is None:
        return failed(f"module {module or 'missing'}, no libnvidia-ml.so.1", expected)
    if module != version:
        return failed(f"module {module or 'missing'}, library {version} ({path})", expected)
    return passed(f"both {version}", expected)


@where_it_matters
def _version(machine: Machine) -> Outcome:
    wanted = machine.expect.driver
    if wanted is None:
        return skipped("no driver version is expected")
    try:
        found = version_on_disk(machine, boot_kernel(machine)) or library(machine)[1]
    except ModinfoError as exc:
        return unknown(str(exc), wanted)
    if found is None:
        return failed("no driver", wanted)
    return passed(found, wanted) if version_matches(found, wanted) else failed(found, wanted)


CHECKS = (
    Check("driver.kernel", "a kernel is installed", CRITICAL, "Install the distribution's kernel package.", _kernel),
    Check("driver.module", "the kernel that boots next has NVIDIA's module", CRITICAL, _REBUILD, _module),
    Check("driver.dkms", "DKMS installed the module for the kernel that boots next", CRITICAL, _REBUILD, _built),
    Check(
        "driver.userland",
        "library and module are one version",
        CRITICAL,
        "Install module and user-space packages of one version, then reboot; hold them so that upgrades move both.",
        _userland,
    ),
    Check(
        "driver.version",
        "the driver is the expected one",
        WARNING,
        "Install the expected version, or correct `driver` in /etc/gpuforge/expect.json.",
        _version,
    ),
)
