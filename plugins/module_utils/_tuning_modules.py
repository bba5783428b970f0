"""Kernel modules a key needs: loaded, available, or not part of this kernel."""

from __future__ import annotations

import re
from typing import List

from ._machine import Host


def _plain(name: str) -> str:
    return name.replace("-", "_")


def loaded(host: Host, name: str) -> bool:
    """True if the module is in the running kernel (``tcp_*`` may be built in without a /sys/module folder)."""
    if host.exists("/sys/module/" + _plain(name)):
        return True
    available = (host.read("/proc/sys/net/ipv4/tcp_available_congestion_control") or "").split()
    return name.startswith("tcp_") and name[4:] in available


def kernel_release(host: Host, live: bool) -> str:
    """The running kernel, or for an image the newest one installed; empty when there is none."""
    if live:
        return (host.read("/proc/sys/kernel/osrelease") or "").strip()
    found: List[str] = [path.split("/")[3] for path in host.glob("/lib/modules/*/modules.dep")]
    return max(found, key=lambda release: [int(part) for part in re.findall(r"\d+", release)], default="")


def available(host: Host, name: str, release: str) -> bool:
    """True if that kernel has the module, as a file or built in."""
    pattern = re.compile(r"/%s\.ko(\.\w+)?(:|$)" % re.escape(_plain(name)), re.MULTILINE)
    for file in ("modules.dep", "modules.builtin"):
        text = host.read("/lib/modules/%s/%s" % (release, file))
        if text is not None and pattern.search(text.replace("-", "_")):
            return True
    return False
