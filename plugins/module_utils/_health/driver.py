# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``driver``: will the kernel that boots next find a driver that fits its user space?

They read files, so they answer alike for a running node and for an unpacked image. What runs now is driver_live.py.
"""

from __future__ import annotations

import re
from typing import Optional

from .dpkg import installed
from .expect import version_matches
from .kernel import (
    DKMS,
    dkms_modules,
    gpus_on_bus,
    library,
    module_info,
    module_path,
    newest_kernel,
)
from .machine import Machine
from .model import CRITICAL, WARNING, Check, Outcome, failed, passed, skipped, unknown
from .modinfo import ModinfoError

_PACKAGE = re.compile(r"(lib)?nvidia-.*|libcuda1")
_NOT_WANTED = "no GPU on the bus, no driver package and no expectation of either"
_REBUILD = (
    "`apt-get install linux-headers-KERNEL` for that kernel, then `dkms autoinstall -k KERNEL`; the compiler's words "
    "are in /var/lib/dkms/nvidia*/*/build/make.log."
)


def why_wanted(machine: Machine) -> Optional[str]:
    """Why this machine should have a driver, or None when nothing says so."""
    if machine.expect.wants_driver:
        return "expected"
    if any(name.startswith("nvidia") for name in machine.tree.names(DKMS)):
        return "DKMS source"
    if any(_PACKAGE.fullmatch(name.partition(":")[0]) for name in installed(machine)):
        return "package"
    return "GPU on the bus" if gpus_on_bus(machine) else None


def beside_the_point(machine: Machine) -> Optional[Outcome]:
    """The outcome when there is nothing to ask, None when there is."""
    if why_wanted(machine) is None:
        return skipped(_NOT_WANTED)
    if machine.tree.is_file("/run/systemd/container"):
        return skipped("a container has no kernel of its own")
    return None


def _kernel(machine: Machine) -> Outcome:
    beside = beside_the_point(machine)
    if beside:
        return beside
    release = newest_kernel(machine)
    expected = "a kernel with its modules in /lib/modules"
    return passed(release, expected) if release else failed("none", expected)


def _module(machine: Machine) -> Outcome:
    beside = beside_the_point(machine)
    if beside:
        return beside
    release = newest_kernel(machine)
    if release is None:
        return skipped("no kernel is installed, see driver.kernel")
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


def _dkms(machine: Machine) -> Outcome:
    beside = beside_the_point(machine)
    if beside:
        return beside
    release = newest_kernel(machine)
    if release is None:
        return skipped("no kernel is installed, see driver.kernel")
    modules = dkms_modules(machine, release)
    if not modules:
        return skipped("the module does not come from DKMS")
    expected = f"installed for {release}"
    observed = ", ".join(f"{item.name}/{item.version} {item.state}" for item in modules)
    # An older version may stay in the tree as source; one installed version is what the kernel loads.
    return (
        passed(observed, expected)
        if any(item.state == "installed" for item in modules)
        else failed(f"{observed} for {release}", expected)
    )


def on_disk_version(machine: Machine, release: Optional[str]) -> Optional[str]:
    """Version of NVIDIA's module for a kernel, None when there is no module. Raises ModinfoError."""
    path = module_path(machine, release) if release else None
    return module_info(machine, path).get("version") if path else None


def _userland(machine: Machine) -> Outcome:
    beside = beside_the_point(machine)
    if beside:
        return beside
    expected = "libnvidia-ml of the same version as the module"
    try:
        module = on_disk_version(machine, newest_kernel(machine))
    except (ModinfoError, OSError) as exc:
        return unknown(f"version of the module: {exc}", expected)
    path, version = library(machine)
    if module is None and version is None:
        return failed("neither module nor library", expected)
    if version is None:
        return failed(f"module {module}, no libnvidia-ml.so.1", expected)
    if module != version:
        return failed(f"module {module or 'missing'}, library {version} ({path})", expected)
    return passed(f"both {version}", expected)


def _version(machine: Machine) -> Outcome:
    wanted = machine.expect.driver
    if wanted is None:
        return skipped("no driver version is expected")
    try:
        found = on_disk_version(machine, newest_kernel(machine)) or library(machine)[1]
    except (ModinfoError, OSError) as exc:
        return unknown(str(exc), wanted)
    if found is None:
        return failed("no driver", wanted)
    return passed(found, wanted) if version_matches(found, wanted) else failed(found, wanted)


CHECKS = (
    Check("driver.kernel", "a kernel is installed", CRITICAL, "Install the distribution's kernel package.", _kernel),
    Check("driver.module", "the newest kernel has NVIDIA's module", CRITICAL, _REBUILD, _module),
    Check("driver.dkms", "DKMS installed the module for the newest kernel", CRITICAL, _REBUILD, _dkms),
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
