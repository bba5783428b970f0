# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What to do with a node, given its checks: a table and the rule that reads it."""

from __future__ import annotations

from typing import Iterable, Mapping

from .hygiene_traces import TRACES
from .model import CRITICAL, FAIL, UNKNOWN, VERDICTS, Result

#: What a failed check asks for. A node is isolated when jobs on it would fail or give wrong answers, rebooted when a
#: reboot is what mends it, reset when resetting the GPU is, and monitored when it still works as it is.
ON_FAIL: Mapping[str, str] = {
    "system.running": "monitor",
    "system.units": "monitor",
    "driver.kernel": "isolate",
    "driver.module": "isolate",
    "driver.dkms": "isolate",
    "driver.userland": "isolate",
    "driver.version": "monitor",
    "driver.running_kernel": "reboot",
    "driver.loaded": "reboot",
    "driver.kernel_guard": "monitor",
    "driver.signature": "isolate",
    "driver.nouveau": "isolate",
    "driver.nouveau_initramfs": "isolate",
    "tuning.record": "monitor",
    "tuning.values": "monitor",
    "tuning.swap": "monitor",
    "tuning.files": "monitor",
    "multinode.files": "monitor",
    "multinode.service": "monitor",
    "multinode.settings": "monitor",
    "multinode.memlock": "monitor",
    "manifest.packages": "monitor",
    "gpu.count": "isolate",
    "gpu.driver": "isolate",
    "gpu.lost": "reboot",
    "gpu.needs_reset": "reset",
    "gpu.needs_reboot": "reboot",
    "gpu.readable": "monitor",
    "gpu.model": "isolate",
    "gpu.ecc_mode": "monitor",
    "gpu.mig_mode": "monitor",
    "gpu.persistence": "monitor",
    "gpu.ecc_volatile": "reset",
    "gpu.ecc_aggregate": "monitor",
    "gpu.sram_threshold": "isolate",
    "gpu.row_remap_pending": "reset",
    "gpu.row_remap_failure": "isolate",
    "gpu.rows_remapped": "isolate",
    "gpu.retired_pages_pending": "reboot",
    "gpu.repair_pending": "reset",
    "gpu.unrepairable_memory": "isolate",
    "gpu.slowdown": "isolate",
    "gpu.heat": "monitor",
    "gpu.temperature": "monitor",
    "gpu.pcie_width": "reboot",
    "gpu.nvlink": "reset",
    "gpu.fabric": "isolate",
    **{trace.id: ("isolate" if trace.severity == CRITICAL else "monitor") for trace in TRACES},
    "hygiene.machine_id": "isolate",
    "hygiene.authorized_keys": "isolate",
    "hygiene.passwords": "isolate",
    "hygiene.random_seed": "isolate",
    "hygiene.private_keys": "isolate",
    "hygiene.proxies": "monitor",
    "hygiene.swap": "monitor",
    "hygiene.logs": "monitor",
}
#: What is not known does not stop a node, and does not let it pass for good either.
ON_UNKNOWN = "monitor"


def derive(results: Iterable[Result]) -> str:
    """The harshest of what the results ask for, ``ok`` when all of them passed or did not apply."""
    asked = ["ok"]
    for result in results:
        if result.status == FAIL:
            asked.append(ON_FAIL[result.id])
        elif result.status == UNKNOWN:
            asked.append(ON_UNKNOWN)
    return max(asked, key=VERDICTS.index)
