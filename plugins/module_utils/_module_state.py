# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What the newest kernel's module says about itself, and whether each initramfs has the module's settings.

The programs of the system are asked, because they know every way in which modules and images are packed.
"""

from __future__ import annotations

import os
import re
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ._rootfs import inside, names

#: Runs a program; exit status and output.
Run = Callable[[Sequence[str]], Tuple[int, str]]
_IMAGE = "initrd.img-"


def module_state(run: Run, root: str, kernel: str, name: str) -> Dict[str, Any]:
    """``version`` and ``parameters`` of a module as the kernel would load it, ``error`` where there is none."""
    below = ("-b", root) if root != "/" else ()
    code, text = run(("modinfo", *below, "-k", kernel, name))
    version = re.search(r"^version:\s+(\S+)$", text, re.MULTILINE)
    return {
        "version": version.group(1) if version and not code else "",
        "parameters": sorted(re.findall(r"^parm:\s+(\w+):", text, re.MULTILINE)) if not code else [],
        "error": text.strip() if code else "",
    }


def initramfs_state(run: Run, root: str, settings: str) -> List[Dict[str, Any]]:
    """Each image in /boot, and why it does not have the file ``settings`` as it is now; ``odd`` is "" where it does."""
    found = []
    there = inside(root, settings)
    for name in sorted(entry for entry in names(root, "/boot") if entry.startswith(_IMAGE)):
        path = inside(root, "/boot/" + name)
        found.append({"path": "/boot/" + name, "odd": _oddness(run, path, there, settings)})
    return found


def _oddness(run: Run, image: str, there: str, settings: str) -> str:
    if not os.path.exists(there):
        return "%s is not there" % settings
    if os.stat(there).st_mtime > os.stat(image).st_mtime:
        return "it was made before %s" % settings
    code, text = run(("lsinitramfs", image))
    if code:
        return "lsinitramfs cannot read it: %s" % "; ".join(text.splitlines()[-3:])
    return "" if settings.lstrip("/") in text.splitlines() else "%s is not in it" % settings
