# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The fabric as it is at boot: adapters that are still coming up are waited for, a vendor's script is asked.

An InfiniBand port stays in INIT until the subnet manager has seen it, and some drivers bind late (the EFA devices of
p5en: aws-samples/awsome-distributed-training retries for them). A file written too early would say "tcp" all day.
"""

from __future__ import annotations

import time
from typing import Callable, List, Mapping, NamedTuple, Optional

from ._fabric import read_fabric
from ._fabric_data import CASSINI_IDS, EFA_IDS, SCRIPTS
from ._nccl_vendor import VendorError, read_vendor
from ._pci import PciDevice, read_pci
from ._problem import Facts
from ._sysfs import Tree

_COMING_UP = ("INIT", "ARMED")
_INFINIBAND_CLASS = 0x0207  # PCI class code of an InfiniBand controller
_STEP = 2.0  # seconds between two looks


class Found(NamedTuple):
    """The fabric's facts; ``late`` names what had not come up; ``trouble`` is why the vendor's script gave nothing."""

    facts: Facts
    late: List[str]
    trouble: str


def not_up(facts: Facts, devices: List[PciDevice]) -> List[str]:
    """Return what may still become a fabric: ports that the subnet manager has not seen, adapters without a driver."""
    ports = [
        f"{device['name']} port {device['port']} is in {device['state']}"
        for device in facts["devices"]
        if device["state"] in _COMING_UP
    ]
    adapters = [
        f"{device.address} has no driver yet"
        for device in devices
        if device.driver is None
        and (device.class_code == _INFINIBAND_CLASS or (device.vendor, device.device) in EFA_IDS | CASSINI_IDS)
    ]
    return ports + adapters


def read_at_boot(
    root: str,
    metadata: Optional[Mapping[str, object]],
    *,
    wait_s: float = 0.0,
    live: bool = True,
    vendor: Callable[[str], Optional[Mapping[str, str]]] = read_vendor,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Return the fabric, once nothing that could become one is still coming up or *wait_s* seconds have passed.

    :param live: whether *root* is the running machine, whose vendor script may be run.
    """
    end = clock() + wait_s
    while True:
        tree = Tree(root)
        devices = read_pci(tree)
        facts = read_fabric(root, metadata, tree=tree, devices=devices)
        late = not_up(facts, devices)
        if not late or clock() >= end:
            break
        sleep(min(_STEP, max(end - clock(), 0.0)))
    facts["reasons"] += [f"not waited for any longer: {what}" for what in late]
    trouble = ""
    script = SCRIPTS.get(facts["fabric"])
    if live and script is not None:
        try:
            given = vendor(facts["fabric"])
        except VendorError as exc:
            given, trouble = None, str(exc)
        if given is not None:
            facts["nccl"].update(given)
            facts["reasons"].append(f"{len(given)} variables come from {script.path}, sourced at boot")
    return Found(facts, late, trouble)
