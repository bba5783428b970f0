# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which network joins this node's GPUs to other nodes, decided from what is in the machine.

sysfs alone decides; metadata (cloud, machine type) only tells apart what looks the same, and is not believed against
the hardware. Order of decision: EFA, Slingshot, Google's fabrics, InfiniBand and RoCE by their ports, else TCP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Set, Tuple

from . import _fabric_data as data
from ._host import Host, default_route, interfaces_below, read_host
from ._nccl_conf import Scene, variables
from ._pci import PciDevice, read_pci
from ._problem import Facts
from ._rdma import RdmaPort, natural, port_facts, read_rdma
from ._sysfs import Tree
from ._topology import interface_names
from ._verbs import Verbs, asleep, choose

_MNNVL_GPUS = frozenset((0x2941, 0x31A1, 0x31C2, 0x31C3))  # GB200, GB300: NVLink reaches over nodes


@dataclass
class _Node:
    """Everything the decision looks at, read once."""

    tree: Tree
    devices: List[PciDevice]
    host: Host
    route: Optional[str]
    front: Set[str]
    ports: List[RdmaPort]
    reasons: List[str]
    gpus: List[PciDevice] = field(default_factory=list)

    def count(self, identity: Tuple[int, int]) -> int:
        return len(self.having(frozenset((identity,))))

    def having(self, identities: frozenset[Tuple[int, int]]) -> List[PciDevice]:
        return [device for device in self.devices if (device.vendor, device.device) in identities]


@dataclass
class _Choice:
    """A fabric, its rails among the RDMA ports, and devices that are not RDMA devices."""

    fabric: str
    why: str
    rails: List[RdmaPort] = field(default_factory=list)
    others: List[Facts] = field(default_factory=list)
    must_name: bool = False


def read_fabric(
    root: str = "/",
    metadata: Optional[Mapping[str, object]] = None,
    *,
    tree: Optional[Tree] = None,
    devices: Optional[List[PciDevice]] = None,
) -> Facts:
    """Return the fabric facts of a node, as RETURN of the module ``fabric_info`` describes them.

    :param root: directory that stands for ``/``.
    :param metadata: ``cloud`` (aws, gcp, azure, oci) and ``machine_type`` as the cloud's metadata service says them;
        either may be missing.
    :param tree: an open tree of *root*, to share its cache.
    :param devices: the tree's PCI devices, when they are known already.
    """
    tree = tree or Tree(root)
    devices = read_pci(tree) if devices is None else devices
    host = read_host(tree, metadata)
    route = default_route(tree)
    node = _Node(
        tree,
        devices,
        host,
        route,
        interfaces_below(tree, route),
        read_rdma(tree, devices),
        list(host.reasons),
        [device for device in devices if device.is_gpu],
    )
    verbs = choose(node.ports, node.gpus, host.cloud, node.front)
    choice = (
        _efa(node)
        or _slingshot(node)
        or _google(node, verbs)
        or _verbs(verbs)
        or _Choice("tcp", "no RDMA network that NCCL can use was found")
    )
    node.reasons.insert(0, f"{choice.fabric}: {choice.why}")
    node.reasons += verbs.reasons if choice.fabric in ("infiniband", "roce", "gib") else []
    _say_why_not(node, choice, verbs)
    nccl = variables(
        tree,
        Scene(
            choice.fabric,
            choice.rails,
            node.ports,
            choice.must_name,
            verbs.broken,
            route,
            host.cloud,
            host.machine_type,
            node.gpus,
        ),
        node.reasons,
    )
    chosen = {(port.name, port.port) for port in choice.rails}
    return {
        "fabric": choice.fabric,
        "devices": [port.facts((port.name, port.port) in chosen) for port in node.ports] + choice.others,
        "nccl": nccl,
        "reasons": node.reasons,
        "cloud": host.cloud,
        "machine_type": host.machine_type,
        "problems": tree.problems(),
    }


def _efa(node: _Node) -> Optional[_Choice]:
    """AWS Elastic Fabric Adapter: known by its driver, never by link layer (sysfs prints Unknown or Unspecified)."""
    ports = [
        port
        for port in node.ports
        if port.driver == "efa" or (port.pci is not None and (port.pci.vendor, port.pci.device) in data.EFA_IDS)
    ]
    adapters = node.having(data.EFA_IDS)
    rails = [port for port in ports if port.state == "ACTIVE"]
    if rails:
        return _Choice("efa", f"{len(rails)} EFA devices are ACTIVE", rails)
    if adapters and not ports:
        node.reasons.append(
            f"{len(adapters)} EFA adapters are on the bus without an RDMA device: is the driver efa loaded?"
        )
    elif ports:
        node.reasons.append(f"{len(ports)} EFA devices are here and none is ACTIVE")
    return None


