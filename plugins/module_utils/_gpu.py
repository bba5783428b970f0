# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The GPUs of a node: what the driver says joined with what is on the bus.

The list holds every GPU that either side knows. Where they disagree there is a named problem, never a shorter list:
a GPU that fell off the driver is exactly the one somebody has to hear about.
"""

from __future__ import annotations

import re
import time
from typing import Dict, List, Optional

from . import _nvidia_ids
from ._nvidia_smi import SmiReport, messages, parse_nvidia_smi
from ._pci import PciDevice, read_pci
from ._problem import Facts, problem
from ._smi_run import Answer, find_program, run
from ._smi_text import parse_mig_list, parse_nvlink
from ._smi_tree import decode
from ._sysfs import Tree

DEFAULT_TIMEOUT = 30.0  # seconds; without persistence mode 8 GPUs take up to 20 s to wake up
# Transfer rate of one lane in GT/s -> PCI Express generation (PCI Express Base Specification).
_GENERATIONS = {
    "2.5": 1,
    "5": 2,
    "5.0": 2,
    "8": 3,
    "8.0": 3,
    "16": 4,
    "16.0": 4,
    "32": 5,
    "32.0": 5,
    "64": 6,
    "64.0": 6,
}
# Products that have NVLink for sure, so that its state must be readable: SXM boards, HGX/DGX and Grace systems.
_HAS_NVLINK = re.compile(r"SXM|HBM3|\bA[18]00\b|\bH[128]00\b|\bG?[HB][123]00\b")
_OTHER_DRIVERS = frozenset(("vfio-pci", "pci-stub", "nouveau", "nova_core", "nova-core"))
# What nobody but the driver knows about a GPU.
_DRIVER_ONLY = (
    "index",
    "serial",
    "driver_model",
    "virtualization_mode",
    "memory_total_mib",
    "persistence_mode",
    "mig_mode",
    "ecc_mode",
    "ecc_uncorrected_volatile",
    "ecc_uncorrected_aggregate",
    "ecc_sram_threshold_exceeded",
    "row_remap_pending",
    "row_remap_failure",
    "rows_remapped_uncorrected",
    "retired_pages_pending",
    "repair_pending",
    "unrepairable_memory",
    "recovery_action",
    "temperature_c",
    "power_draw_w",
    "power_limit_w",
    "throttle_reasons",
    "nvlink",
)


def read_gpus(
    root: str = "/",
    nvidia_smi: Optional[str] = None,
    timeout: float = DEFAULT_TIMEOUT,
    *,
    bus_only: bool = False,
    tree: Optional[Tree] = None,
    devices: Optional[List[PciDevice]] = None,
) -> Facts:
    """Return the GPU facts of a node, as RETURN of the module ``gpu_info`` describes them.

    :param root: directory that stands for ``/``.
    :param nvidia_smi: program to ask; None looks in PATH, and only when *root* is ``/``.
    :param timeout: seconds that all runs of the program may take together.
    :param bus_only: ask the bus alone, no program.
    :param tree: an open tree of *root*, to share its cache.
    :param devices: the tree's PCI devices, when they are known already.
    """
    tree = tree or Tree(root)
    devices = read_pci(tree) if devices is None else devices
    program = None if bus_only else find_program(nvidia_smi, root)
    report = SmiReport()
    if program is not None:
        report = _ask(program, timeout)
    gpus = _join(report, [device for device in devices if device.is_gpu], bool(devices), tree)
    return {
        "driver_version": report.driver_version or _kernel_driver_version(tree),
        "cuda_version": report.cuda_version,
        "source": "nvidia-smi" if report.answered else "pci",
        "gpus": gpus,
        "nvswitches": read_nvswitches(tree, devices),
        "problems": report.problems + tree.problems(),
    }


def _ask(program: str, timeout: float) -> SmiReport:
    """Run the program and return what it said, its failures among the problems."""
    deadline = time.monotonic() + timeout
    answer = run([program, "-q", "-x"], timeout)
    if not answer.started:
        report = SmiReport()
        report.problems.append(problem("nvidia-smi-missing", answer.failure))
        return report
    report = parse_nvidia_smi(answer.output)
    if report.answered:
        report.problems.extend(messages(decode(answer.errors)[0]))
    else:
        report = parse_nvidia_smi(answer.output + b"\n" + answer.errors)
    if answer.failure and not (report.attached == 0 and report.answered):  # "No devices were found" exits 6
        name = "nvidia-smi-timeout" if answer.timed_out else "nvidia-smi-failed"
        report.problems.insert(0, problem(name, answer.failure))
    for gpu in report.gpus:
        gpu["nvlink"] = None
    if report.gpus and not answer.failure:
        _add_nvlink(report, run([program, "nvlink", "--status"], max(1.0, deadline - time.monotonic())))
        if any(gpu["mig_devices"] for gpu in report.gpus):
            _add_mig_names(report, run([program, "-L"], max(1.0, deadline - time.monotonic())))
    return report


def _add_nvlink(report: SmiReport, answer: Answer) -> None:
    links = parse_nvlink(answer.output)
    for gpu in report.gpus:
        gpu["nvlink"] = links.get(gpu["index"])
        known = gpu["index"] in links or gpu["mig_mode"] or gpu["virtualization_mode"] == "VGPU"
        if answer.failure and not known and _HAS_NVLINK.search(gpu["name"] or ""):
            report.problems.append(problem("nvlink-unreadable", answer.failure, gpu["pci_bus_id"] or ""))


def _add_mig_names(report: SmiReport, answer: Answer) -> None:
    listed = parse_mig_list(answer.output)
    for gpu in report.gpus:
        for device in gpu["mig_devices"]:
            for named in listed.get(gpu["index"], []):
                if named["index"] == device["index"]:
                    device.update(profile=named["profile"], uuid=named["uuid"])
    if answer.failure:
        report.problems.append(problem("mig-names-unreadable", answer.failure))


def _join(report: SmiReport, on_bus: List[PciDevice], bus_readable: bool, tree: Tree) -> List[Facts]:
    """Return the union of both sides; disagreements are appended to the report's problems."""
    by_address = {device.address: device for device in on_bus}
    for gpu in report.gpus:
        device = by_address.pop(gpu["pci_bus_id"] or "", None)
        gpu["numa_node"] = device.numa_node if device is not None else None
        gpu["driver"] = device.driver if device is not None else None
        gpu["lost"] = any(
            found["id"] == "gpu-lost" and found["subject"] == gpu["pci_bus_id"] for found in report.problems
        )
        if device is None:
            if bus_readable:
                report.problems.append(
                    problem(
                        "gpu-not-on-bus",
                        f"nvidia-smi describes {gpu['name']}, which is not on the PCI bus as sysfs shows it",
                        gpu["pci_bus_id"] or "",
                    )
                )
            continue
        seen = f"{device.vendor:04x}:{device.device:04x}" if device.vendor and device.device else None
        gpu["pci_device_id"] = gpu["pci_device_id"] or seen
        if seen is not None and gpu["pci_device_id"] != seen:
            report.problems.append(
                problem(
                    "gpu-id-mismatch",
                    f"nvidia-smi says PCI id {gpu['pci_device_id']}, sysfs says {seen}",
                    device.address,
                )
            )
    rest = []
    for device in by_address.values():
        name = _nvidia_ids.gpu_name(device.device)
        lost: Optional[bool] = None  # nobody answered for it
        if device.driver in _OTHER_DRIVERS:
            lost = False
            report.problems.append(
                problem(
                    "gpu-held-by-other-driver", f"{name} is bound to {device.driver}, not to nvidia", device.address
                )
            )
        elif report.truncated:
            report.problems.append(
                problem(
                    "gpu-not-described",
                    f"{name} is on the PCI bus and nvidia-smi's output ends before it",
                    device.address,
                )
            )
        elif report.answered:
            lost = True
            report.problems.append(
                problem(
                    "gpu-missing-from-driver",
                    f"{name} is on the PCI bus (bound to "
                    f"{device.driver or 'no driver'}) and nvidia-smi does not show it",
                    device.address,
                )
            )
        rest.append(_from_pci(device, tree, lost))
    # The driver numbers GPUs in bus order unless told otherwise; without it the bus gives the order.
    if not report.gpus and not report.answered:
        for index, gpu in enumerate(rest):
            gpu["index"] = index
    return report.gpus + rest


