# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The few NCCL variables a fabric needs, and the file /etc/nccl.conf that carries them.

Everything NCCL, its plugins or the vendor's own script decide well is left to them. NCCL_DEBUG, NCCL_IB_GID_INDEX,
NCCL_IB_TC and UCX variables are never written: the first is no production setting, the others belong to the site.
Sources: NVIDIA/nccl 2.30.7 (src/misc/param.cc for the file's format), aws/aws-ofi-nccl doc/efa-env-var.md,
eth-cscs/alps-extended-images common/*.env, Azure/azhpc-images components/customizations/.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Mapping, NamedTuple, Optional

from ._fabric_data import AZURE_FAMILIES, AZURE_GPUS, SCRIPTS
from ._pci import PciDevice
from ._problem import Facts
from ._rdma import RdmaPort
from ._sysfs import Tree

_MAX_BYTES = 1023  # src/misc/param.cc: name and value, each; longer ones are cut without a word
_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")
_OF_THE_VENDOR = {
    "tcpx": "/var/lib/tcpx and its RxDM daemon bring their own settings",
    **{fabric: f"they are those of the vendor's {script.path}" for fabric, script in SCRIPTS.items()},
}


class Scene(NamedTuple):
    """What the choice of variables looks at."""

    fabric: str
    rails: List[RdmaPort]
    ports: List[RdmaPort]  # all of the node
    must_name: bool
    broken: bool  # an ACTIVE verbs device is here that NCCL would take and that cannot work
    route: Optional[str]
    cloud: Optional[str]
    machine_type: Optional[str]
    gpus: List[PciDevice]


def variables(tree: Tree, scene: Scene, reasons: List[str]) -> Dict[str, str]:
    """Return the variables for a fabric; why each is there, or none is, goes to *reasons*."""
    chosen: Dict[str, str] = {}

    def take(name: str, value: str, why: str) -> None:
        chosen[name] = value
        reasons.append(f"{name}: {why}")

    if scene.fabric in _OF_THE_VENDOR:
        reasons.append(f"no NCCL variable of ours: {_OF_THE_VENDOR[scene.fabric]}")
        return chosen
    if scene.fabric == "efa":
        take(
            "NCCL_SOCKET_IFNAME",
            "^lo,docker,veth",
            "bootstrap stays off container interfaces; the EFA plugin sets the rest by instance type",
        )
        return chosen
    if scene.fabric == "slingshot":
        take("NCCL_NET", "AWS Libfabric", "NCCL fails when the plugin is missing, where it would fall back to TCP")
        take("NCCL_NET_GDR_LEVEL", "PHB", "the GPU and its adapter meet at the host bridge")
        take("NCCL_CROSS_NIC", "0", "the rails are separate planes")
        take("NCCL_PROTO", "^LL128", "LL128 needs an ordering that Slingshot does not give")
        if any(name.startswith("hsn") for name in tree.names("/sys/class/net")):
            take("NCCL_SOCKET_IFNAME", "hsn", "interfaces hsn* are here")
        return chosen
    if scene.fabric == "roce" or (scene.fabric == "infiniband" and scene.must_name):
        take(
            "NCCL_IB_HCA",
            "=" + ",".join(_names(scene.rails, scene.ports)),
            "exactly the compute rails, no other RDMA device",
        )
    if scene.fabric == "roce":
        reasons.append("NCCL_IB_TC is not set: the traffic class must match the site's switches")
    if scene.fabric == "infiniband" and scene.cloud == "azure":
        _azure(tree, scene, take)
    if scene.fabric == "tcp" and scene.broken:
        take("NCCL_IB_DISABLE", "1", "an ACTIVE verbs device is here that cannot carry NCCL traffic")
    if scene.route is not None:
        take("NCCL_SOCKET_IFNAME", "=" + scene.route, "the interface of the default route, seen on this node")
    else:
        reasons.append(
            "NCCL_SOCKET_IFNAME is not set: no default route is up yet, and a name that was not seen would be an error"
        )
    return chosen


def _names(rails: List[RdmaPort], ports: List[RdmaPort]) -> List[str]:
    """Return device names; with the port where only some ports of a device are rails: a bare name takes all of them."""
    chosen = {(rail.name, rail.port) for rail in rails}
    partly = {port.name for port in ports if (port.name, port.port) not in chosen}
    return list(dict.fromkeys(f"{rail.name}:{rail.port}" if rail.name in partly else rail.name for rail in rails))


def _azure(tree: Tree, scene: Scene, take: Callable[[str, str, str], None]) -> None:
    """Add what Azure's flat PCI topology needs on the sizes that need it."""
    family = next((name for pattern, name in AZURE_FAMILIES if pattern.match(scene.machine_type or "")), None)
    if scene.machine_type is None:
        family = next((AZURE_GPUS[gpu.device] for gpu in scene.gpus if gpu.device in AZURE_GPUS), None)
    if family is None:
        return
    take("NCCL_IGNORE_CPU_AFFINITY", "1", "Azure's virtual topology hides which CPUs are near")
    take("NCCL_IB_PCI_RELAXED_ORDERING", "1", "needed for full bandwidth in a VM")
    path = f"/opt/microsoft/{family}/topo.xml"
    if tree.resolve(path) is not None:
        take("NCCL_TOPO_FILE", path, "it describes the real PCI topology and is in this image")


def render_nccl_conf(fabric: Facts) -> str:
    """Return the text of /etc/nccl.conf for what ``read_fabric`` returned.

    :raises ValueError: a name or value cannot be written so that NCCL reads it back unchanged.
    """
    nccl: Mapping[str, str] = fabric["nccl"]
    lines = [
        "# Written by gpuforge-node at boot for the network found on this node. Your own settings win: in the",
        "# environment, in ~/.nccl.conf, or in this file above gpuforge's first mark.",
        f"# fabric: {fabric['fabric']}",
    ]
    lines += ["# " + re.sub(r"[^\x20-\x7e]+", "?", reason) for reason in fabric["reasons"]]
    for name, value in nccl.items():
        # NCCL takes the line as it is: no quotes, no trimming, `#` is a comment only in the first column.
        if not _NAME.match(name) or not re.match(r"^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$", value):
            raise ValueError(
                f"{name}={value!r} cannot be written to nccl.conf: it may hold no control character, and "
                "no space at its ends"
            )
        if len(name) > _MAX_BYTES or len(value) > _MAX_BYTES:
            raise ValueError(f"{name} is {len(value)} bytes long; NCCL reads at most {_MAX_BYTES}")
        lines.append(f"{name}={value}")
    return "\n".join(lines) + "\n"
