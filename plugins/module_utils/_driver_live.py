# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Is the installed NVIDIA driver the one that runs, and if not: what does it take? Reading and deciding, no changes.

A module is unloaded only when nothing uses it: the kernel counts who has it open, and ``rmmod`` refuses. What holds it
is found in /proc, so that it can be said by name.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ._machine import Host
from ._pci import read_pci
from ._sysfs import Tree

#: NVIDIA's modules, those first that need others. All of them go before the main one can, and come back after it.
MODULES = ("nvidia_fs", "gdrdrv", "nvidia_peermem", "nvidia_drm", "nvidia_uvm", "nvidia_modeset", "nvidia")
_MAIN = "nvidia"
_UNIT = re.compile(r"/([^/]+\.service)(?:/|$)", re.MULTILINE)

#: There is no GPU; the loaded driver is the installed one; it can be loaded; it can be exchanged; only a reboot helps.
NONE, CURRENT, LOAD, SWITCH, REBOOT = "none", "current", "load", "switch", "reboot"


class Holder(NamedTuple):
    """A process that has a GPU open. ``unit`` is its systemd service, "" when it is in none."""

    pid: int
    name: str
    unit: str
    files: Tuple[str, ...]

    def text(self) -> str:
        """For people."""
        where = " of " + self.unit if self.unit else ""
        return "%s (process %d%s) has %s open" % (self.name or "?", self.pid, where, ", ".join(self.files))


class State(NamedTuple):
    """What the machine has. Versions are "" where there is no such module."""

    gpus: Tuple[str, ...]  # PCI addresses
    nouveau: Tuple[str, ...]  # the GPUs that nouveau drives
    loaded: str
    installed: str  # of the running kernel
    kernel: str
    users: Dict[str, Tuple[str, ...]]  # NVIDIA's loaded modules, each with the modules that use it
    counts: Dict[str, int]  # how often each of them is in use, by other modules and else
    holders: Tuple[Holder, ...]
    # srcversion, the kernel's sum of a module's sources: the open and the proprietary module share their version.
    loaded_source: str = ""
    installed_source: str = ""


class Decision(NamedTuple):
    """What to do, and why; for REBOOT every reason."""

    action: str
    reasons: Tuple[str, ...] = ()


def read_state(host: Host, installed: str, source: str = "") -> State:
    """Read the machine below the host's root.

    :param installed: the version of the module that the running kernel would load, "" when it has none.
    :param source: the srcversion of that module, "" when it has none.
    """
    tree, users = Tree(host.root), _users(host)
    gpus = [device for device in read_pci(tree) if device.is_gpu]
    return State(
        gpus=tuple(device.address for device in gpus),
        nouveau=tuple(device.address for device in gpus if device.driver == "nouveau"),
        loaded=(host.read("/sys/module/%s/version" % _MAIN) or "").strip(),
        installed=installed,
        kernel=(host.read("/proc/sys/kernel/osrelease") or "").strip(),
        users=users,
        counts={name: tree.number("/sys/module/%s/refcnt" % name) or 0 for name in users},
        holders=tuple(_holders(host)),
        loaded_source=(host.read("/sys/module/%s/srcversion" % _MAIN) or "").strip(),
        installed_source=source,
    )


def _users(host: Host) -> Dict[str, Tuple[str, ...]]:
    found = {}
    for name in MODULES:
        # A module built into the kernel has a folder too, but no state.
        if host.exists("/sys/module/%s/initstate" % name):
            paths = host.glob("/sys/module/%s/holders/*" % name)
            found[name] = tuple(path.rpartition("/")[2] for path in paths)
    return found


def _holders(host: Host) -> List[Holder]:
    opened: Dict[int, Dict[str, None]] = {}
    for path in host.glob("/proc/[0-9]*/fd/*"):
        target = host.readlink(path)
        if target and target.startswith("/dev/nvidia"):
            opened.setdefault(int(path.split("/")[2]), {})[target] = None
    found = []
    for pid, files in sorted(opened.items()):
        name = (host.read("/proc/%d/comm" % pid) or "").strip()
        units = _UNIT.findall(host.read("/proc/%d/cgroup" % pid) or "")
        found.append(Holder(pid, name, units[-1] if units else "", tuple(sorted(files))))
    return found


def decide(state: State, services: Sequence[str], built_for: Sequence[str] = ()) -> Decision:
    """What it takes to have the installed driver run.

    :param services: units that may be stopped for it.
    :param built_for: kernels that have the installed driver, for the reason to name.
    """
    if not state.gpus:
        return Decision(NONE, ("no GPU on the bus",))
    reasons = []
    if not state.installed:
        others = [release for release in built_for if release != state.kernel]
        where = "; it is there for %s" % ", ".join(others) if others else ""
        reasons.append("the running kernel %s has no module of the driver%s" % (state.kernel, where))
    if state.nouveau:
        reasons.append("nouveau drives %s, and cannot be taken away while it does" % ", ".join(state.nouveau))
    if reasons:
        return Decision(REBOOT, tuple(reasons))
    if not state.loaded:
        return Decision(LOAD, ("the driver is not loaded",))
    sources = (state.loaded_source, state.installed_source)
    if state.loaded == state.installed and (not all(sources) or sources[0] == sources[1]):
        return Decision(CURRENT)
    what = "%s is loaded, and %s installed" % (state.loaded, state.installed)
    if state.loaded == state.installed:
        what = "another module of %s is loaded than the installed one (open and proprietary?)" % state.loaded
    blocked = blockers(state, services)
    return Decision(REBOOT if blocked else SWITCH, (what, *blocked))


def blockers(state: State, services: Sequence[str]) -> List[str]:
    """Why the loaded driver cannot be unloaded, once the services are stopped; nothing when it can."""
    names = {one if one.endswith(".service") else one + ".service" for one in services}
    found = [holder.text() for holder in state.holders if holder.unit not in names]
    for name, users in state.users.items():
        found += ["the module %s uses %s" % (user, name) for user in users if user not in MODULES]
    return found


def in_use(state: State) -> List[str]:
    """Which modules something holds that is no process with a GPU open; ask when services are stopped."""
    return [
        "the module %s is in use, though by no process that has a GPU open (a display? a container?)" % name
        for name, count in state.counts.items()
        if count > len(state.users[name])
    ]


def order(state: State) -> List[str]:
    """NVIDIA's loaded modules in the order in which they can be unloaded."""
    return [name for name in MODULES if name in state.users]


def installed_version(said: Optional[str]) -> str:
    """The version that ``modinfo -F version`` printed."""
    match = re.match(r"\s*(\d+\.\d+(?:\.\d+)?)\s*$", said or "")
    return match.group(1) if match else ""
