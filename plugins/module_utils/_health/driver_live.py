# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``driver`` about what runs now: the kernel, and NVIDIA's module in it."""

from __future__ import annotations

import re
from typing import Optional

from .._modinfo import ModinfoError
from .driver import where_it_matters
from .kernel import boot_kernel, gpus_on_bus, version_on_disk
from .machine import Machine
from .model import CRITICAL, WARNING, Check, Outcome, failed, passed, skipped, unknown

_RUNNING = "/proc/sys/kernel/osrelease"
_LOADED = "/proc/driver/nvidia/version"
#: "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01  …" and, from the open module, "… Kernel Module for
#: x86_64  595.91.07  …".
_NVRM = re.compile(r"^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s", re.MULTILINE)


def loaded_version(machine: Machine) -> Optional[str]:
    """Version of the module in the running kernel, None when it is not loaded. Raises OSError."""
    if not machine.tree.is_file(_LOADED):
        return None
    found = _NVRM.search(machine.tree.read_text(_LOADED) + "\n")
    if found:
        return found.group(1)
    return machine.tree.read_text("/sys/module/nvidia/version").strip()


@where_it_matters
def _running(machine: Machine) -> Outcome:
    running, installed = machine.tree.read_text(_RUNNING).strip(), boot_kernel(machine)
    if installed is None:
        return skipped("no kernel is installed, see driver.kernel")
    return passed(running, installed) if running == installed else failed(f"running {running}", installed)


@where_it_matters
def _loaded(machine: Machine) -> Outcome:
    loaded = loaded_version(machine)
    if loaded is None:
        if gpus_on_bus(machine):
            return failed("not loaded", "NVIDIA's module loaded", "`modprobe nvidia`, then `dmesg | grep -i nvrm`.")
        return skipped("no GPU on the bus, so the module is not loaded")
    expected = "the version on the disk, of the running kernel"
    try:
        on_disk = version_on_disk(machine, machine.tree.read_text(_RUNNING).strip())
    except (ModinfoError, OSError) as exc:
        return unknown(f"loaded {loaded}; on the disk: {exc}", expected)
    if on_disk != loaded:
        return failed(f"loaded {loaded}, on the disk {on_disk or 'none'}", expected)
    return passed(f"both {loaded}", expected)


CHECKS = (
    Check(
        "driver.running_kernel",
        "the kernel that boots next is the running one",
        WARNING,
        "Reboot when the node is free.",
        _running,
        live=True,
    ),
    Check(
        "driver.loaded",
        "the loaded module is the one on the disk",
        CRITICAL,
        'Drain the node and reboot: until then new programs meet an old module ("Driver/library version mismatch").',
        _loaded,
        live=True,
    ),
)
