# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A driver that no package brought: NVIDIA's .run installer. Its files and a package's overwrite one another.

The installer leaves ``nvidia-uninstall`` (a link to itself) in /usr/bin, and libraries that carry the driver's version
in their names. Either tells; the libraries count where no package owns them. Reads files only, below any root.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Set

from ._rootfs import inside, names, read_text

_INFO = "/var/lib/dpkg/info"
_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
_LIBRARY = re.compile(r"lib(?:cuda|nvidia-ml)\.so\.(?P<version>\d{3}\.\d+(?:\.\d+)?)")
_UNINSTALLERS = ("/usr/bin/nvidia-uninstall", "/usr/bin/nvidia-installer")
_SLACK = 8 << 20  # bytes of /boot to be left beside a new initramfs


def foreign_driver(root: str = "/") -> Dict[str, Any]:
    """Return ``version``, ``files`` and ``remove`` (a command) of a driver that no package brought; {} for none."""
    suspects = [path for path in _UNINSTALLERS if os.path.lexists(_at(root, path))]
    for folder in _FOLDERS:
        suspects += ["%s/%s" % (folder, name) for name in names(root, folder) if _LIBRARY.fullmatch(name)]
    strangers = [path for path in suspects if path not in _owned(root, suspects)] if suspects else []
    if not strangers:
        return {}
    found = (_LIBRARY.search(path) for path in strangers)
    version = next((match.group("version") for match in found if match), "")
    tool = next((path for path in strangers if path in _UNINSTALLERS), "")
    if tool:
        remove = "%s --silent" % tool if tool.endswith("uninstall") else "%s --uninstall --silent" % tool
    else:
        remove = "sh NVIDIA-Linux-%s-%s.run --uninstall" % (os.uname().machine, version)
    return {"version": version, "files": strangers, "remove": remove}


def _at(root: str, path: str) -> str:
    folder, _, name = path.rpartition("/")
    return os.path.join(inside(root, folder), name)


def _owned(root: str, paths: List[str]) -> Set[str]:
    """Those of the paths that a package has, /lib and /usr/lib being one folder or two."""
    wanted = {path: path for path in paths}
    wanted.update({path[len("/usr") :]: path for path in paths if path.startswith("/usr/")})
    found: Set[str] = set()
    for name in names(root, _INFO):
        if name.endswith(".list"):
            lines = read_text(root, "%s/%s" % (_INFO, name)).splitlines()
            found.update(wanted[line] for line in lines if line in wanted)
    return found


def boot_space(root: str = "/") -> Dict[str, int]:
    """Return ``free`` and ``needed``, bytes of /boot: a new initramfs is written beside the one that it replaces."""
    folder = inside(root, "/boot")
    images = [name for name in names(root, "/boot") if name.startswith("initrd.img-")]
    sizes = [os.stat(os.path.join(folder, name)).st_size for name in images]
    space = os.statvfs(folder if os.path.isdir(folder) else inside(root, "/"))
    return {"free": space.f_bavail * space.f_frsize, "needed": max(sizes) * 11 // 10 + _SLACK if sizes else 0}
