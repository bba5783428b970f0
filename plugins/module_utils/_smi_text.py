# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The two plain-text outputs of nvidia-smi that say what its XML does not: NVLink states and MIG profile names."""

from __future__ import annotations

import re
from typing import Dict, List, Optional

from ._problem import Facts
from ._smi_tree import decode

_GPU = re.compile(r"^\s*GPU\s+(\d{1,9}):\s*(.*?)\s*(?:\(UUID:\s*([^)]*)\))?\s*$")
_LINK = re.compile(r"^\s*Link\s+(\d{1,9}):\s*(.*?)\s*$")
_SPEED = re.compile(r"^(\d+(?:\.\d+)?)\s*GB/s", re.IGNORECASE)
_MIG = re.compile(r"^\s*MIG\s+(\S+)\s+Device\s+(\d{1,9}):\s*\(UUID:\s*([^)]*)\)")


def parse_nvlink(data: bytes) -> Dict[int, Optional[Facts]]:
    """Parse ``nvidia-smi nvlink --status``: GPU index -> its links, or None for a GPU without NVLink (or in MIG mode).

    ``links`` and ``active`` are counts, ``inactive`` the numbers of links that are down, ``gb_per_s`` the speed of one
    active link and direction, in GB/s as printed.
    """
    result: Dict[int, Optional[Facts]] = {}
    current: Optional[int] = None
    for line in decode(data)[0].splitlines():
        gpu, link = _GPU.match(line), _LINK.match(line)
        if gpu is not None:
            current = int(gpu.group(1))
            result[current] = None
        elif link is not None and current is not None:
            facts = result[current] or {"links": 0, "active": 0, "inactive": [], "gb_per_s": None}
            speed = _SPEED.match(link.group(2))
            facts["links"] += 1
            if speed is None:
                facts["inactive"].append(int(link.group(1)))
            else:
                facts["active"] += 1
                facts["gb_per_s"] = float(speed.group(1))
            result[current] = facts
    return result


def parse_mig_list(data: bytes) -> Dict[int, List[Facts]]:
    """Parse ``nvidia-smi -L``: GPU index -> its MIG devices with ``index``, ``profile`` and ``uuid``."""
    result: Dict[int, List[Facts]] = {}
    current: Optional[int] = None
    for line in decode(data)[0].splitlines():
        gpu, mig = _GPU.match(line), _MIG.match(line)
        if mig is not None and current is not None:
            result[current].append({"index": int(mig.group(2)), "profile": mig.group(1), "uuid": mig.group(3)})
        elif gpu is not None:
            current = int(gpu.group(1))
            result[current] = []
    return result
