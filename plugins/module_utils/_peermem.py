# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Whether this machine, as it runs now, wants the module nvidia-peermem: one image is right on every machine type.

It lets an RDMA adapter reach GPU memory. NVIDIA recommends DMA-BUF instead wherever it works: open kernel modules and
Linux 5.12 or later (GPU Operator documentation, "GPUDirect RDMA"). The module only loads where ib_core has the
peer-memory interface, which vendors' RDMA stacks add and the kernel's own does not have (same source; leptonai/gpud).
"""

from __future__ import annotations

import os
import re
from typing import List, NamedTuple

from ._fabric_data import ROCE_DRIVERS
from ._pci import PciDevice, read_pci
from ._rdma import read_rdma
from ._sysfs import Tree

MODULE = "nvidia-peermem"
_SYMBOL = b" ib_register_peer_memory_client"
_DMA_BUF_SINCE = (5, 12)


class Decision(NamedTuple):
    """Whether to load the module, and why or why not."""

    load: bool
    why: str


def decide(root: str = "/", *, always: bool = False) -> Decision:
    """Decide from sysfs and procfs alone.

    :param always: load it wherever there are GPUs, RDMA adapters and the driver, also where DMA-BUF does its work or
        where it is sure to fail: the failure is then to be seen.
    """
    tree = Tree(root)
    devices: List[PciDevice] = read_pci(tree)
    if not any(device.is_gpu for device in devices):
        return Decision(False, "no NVIDIA GPU is in this machine")
    adapters = sorted({port.name for port in read_rdma(tree, devices) if port.driver in ROCE_DRIVERS})
    if not adapters:
        return Decision(False, "no RDMA adapter that uses peer memory is in this machine")
    if tree.resolve("/sys/module/nvidia_peermem") is not None:
        return Decision(False, "it is loaded already")
    driver = tree.text("/proc/driver/nvidia/version")
    if driver is None:
        return Decision(False, "the NVIDIA driver is not loaded")
    if always:
        return Decision(True, f"wanted always, for {', '.join(adapters)}")
    if "Open Kernel Module" in driver and _kernel(tree) >= _DMA_BUF_SINCE:
        return Decision(False, "the open driver reaches GPU memory by DMA-BUF here")
    if not _exported(tree.root):
        return Decision(False, "this kernel's ib_core has no peer-memory interface, which a vendor's RDMA stack adds")
    return Decision(True, f"for {', '.join(adapters)}")


def _kernel(tree: Tree) -> tuple[int, int]:
    found = re.match(r"^(\d+)\.(\d+)", tree.text("/proc/sys/kernel/osrelease") or "")
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def _exported(root: str) -> bool:
    """Whether the running kernel has the interface. The list of symbols is long (10 MB), so it is read by lines."""
    try:
        with open(os.path.join(root, "proc/kallsyms"), "rb") as symbols:
            return any(_SYMBOL in line and line.split()[2] == _SYMBOL.strip() for line in symbols)
    except OSError:
        return False
