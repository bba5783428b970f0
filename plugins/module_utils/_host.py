# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What kind of machine this is (DMI) and which network interfaces carry its default route."""

from __future__ import annotations

import re
from typing import List, Mapping, NamedTuple, Optional, Set, Tuple

from ._fabric_data import CLOUDS
from ._sysfs import Tree

_DMI = ("/sys/class/dmi/id", "/sys/devices/virtual/dmi/id")
_TYPE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_CLOUD_NAMES = frozenset(cloud for _, _, cloud in CLOUDS)


class Host(NamedTuple):
    """``cloud`` is aws, gcp, azure, oci or None; ``machine_type`` as the cloud spells it, lower case, or None."""

    cloud: Optional[str]
    machine_type: Optional[str]
    reasons: List[str]


def read_host(tree: Tree, metadata: Optional[Mapping[str, object]] = None) -> Host:
    """Return the cloud and machine type: DMI first, metadata only for what DMI leaves open.

    :param metadata: ``cloud`` and ``machine_type``, both optional; anything else in it is ignored. A metadata service
        can be absent or wrong, so what it says is believed only where the machine itself does not contradict it.
    """
    given = metadata or {}
    reasons: List[str] = []
    cloud = next((name for field, value, name in CLOUDS if _dmi(tree, field) == value), None)
    claimed = given.get("cloud")
    if claimed is not None and claimed not in _CLOUD_NAMES:
        reasons.append(f"metadata ignored: unknown cloud {str(claimed)[:40]!r}")
        claimed = None
    if isinstance(claimed, str) and cloud is not None and claimed != cloud:
        reasons.append(f"metadata ignored: it says cloud {claimed}, the firmware (DMI) says {cloud}")
        return Host(cloud, _own_type(tree, cloud), reasons)
    cloud = cloud or (claimed if isinstance(claimed, str) else None)
    machine = _own_type(tree, cloud)
    said = given.get("machine_type")
    if said is not None:
        # The metadata services of GCP answer with a path whose last part is the type.
        word = str(said).rstrip("/").rpartition("/")[2].lower()
        if not _TYPE.match(word):
            reasons.append(f"metadata ignored: {str(said)[:40]!r} is no machine type")
        elif machine is not None and word != machine:
            reasons.append(f"metadata ignored: it says machine type {word}, the firmware (DMI) says {machine}")
        else:
            machine = word
    return Host(cloud, machine, reasons)


def _dmi(tree: Tree, field: str) -> Optional[str]:
    return next((text for text in (tree.text(f"{base}/{field}") for base in _DMI) if text), None)


def _own_type(tree: Tree, cloud: Optional[str]) -> Optional[str]:
    """Return the machine type from DMI; only AWS writes it there."""
    name = (_dmi(tree, "product_name") or "").lower()
    return name if cloud == "aws" and _TYPE.match(name) else None


def default_route(tree: Tree) -> Optional[str]:
    """Return the interface of the default route with the lowest metric (IPv4 before IPv6), or None."""
    routes: List[Tuple[int, str]] = []
    for line in (tree.text("/proc/net/route") or "").splitlines()[1:]:
        parts = line.split()
        if len(parts) >= 8 and parts[1] == "00000000" and parts[7] == "00000000" and parts[6].isdecimal():
            routes.append((int(parts[6]), parts[0]))
    if not routes:
        for line in (tree.text("/proc/net/ipv6_route") or "").splitlines():
            parts = line.split()
            usable = len(parts) == 10 and set(parts[0]) == {"0"} and parts[1] == "00" and parts[9] != "lo"
            if usable and re.match(r"^[0-9a-f]{8}$", parts[5]):
                routes.append((int(parts[5], 16), parts[9]))
    return min(routes)[1] if routes else None


def interfaces_below(tree: Tree, interface: Optional[str]) -> Set[str]:
    """Return an interface and what it rides on: bond and bridge ports, VLAN parents, the VF below a synthetic NIC."""
    found: Set[str] = set()
    waiting = [interface] if interface else []
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        base = "/sys/class/net/" + name
        waiting += [entry[len("lower_") :] for entry in tree.names(base) if entry.startswith("lower_")]
        waiting += (tree.text(base + "/bonding/slaves") or "").split()
        if tree.resolve(base + "/bridge") is not None:
            waiting += tree.names(base + "/brif")
    return found
