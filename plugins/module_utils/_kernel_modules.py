# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""NVIDIA's main module of a kernel: where modprobe would take it from, what it says of itself, who signed it."""

from __future__ import annotations

import re
from typing import Callable, Dict, NamedTuple, Optional, Tuple

from ._dkms import MODULES
from ._modinfo import ModinfoError, PackedModule, parse_modinfo, read_module
from ._module_signature import Signature, SignatureError, read_signature
from ._rootfs import inside, read_text

#: The main module: nvidia.ko from NVIDIA and Ubuntu, nvidia-current.ko and nvidia-current-open.ko from Debian,
#: nvidia-tesla-470.ko and the like from Debian's legacy branches. Not nvidia-drm, -modeset, -uvm or -peermem.
_MODULE = re.compile(r"nvidia(-current)?(-open)?(-(tesla|legacy)(-\d+\w*)?)?\.ko(\.\w+)?")
#: Runs a program and gives exit code and output.
Run = Callable[[Tuple[str, ...]], Tuple[int, str]]


class ModuleFile(NamedTuple):
    """What a module's file says: ``info`` is its .modinfo, ``signature`` None where nobody signed it."""

    info: Dict[str, str]
    signature: Optional[Signature]


def listed_module(root: str, release: str) -> Optional[str]:
    """NVIDIA's module as ``modules.dep`` of that kernel lists it: what modprobe would load. Raises OSError."""
    base = "%s/%s" % (MODULES, release)
    for line in read_text(root, base + "/modules.dep").splitlines():
        path = line.partition(":")[0]
        if _MODULE.fullmatch(path.rpartition("/")[2]):
            return path if path.startswith("/") else "%s/%s" % (base, path)
    return None


def read_module_file(root: str, path: str, run: Optional[Run] = None) -> ModuleFile:
    """Read the module. Raises ModinfoError.

    :param run: asks kmod about a module that Python cannot unpack; only right when ``root`` is the running machine.
    """
    try:
        blob = read_module(inside(root, path))
    except PackedModule:
        if run is None:
            raise
        return _ask_kmod(path, run)
    try:
        return ModuleFile(parse_modinfo(blob), read_signature(blob))
    except ModinfoError as exc:
        raise ModinfoError("%s: %s" % (path, exc)) from exc
    except SignatureError as exc:
        raise ModinfoError("%s: its signature cannot be read: %s" % (path, exc)) from exc


def _ask_kmod(path: str, run: Run) -> ModuleFile:
    code, text = run(("modinfo", path))
    if code:
        raise ModinfoError("%s: modinfo ended with %d: %s" % (path, code, text))
    info: Dict[str, str] = {}
    for line in text.splitlines():
        name, sign, value = line.partition(":")
        if sign and re.fullmatch(r"\w+", name):
            info.setdefault(name, value.strip())
    signer = Signature(info["signer"], info.get("sig_key", "")) if "signer" in info else None
    return ModuleFile(info, signer)