def _slingshot(node: _Node) -> Optional[_Choice]:
    """HPE Slingshot: cxi devices. Interfaces called hsn* alone prove nothing (Slingshot 10 runs RoCE under them)."""
    adapters = node.having(data.CASSINI_IDS)
    names = sorted((name for name in node.tree.names("/sys/class/cxi") if name.startswith("cxi")), key=natural)
    if not names:
        if adapters:
            node.reasons.append(
                f"{len(adapters)} Slingshot adapters are on the bus without a cxi device: is the driver cxi_ss1 loaded?"
            )
        return None
    found = []
    for name in names:
        place = node.tree.resolve(f"/sys/class/cxi/{name}/device") or node.tree.resolve(f"/sys/class/cxi/{name}") or ""
        pci = next((device for device in adapters if device.address in place.split("/")), None)
        interfaces = interface_names(node.tree, pci) if pci is not None else []
        interface = interfaces[0] if interfaces else "hsn" + name[len("cxi") :]
        state, rate = _link(node.tree, interface)
        found.append(port_facts(name, 1, state, "Ethernet", rate, state == "ACTIVE", pci, []))
        if state != "ACTIVE":
            node.reasons.append(f"{name} port 1: no compute rail: {interface} is {state or 'not there'}")
    if not any(device["compute_rail"] for device in found):
        node.reasons.append(f"{len(found)} Slingshot devices are here and no link is up")
        return None
    up = sum(1 for device in found if device["compute_rail"])
    return _Choice("slingshot", f"{up} Slingshot devices have a link", others=found)


def _link(tree: Tree, interface: str) -> Tuple[Optional[str], Optional[float]]:
    """Return state and rate in Gb/s of a network interface."""
    base = "/sys/class/net/" + interface
    operstate = tree.text(base + "/operstate")
    speed = tree.number(base + "/speed")  # Mb/s; -1 or an error when the driver does not know
    state = {"up": "ACTIVE", "unknown": "ACTIVE"}.get(operstate or "", "DOWN") if operstate else None
    return state, speed / 1000 if speed is not None and speed > 0 else None


def _google(node: _Node, verbs: Verbs) -> Optional[_Choice]:
    """GPUDirect-TCPX, TCPXO (FasTrak) and gIB on Google's machines."""
    gvnics = node.count(data.GVNIC_ID)
    apertures = node.count(data.APERTURE_ID)
    if node.host.cloud != "gcp" and not gvnics and not apertures:
        return None
    said = next((fabric for pattern, fabric in data.GCP_MACHINES if pattern.match(node.host.machine_type or "")), None)
    h100s = sum(1 for gpu in node.gpus if gpu.device in data.H100_SXM)
    rails = [port for port in verbs.rails if port.driver in ("mlx5_core", None)] if verbs.fabric == "roce" else []
    if rails:
        return _Choice("gib", f"{len(rails)} RoCE ports on a Google machine", rails)
    if apertures or (gvnics >= data.TCPXO_GVNICS and h100s == 8):
        what = f"{apertures} aperture devices" if apertures else f"8 H100 and {gvnics} gVNICs"
        return _Choice("tcpxo", what, others=_gvnic_rails(node))
    if h100s == 8 and gvnics == data.TCPX_GVNICS:
        return _Choice("tcpx", f"8 H100 and {gvnics} gVNICs", others=_gvnic_rails(node))
    if said is not None:
        node.reasons.append(
            f"machine type {node.host.machine_type} has fabric {said}, but this machine shows {h100s} "
            f"H100, {gvnics} gVNICs, {apertures} aperture devices and no usable RoCE port"
        )
    return None


def _gvnic_rails(node: _Node) -> List[Facts]:
    found = []
    cards = node.having(frozenset((data.GVNIC_ID,)))
    for card in cards:
        for name in interface_names(node.tree, card):
            state, rate = _link(node.tree, name)
            # Without a default route the first card is the control interface, as Google numbers them.
            control = name in node.front if node.route is not None else card is cards[0]
            if control:
                node.reasons.append(f"{name} port 1: no compute rail: it is the control interface")
            elif state != "ACTIVE":
                node.reasons.append(f"{name} port 1: no compute rail: its link is {state or 'unknown'}")
            found.append(port_facts(name, 1, state, "Ethernet", rate, state == "ACTIVE" and not control, card, []))
    return found


def _verbs(verbs: Verbs) -> Optional[_Choice]:
    if verbs.fabric is None:
        return None
    rates = sorted({port.rate_gbps for port in verbs.rails if port.rate_gbps is not None})
    speed = " and ".join(f"{rate:g}" for rate in rates)
    layer = "InfiniBand" if verbs.fabric == "infiniband" else "RoCE v2"
    count = len(verbs.rails)
    return _Choice(
        verbs.fabric,
        f"{count} ACTIVE {layer} port{'s' if count > 1 else ''} "
        + (f"at {speed} Gb/s" if speed else "of unknown rate"),
        verbs.rails,
        must_name=verbs.must_name,
    )


def _say_why_not(node: _Node, choice: _Choice, verbs: Verbs) -> None:
    """Add a reason for each RDMA port that is no rail, and for what joins nodes besides the fabric."""
    chosen = {(port.name, port.port) for port in choice.rails}
    left: Dict[Tuple[str, int], str] = {
        (port.name, port.port): f"the fabric is {choice.fabric}" for port in verbs.rails
    }
    left.update(verbs.refused)
    for port in node.ports:
        if (port.name, port.port) not in chosen:
            why = left.get((port.name, port.port), "not chosen")
            if port.driver == "efa" and port.state != "ACTIVE":
                why = asleep(port)
            node.reasons.append(f"{port.label}: no compute rail: {why}")
    if any(gpu.device in _MNNVL_GPUS for gpu in node.gpus):
        node.reasons.append("multi-node NVLink: NCCL finds it by itself where nvidia-imex runs on every node")
