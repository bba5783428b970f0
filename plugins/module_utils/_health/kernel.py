# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Finds the installed kernels, NVIDIA's module for one of them, its DKMS state and the driver's user-space library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from .machine import Machine
from .modinfo import read_modinfo
from .versions import newest

#: The main module: nvidia.ko from NVIDIA and Ubuntu, nvidia-current.ko and nvidia-current-open.ko from Debian,
#: nvidia-tesla-470.ko and the like from Debian's legacy branches. Not nvidia-drm, -modeset, -uvm or -peermem.
_MODULE = re.compile(r"nvidia(-current)?(-open)?(-(tesla|legacy)(-\d+\w*)?)?\.ko(\.\w+)?")
#: NVIDIA's management library, which nvidia-smi, DCGM and this program's facts go through.
LIBRARY = "libnvidia-ml.so"
_LIBRARY_FOLDERS = ("/usr/lib/*-linux-gnu*", "/usr/lib64", "/usr/lib", "/usr/local/lib")
DKMS = "/var/lib/dkms"


def kernels(machine: Machine) -> List[str]:
    """Releases of the kernels that have modules of their own; a folder that only DKMS left behind is none."""
    return [name for name in machine.tree.names("/lib/modules") if machine.tree.is_dir(f"/lib/modules/{name}/kernel")]


def newest_kernel(machine: Machine) -> Optional[str]:
    """The kernel that the boot loader starts next: the newest installed one, whatever runs now."""
    return newest(kernels(machine))


def module_path(machine: Machine, release: str) -> Optional[str]:
    """NVIDIA's module as ``modules.dep`` of that kernel lists it: what modprobe would load.

    Raises OSError when modules.dep cannot be read.
    """
    base = f"/lib/modules/{release}"
    for line in machine.tree.read_text(f"{base}/modules.dep").splitlines():
        path = line.partition(":")[0]
        if _MODULE.fullmatch(path.rpartition("/")[2]):
            return path if path.startswith("/") else f"{base}/{path}"
    return None


def module_info(machine: Machine, path: str) -> Dict[str, str]:
    """What that module says about itself; read once. Raises ModinfoError."""
    info: Dict[str, str] = machine.once("modinfo " + path, lambda: read_modinfo(machine.tree.host(path), machine.run))
    return info


@dataclass(frozen=True)
class DkmsModule:
    """One NVIDIA source tree in DKMS and how far it got for one kernel: added, built or installed."""

    name: str
    version: str
    state: str


def dkms_modules(machine: Machine, release: str) -> List[DkmsModule]:
    """NVIDIA's modules in DKMS and their state for that kernel, as ``dkms status`` would say it.

    DKMS keeps a build in NAME/VERSION/KERNEL/ARCH/module and marks it installed by the link NAME/kernel-KERNEL-ARCH
    to that folder (is_module_built and _is_module_installed in dkms).
    """
    tree = machine.tree
    found = []
    for name in (name for name in tree.names(DKMS) if name.startswith("nvidia")):
        linked = {tree.real(link) for link in tree.glob(f"{DKMS}/{name}/kernel-{release}-*") if tree.is_link(link)}
        for version in tree.names(f"{DKMS}/{name}"):
            base = f"{DKMS}/{name}/{version}"
            if tree.is_link(base) or not tree.exists(f"{base}/source"):
                continue
            built = [folder for folder in tree.glob(f"{base}/{release}/*") if tree.glob(f"{folder}/module/*.ko*")]
            state = "installed" if linked.intersection(built) else "built" if built else "added"
            found.append(DkmsModule(name, version, state))
    return found


def library(machine: Machine) -> Tuple[Optional[str], Optional[str]]:
    """Path and version of the management library that the loader finds: (None, None) when there is none.

    The version is in the name of the file behind ``libnvidia-ml.so.1``.
    """
    tree = machine.tree
    for folder in _LIBRARY_FOLDERS:
        for link in tree.glob(f"{folder}/{LIBRARY}.1"):
            real = tree.real(link)
            version = real.rpartition(LIBRARY + ".")[2]
            if tree.is_file(real) and version != real:
                return real, version
    return None, None


def gpus_on_bus(machine: Machine) -> List[str]:
    """PCI addresses of NVIDIA display controllers, straight from sysfs: there whether or not a driver is.

    Vendor 10de is NVIDIA; class 03 is "display controller" (PCI code and ID assignment specification), which leaves
    out NVSwitches and the audio and USB functions of graphics cards.
    """
    tree = machine.tree
    found = []
    for device in tree.glob("/sys/bus/pci/devices/*"):
        if not (tree.is_file(f"{device}/vendor") and tree.is_file(f"{device}/class")):
            continue
        vendor, kind = tree.read_text(f"{device}/vendor").strip(), tree.read_text(f"{device}/class").strip()
        if vendor == "0x10de" and kind.startswith("0x03"):
            found.append(device.rpartition("/")[2])
    return found