def _from_pci(device: PciDevice, tree: Tree, lost: Optional[bool]) -> Facts:
    """Return the facts of a GPU that only the bus knows: what cannot be known without the driver is None."""
    said = _driver_information(tree, device.address)
    gpu: Facts = dict.fromkeys(_DRIVER_ONLY)
    gpu.update(
        {
            "uuid": said.get("GPU UUID"),
            "name": said.get("Model") or _nvidia_ids.gpu_name(device.device),
            "architecture": _nvidia_ids.gpu_architecture(device.device),
            "pci_bus_id": device.address,
            "pci_device_id": f"10de:{device.device:04x}" if device.device is not None else None,
            "numa_node": device.numa_node,
            "driver": device.driver,
            "lost": lost,
            "mig_devices": [],
            "clocks_mhz": {"graphics": None, "sm": None, "mem": None},
            "fabric": {"state": None, "status": None, "cluster_uuid": None, "clique_id": None},
            "pcie": {
                "gen": _generation(tree.text(device.path + "/current_link_speed")),
                "width": _width(tree.number(device.path + "/current_link_width")),
                "gen_max": _generation(tree.text(device.path + "/max_link_speed")),
                "width_max": _width(tree.number(device.path + "/max_link_width")),
            },
        }
    )
    return gpu


