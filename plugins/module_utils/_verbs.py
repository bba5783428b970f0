# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which InfiniBand and RoCE ports are compute rails, and which are storage, front end, down or something else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from ._fabric_data import LEAST_ROCE_GBPS, ROCE_DRIVERS, UNUSABLE_DRIVERS, UNUSABLE_NAMES
from ._pci import PciDevice, path_kind
from ._rdma import RdmaPort

_NEAR = ("PIX", "PXB")  # below a common PCIe switch: GPUDirect RDMA does not cross the host bridge
_Group = Tuple[Optional[str], Optional[float]]  # link layer, rate


class Refusal(NamedTuple):
    """Why a port can never be a compute rail. ``broken``: NCCL would take it when ACTIVE, and fail."""

    why: str
    broken: bool = False


@dataclass
class Verbs:
    """``fabric`` is infiniband, roce or None. ``refused`` says for every other port why it is no rail.

    ``must_name`` is True when NCCL's own choice would take a port that is no rail, so that the rails must be named;
    ``broken`` when an ACTIVE port is here that NCCL would take and that cannot work.
    """

    fabric: Optional[str] = None
    rails: List[RdmaPort] = field(default_factory=list)
    refused: Dict[Tuple[str, int], str] = field(default_factory=dict)
    reasons: List[str] = field(default_factory=list)
    must_name: bool = False
    broken: bool = False


def choose(ports: List[RdmaPort], gpus: List[PciDevice], cloud: Optional[str], front: Set[str]) -> Verbs:
    """Choose the compute rails among RDMA ports.

    :param gpus: the node's GPUs; a port below the same PCIe switch as a GPU is that GPU's rail.
    :param cloud: name of the cloud, or None.
    :param front: interfaces that carry the default route.
    """
    result = Verbs()
    groups: Dict[_Group, List[RdmaPort]] = {}
    for port in ports:
        refusal = never(port, cloud, front)
        if refusal is not None:
            result.refused[port.name, port.port] = refusal.why
            result.must_name = True
            result.broken = result.broken or (refusal.broken and port.state == "ACTIVE")
        elif port.state != "ACTIVE":
            result.refused[port.name, port.port] = asleep(port)
        else:
            groups.setdefault((port.link_layer, port.rate_gbps), []).append(port)
    if not groups:
        return result
    near = {(port.name, port.port): _near(port, gpus) for group in groups.values() for port in group}

    def weight(group: _Group) -> Tuple[int, float, bool]:
        members = groups[group]
        beside = sum(1 for port in members if near[port.name, port.port])
        return beside, (group[1] or 0.0) * len(members), group[0] == "InfiniBand"

    best = max(groups, key=weight)
    result.fabric = "infiniband" if best[0] == "InfiniBand" else "roce"
    result.rails = _without_storage(groups.pop(best), gpus, near, result)
    for (layer, rate), members in groups.items():
        for port in members:
            slow = layer == best[0] and near[port.name, port.port] and _same_model(port, result.rails)
            if slow:
                result.rails.append(port)
                result.reasons.append(
                    f"{port.label}: compute rail beside a GPU, but it runs at {rate or 0:g} Gb/s "
                    f"where the others run at {best[1] or 0:g}: check cable and switch port"
                )
            else:
                result.refused[port.name, port.port] = _other(layer, rate, best)
    result.rails.sort(key=ports.index)
    result.must_name = result.must_name or any(
        port.state == "ACTIVE" or not _same_model(port, result.rails)
        for port in ports
        if (port.name, port.port) in result.refused
    )
    return result


