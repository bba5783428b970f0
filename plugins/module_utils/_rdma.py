# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""RDMA devices and their ports from sysfs (kernel documentation: ABI/stable/sysfs-class-infiniband)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from ._gpu import is_switch_management
from ._pci import ADDRESS, PciDevice
from ._problem import Facts
from ._sysfs import Tree

_RATE = re.compile(r"^(\d{1,9}(?:\.\d+)?)\s*Gb/sec")


@dataclass(frozen=True)
class RdmaPort:
    """One port of one RDMA device. ``gids`` is None when the tree has no GID table to read."""

    name: str
    port: int
    state: Optional[str]  # ACTIVE, DOWN, INIT, ARMED, ...
    link_layer: Optional[str]  # InfiniBand, Ethernet; EFA says Unknown
    rate_gbps: Optional[float]
    gids: Optional[Tuple[Tuple[int, str, Optional[str], Optional[str]], ...]]  # index, GID, type, interface
    model: Optional[str]  # hca_type
    driver: Optional[str]
    pci: Optional[PciDevice]
    interfaces: Tuple[str, ...]
    software: bool  # rxe, siw: no device behind it
    switch_management: bool

    @property
    def label(self) -> str:
        """Name and port, for reasons."""
        return f"{self.name} port {self.port}"

    def facts(self, compute_rail: bool) -> Facts:
        """Return the port as ``fabric_info`` shows it."""
        return port_facts(
            self.name,
            self.port,
            self.state,
            self.link_layer,
            self.rate_gbps,
            compute_rail,
            self.pci,
            [
                {"index": index, "gid": gid, "type": kind, "interface": interface}
                for index, gid, kind, interface in self.gids or ()
            ],
        )


def port_facts(
    name: str,
    port: int,
    state: Optional[str],
    link_layer: Optional[str],
    rate: Optional[float],
    compute_rail: bool,
    pci: Optional[PciDevice],
    gids: List[Facts],
) -> Facts:
    """Return one entry of ``devices``."""
    whole = int(rate) if rate is not None and rate == int(rate) else rate
    return {
        "name": name,
        "port": port,
        "state": state,
        "link_layer": link_layer,
        "rate_gbps": whole,
        "gids": gids,
        "numa_node": pci.numa_node if pci is not None else None,
        "compute_rail": compute_rail,
        "pci_bus_id": pci.address if pci is not None else None,
    }


def natural(name: str) -> Tuple[Tuple[int, str], ...]:
    """Sort key that puts mlx5_2 before mlx5_10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def read_rdma(tree: Tree, devices: List[PciDevice]) -> List[RdmaPort]:
    """Return every port of every RDMA device, in natural order of names."""
    by_address = {device.address: device for device in devices}
    places: Dict[str, str] = {}
    for device in devices:  # captured trees may lack the class directory
        for name in tree.names(device.path + "/infiniband"):
            places[name] = f"{device.path}/infiniband/{name}"
    for name in tree.names("/sys/class/infiniband"):
        place = tree.resolve("/sys/class/infiniband/" + name)
        if place is not None:
            places[name] = place
    ports: List[RdmaPort] = []
    for name in sorted(places, key=natural):
        ports += _ports(tree, name, places[name], by_address)
    return ports


def _ports(tree: Tree, name: str, place: str, by_address: Dict[str, PciDevice]) -> List[RdmaPort]:
    device = tree.resolve(place + "/device")
    behind = [part for part in (device or place).split("/") if ADDRESS.match(part)]
    pci = by_address.get(behind[-1]) if behind else None
    base = pci.path if pci is not None else device or ""
    interfaces = tree.names(base + "/net") if base else []
    numbers = sorted(int(port) for port in tree.names(place + "/ports") if port.isdecimal())
    found = []
    for number in numbers:
        where = f"{place}/ports/{number}"
        own = [interface for interface in interfaces if _is_of_port(tree, f"{base}/net/{interface}", number, numbers)]
        gids = _gids(tree, where)
        named = {interface for _, _, _, interface in gids or () if interface}
        rate = _RATE.match(tree.text(where + "/rate") or "")
        found.append(
            RdmaPort(
                name=name,
                port=number,
                state=_state(tree.text(where + "/state")),
                link_layer=tree.text(where + "/link_layer"),
                rate_gbps=float(rate.group(1)) if rate else None,
                gids=gids,
                model=tree.text(place + "/hca_type"),
                driver=pci.driver if pci is not None else tree.link_name(place + "/device/driver"),
                pci=pci,
                interfaces=tuple(sorted(set(own) | named)),
                software="/devices/virtual/" in place,
                switch_management=pci is not None and is_switch_management(tree, pci),
            )
        )
    return found


def _is_of_port(tree: Tree, interface: str, port: int, ports: List[int]) -> bool:
    """Return whether an interface of the PCI function belongs to a port (``dev_port`` counts from 0)."""
    number = tree.number(interface + "/dev_port")
    return len(ports) == 1 or number is None or number == port - 1


def _state(text: Optional[str]) -> Optional[str]:
    """Return the word of ``4: ACTIVE``."""
    return text.rpartition(":")[2].strip().upper() or None if text else None


def _gids(tree: Tree, where: str) -> Optional[Tuple[Tuple[int, str, Optional[str], Optional[str]], ...]]:
    entries = sorted(int(entry) for entry in tree.names(where + "/gids") if entry.isdecimal())
    if not entries:
        return None
    found = []
    for index in entries:
        gid = tree.text(f"{where}/gids/{index}")
        # Unused entries are all zero, or a subnet prefix with nothing after it.
        if not gid or not gid.replace(":", "")[16:].strip("0"):
            continue
        found.append(
            (
                index,
                gid,
                tree.text(f"{where}/gid_attrs/types/{index}"),
                tree.text(f"{where}/gid_attrs/ndevs/{index}") or None,
            )
        )
    return tuple(found)
