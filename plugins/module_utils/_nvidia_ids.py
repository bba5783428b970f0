# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""PCI identities of NVIDIA data-center GPUs and switches.

Sources: pci.ids (pciutils/pciids, 2026-08-22) and the device table in the README of NVIDIA/open-gpu-kernel-modules
595.45.04 for GPUs; src/common/nvswitch/kernel/nvswitch.c of the same repository for switches.
A GPU that is not listed is still a GPU: class and vendor decide, the table only gives a name without the driver.
"""

from __future__ import annotations

from typing import Dict, Optional, Tuple

VENDOR = 0x10DE
GPU_CLASSES = (0x0300, 0x0302)  # VGA and 3D controller; audio (0403) and USB (0c03) functions share the vendor
BRIDGE_CLASS = 0x0680  # how second and third generation NVSwitches show themselves

_NAMES: Tuple[Tuple[str, str, str], ...] = (
    # name, architecture, device ids
    ("P100 PCIe", "Pascal", "15f7 15f8"),
    ("P100 SXM2", "Pascal", "15f9"),
    ("P40", "Pascal", "1b38"),
    ("P4", "Pascal", "1bb3"),
    ("P6", "Pascal", "1bb4"),
    ("V100 SXM2", "Volta", "1db1 1db5"),
    ("V100 PCIe", "Volta", "1db3 1db4 1db6"),
    ("V100 SXM3", "Volta", "1db8"),
    ("V100S", "Volta", "1df6"),
    ("T4", "Turing", "1eb8"),
    ("T4G", "Turing", "1eb4"),
    ("A100 SXM4", "Ampere", "20b0 20b2 20b3"),
    ("A100 PCIe", "Ampere", "20b1 20b5 20f1"),
    ("A800 SXM4", "Ampere", "20bd 20f3"),
    ("A800 PCIe", "Ampere", "20f5 20f6"),
    ("A30", "Ampere", "20b7"),
    ("A10", "Ampere", "2236"),
    ("A10G", "Ampere", "2237"),
    ("A10M", "Ampere", "2238"),
    ("A40", "Ampere", "2235"),
    ("A2/A16", "Ampere", "25b6"),
    ("L4", "Ada Lovelace", "27b8"),
    ("L40", "Ada Lovelace", "26b5"),
    ("L40S", "Ada Lovelace", "26b9"),
    ("L20", "Ada Lovelace", "26ba"),
    ("H100 SXM5", "Hopper", "2330 2337 2338 2339 233d"),
    ("H100 PCIe", "Hopper", "2331"),
    ("H100 NVL", "Hopper", "2321"),
    ("H800", "Hopper", "2322 2324 233a"),
    ("H20", "Hopper", "230e 2329 232c"),
    ("H200 SXM5", "Hopper", "2335"),
    ("H200 NVL", "Hopper", "233b"),
    ("GH200", "Hopper", "2342 2348"),
    ("B100", "Blackwell", "2920 29bc"),
    ("B200", "Blackwell", "2901 2909"),
    ("GB200", "Blackwell", "2941"),
    ("B300", "Blackwell", "3182"),
    ("GB300", "Blackwell", "31a1 31c2 31c3"),
    ("RTX PRO 6000 Blackwell Server Edition", "Blackwell", "2bb5"),
    ("RTX PRO 4500 Blackwell Server Edition", "Blackwell", "2c3a"),
    ("GB10", "Blackwell", "2e12"),
)

GPUS: Dict[int, Tuple[str, str]] = {
    int(device, 16): (name, architecture) for name, architecture, devices in _NAMES for device in devices.split()
}


def gpu_name(device: Optional[int]) -> str:
    """Return a name for a GPU's PCI device id, with the id itself when it is not in the table."""
    if device in GPUS:
        return "NVIDIA " + GPUS[device][0]
    return "NVIDIA GPU" if device is None else f"NVIDIA GPU 10de:{device:04x}"


def gpu_architecture(device: Optional[int]) -> Optional[str]:
    """Return the architecture of a PCI device id as nvidia-smi spells it, or None when it is not in the table."""
    return GPUS[device][1] if device in GPUS else None


def nvswitch_generation(device: Optional[int]) -> Optional[int]:
    """Return 2 (A100 boards) or 3 (H100/H200 boards) for a switch's PCI device id, else None.

    Fourth-generation switches are not on PCI Express; ConnectX-7 bridges stand for them (see ``_gpu.py``).
    """
    if device is None:
        return None
    if device == 0x1AE8 or 0x1AF0 <= device <= 0x1AFF:
        return 2
    return 3 if 0x22A0 <= device <= 0x22A7 else None
