# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Finds the kernel that boots next, NVIDIA's module for it, and the driver's user-space library."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from .. import _dkms, _kernel_guard_tree
from .._kernel_modules import listed_module
from .._modinfo import ModinfoError, PackedModule, parse_pairs, read_modinfo
from .._pci import read_pci
from .._sysfs import Tree as SysTree
from .machine import Machine, ProgramError

#: NVIDIA's management library, which nvidia-smi, DCGM and this program's facts go through.
LIBRARY = "libnvidia-ml.so"
_LIBRARY_FOLDERS = ("/usr/lib/*-linux-gnu*", "/usr/lib64", "/usr/lib", "/usr/local/lib")


def boot_kernel(machine: Machine) -> Optional[str]:
    """The kernel that the boot loader starts next, whatever runs now: its default, else the newest installed one."""
    return _kernel_guard_tree.boot_kernel(machine.tree.root) or None


def module_path(machine: Machine, release: str) -> Optional[str]:
    """NVIDIA's module as ``modules.dep`` of that kernel lists it: what modprobe would load.

    Raises OSError when modules.dep cannot be read.
    """
    return listed_module(machine.tree.root, release)


def module_info(machine: Machine, path: str) -> Dict[str, str]:
    """What that module says about itself; read once. Raises ModinfoError."""
    info: Dict[str, str] = machine.once("modinfo " + path, lambda: _read_info(machine, machine.tree.host(path)))
    return info


def _read_info(machine: Machine, path: str) -> Dict[str, str]:
    try:
        return read_modinfo(path)
    except PackedModule:
        return _ask_kmod(machine, path)


def _ask_kmod(machine: Machine, path: str) -> Dict[str, str]:
    """As `read_modinfo`, from kmod's program, which prints the section as it is when told to end fields with NUL."""
    try:
        ran = machine.run(["modinfo", "-0", path])
    except ProgramError as exc:
        raise ModinfoError(f"{path}: {exc}") from exc
    if ran.code:
        raise ModinfoError(f"{path}: modinfo ended with {ran.code}: {ran.err.strip()}")
    return parse_pairs(ran.out.encode())


def version_on_disk(machine: Machine, release: Optional[str]) -> Optional[str]:
    """Version of NVIDIA's module for a kernel, None when there is no module. Raises ModinfoError and OSError."""
    path = module_path(machine, release) if release else None
    return module_info(machine, path).get("version") if path else None


def dkms_builds(machine: Machine, release: str) -> List[_dkms.Build]:
    """What DKMS has of NVIDIA's modules for that kernel."""
    return [
        build
        for build in _dkms.builds(machine.tree.root)
        if build.kernel == release and build.name.startswith("nvidia")
    ]


def library(machine: Machine) -> Tuple[Optional[str], Optional[str]]:
    """Path and version of the management library that the loader finds: (None, None) when there is none.

    The version is in the name of the file behind ``libnvidia-ml.so.1``.
    """
    tree = machine.tree
    for folder in _LIBRARY_FOLDERS:
        for link in tree.glob(f"{folder}/{LIBRARY}.1"):
            real = tree.real(link)
            version = real.rpartition(LIBRARY + ".")[2]
            if tree.is_file(real) and version not in (real, "1"):
                return real, version
    return None, None


def gpus_on_bus(machine: Machine) -> List[str]:
    """PCI addresses of NVIDIA GPUs, straight from sysfs: there whether or not a driver is."""
    found: List[str] = machine.once(
        "bus", lambda: [device.address for device in read_pci(SysTree(machine.tree.root)) if device.is_gpu]
    )
    return found