def never(port: RdmaPort, cloud: Optional[str], front: Set[str]) -> Optional[Refusal]:
    """Return why a port can never be a compute rail of InfiniBand or RoCE whatever its state, or None."""
    if port.software:
        return Refusal("it is software RDMA")
    if port.switch_management:
        return Refusal("it is the management bridge of an NVSwitch")
    if port.driver == "efa":
        return Refusal("EFA is used through libfabric")
    if port.driver in UNUSABLE_DRIVERS:
        return Refusal(UNUSABLE_DRIVERS[port.driver or ""], broken=True)
    for pattern, why in UNUSABLE_NAMES:
        if pattern.match(port.name):
            return Refusal(why, broken=True)
    if port.pci is not None and port.pci.physical_function is not None:
        return Refusal(f"it is a virtual function of {port.pci.physical_function}, made for guests")
    if port.link_layer == "InfiniBand":
        return None
    if port.link_layer != "Ethernet":
        return Refusal(f"link layer {port.link_layer or 'unknown'} is neither InfiniBand nor Ethernet")
    return _never_ethernet(port, cloud, front)


def _never_ethernet(port: RdmaPort, cloud: Optional[str], front: Set[str]) -> Optional[Refusal]:
    shared = front.intersection(port.interfaces)
    if shared:
        return Refusal(f"front end: {', '.join(sorted(shared))} carries the default route")
    if cloud == "azure":
        return Refusal("front end: Ethernet ports on Azure are accelerated networking")
    if port.driver is not None and port.driver not in ROCE_DRIVERS:
        return Refusal(f"NCCL has no RoCE over driver {port.driver}", broken=True)
    if port.state != "ACTIVE":
        return None  # rate and GIDs mean nothing without a link
    if port.rate_gbps is None:
        return Refusal("front end: Ethernet of unknown rate")
    if port.rate_gbps < LEAST_ROCE_GBPS:
        return Refusal(f"front end: {port.rate_gbps:g} Gb/s Ethernet is below {LEAST_ROCE_GBPS}")
    if port.gids is not None and not any(kind == "RoCE v2" for _, _, kind, _ in port.gids):
        return Refusal("it has no RoCE v2 GID: its interface has no address, or only RoCE v1 is on", broken=True)
    return None


def asleep(port: RdmaPort) -> str:
    """Say why a port that is not ACTIVE is no rail now."""
    more = {
        "INIT": ": no subnet manager has configured it",
        "ARMED": ": the subnet manager has not finished",
        "DOWN": ": no link",
    }.get(port.state or "", "")
    return f"its state is {port.state or 'unknown'}{more}"


def _other(layer: Optional[str], rate: Optional[float], best: _Group) -> str:
    speed = f"{rate:g} Gb/s" if rate is not None else "of unknown rate"
    rails = f"{best[0]} at {best[1]:g} Gb/s" if best[1] is not None else f"{best[0]}"
    return f"storage or front end: {layer} {speed} beside rails of {rails}"


def _near(port: RdmaPort, gpus: List[PciDevice]) -> List[str]:
    """Return the addresses of the GPUs below the same PCIe switch."""
    if port.pci is None:
        return []
    return [gpu.address for gpu in gpus if path_kind(gpu, port.pci) in _NEAR]


def _without_storage(
    members: List[RdmaPort], gpus: List[PciDevice], near: Dict[Tuple[str, int], List[str]], result: Verbs
) -> List[RdmaPort]:
    """Drop ports that are no GPU's neighbour when every GPU has a neighbour: those serve storage."""
    covered = {gpu for port in members for gpu in near[port.name, port.port]}
    if not gpus or len(covered) < len(gpus):
        return members
    for port in members:
        if not near[port.name, port.port]:
            result.refused[port.name, port.port] = (
                "storage or front end: no GPU shares its PCIe switch, and every GPU has another port"
            )
    return [port for port in members if near[port.name, port.port]]


def _same_model(port: RdmaPort, rails: List[RdmaPort]) -> bool:
    """Return whether a port is of the rails' kind: what a rail that is down looks like."""

    def kind(some: RdmaPort) -> Tuple[object, ...]:
        return some.link_layer, some.model, some.pci.device if some.pci is not None else None

    return any(kind(port) == kind(rail) for rail in rails)