def _driver_information(tree: Tree, address: str) -> Dict[str, str]:
    """Return what the kernel module says about a GPU; it answers even where nvidia-smi hangs."""
    text = tree.text(f"/proc/driver/nvidia/gpus/{address}/information") or ""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip() and "?" not in value}


def _kernel_driver_version(tree: Tree) -> Optional[str]:
    """Return the version of the loaded kernel module, or None when none is loaded."""
    said = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", tree.text("/proc/driver/nvidia/version") or "")
    return said.group(1) if said else tree.text("/sys/module/nvidia/version") or None


def _generation(speed: Optional[str]) -> Optional[int]:
    return _GENERATIONS.get((speed or "").split(" ")[0])


def _width(lanes: Optional[int]) -> Optional[int]:
    return lanes if lanes is not None and 0 < lanes <= 32 else None  # 0 and 63/255: no link, device gone


def read_nvswitches(tree: Tree, devices: List[PciDevice]) -> List[Facts]:
    """Return the NVSwitches: on the PCI bus (A100, H100 boards), or as management bridges (B200/B300 boards).

    The bridges are ConnectX-7 InfiniBand functions whose vital product data holds ``SW_MNG``
    (NVIDIA Fabric Manager User Guide, chapter on fourth-generation NVSwitches).
    """
    found = []
    for device in devices:
        generation = None
        if device.vendor == _nvidia_ids.VENDOR and device.class_code == _nvidia_ids.BRIDGE_CLASS:
            generation = _nvidia_ids.nvswitch_generation(device.device)
        elif is_switch_management(tree, device):
            generation = 4
        if generation is not None:
            found.append(
                {
                    "pci_bus_id": device.address,
                    "generation": generation,
                    "numa_node": device.numa_node,
                    "pci_device_id": f"{device.vendor:04x}:{device.device:04x}",
                }
            )
    return found


def is_switch_management(tree: Tree, device: PciDevice) -> bool:
    """Return whether a ConnectX function is the management bridge of a fourth-generation NVSwitch."""
    return (
        device.vendor == 0x15B3
        and device.class_code == 0x0207
        and b"SW_MNG" in (tree.data(device.path + "/vpd") or b"")
    )
