# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What `nvidia-smi -q -x` says, for every layout from v8 to v13 and later.

The schema number in the DOCTYPE does not fix the layout (570 prints v12 with v13's fields), so each value is looked
for at every place it ever had. Old names first seen gone: fb_memory_usage was memory_usage (before 340),
clocks_throttle_reasons became clocks_event_reasons (535), power_readings became gpu_power_readings (535),
pending_retirement was pending_blacklist (before 470), ECC went from single_bit/double_bit (to Volta) to
sram/dram counters (Ampere), sram_uncorrectable split into parity and secded (545), cuda_version became
cuda_umd_version (615), and the newest drivers keep the power limits in a section gpu_ceiling_power_limit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional

from ._pci import normal_address
from ._problem import Facts, problem
from ._smi_tree import Element, read_document
from ._smi_values import Fields, failure, is_absent

# Streaming multiprocessors -> compute slices of a MIG instance. Sources: NVIDIA MIG User Guide, tables "GPU Instance
# Profiles" for A30, A100 and H100. Other counts leave the profile unknown; `nvidia-smi -L` then tells it.
_MIG_SLICES = {14: 1, 28: 2, 42: 3, 56: 4, 98: 7, 16: 1, 26: 1, 32: 2, 60: 3, 64: 4, 132: 7}
_BUS_ID = re.compile(r"\b(?:GPU\s?)?((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\b", re.IGNORECASE)
_NO_DEVICES = re.compile(r"no devices (?:were )?found", re.IGNORECASE)


@dataclass
class SmiReport:
    """One parsed output.

    ``answered`` is False when it says nothing about GPUs (no XML, nor "No devices were found"); ``truncated`` is True
    when the XML ends in the middle, so that a GPU that is not described may still be well.
    """

    driver_version: Optional[str] = None
    cuda_version: Optional[str] = None
    attached: Optional[int] = None
    answered: bool = False
    truncated: bool = False
    gpus: List[Facts] = field(default_factory=list)
    problems: List[Dict[str, str]] = field(default_factory=list)


def parse_nvidia_smi(data: bytes) -> SmiReport:
    """Parse the output of ``nvidia-smi -q -x`` (standard output and error together). Never raises.

    GPUs come in the order printed; ``pci_bus_id`` is in sysfs's form, lower case with a 4-digit (or longer) domain.
    """
    document = read_document(data)
    report = SmiReport()
    if document.replaced:
        report.problems.append(problem("nvidia-smi-not-text", "nvidia-smi printed bytes that are not UTF-8"))
    for text in (document.before, document.after):
        report.problems.extend(messages(text))
    if document.root is None:
        report.answered = bool(_NO_DEVICES.search(document.before))
        if report.answered:
            report.attached, report.problems = 0, []
        elif not document.before:
            report.problems.append(problem("nvidia-smi-unparsable", "nvidia-smi printed nothing"))
        return report
    report.answered = True
    top = Fields(document.root, "")
    report.driver_version = top.text("driver_version", "kmd_version")
    report.cuda_version = top.text("cuda_version", "cuda_umd_version")
    report.attached = top.whole("attached_gpus")
    report.truncated = not document.whole
    if report.truncated:
        report.problems.append(problem("nvidia-smi-truncated", "nvidia-smi's output ends in the middle"))
    for element in document.root.children:
        if element.tag == "gpu":
            report.gpus.append(_gpu(element, len(report.gpus), report.problems, report.truncated))
    report.problems.extend(top.problems)
    if not report.gpus and report.attached is None and not report.problems:
        report.problems.append(problem("field-missing", "nvidia-smi neither counts nor describes any GPU"))
    if report.attached is not None and report.attached != len(report.gpus):
        report.problems.append(
            problem(
                "gpu-count-mismatch",
                f"nvidia-smi says {report.attached} GPUs are attached and describes {len(report.gpus)}",
            )
        )
    return report


def messages(text: str) -> List[Dict[str, str]]:
    """Return a problem for each line printed outside the XML."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        match = _BUS_ID.search(line)
        subject = (normal_address(match.group(1)) or "") if match else ""
        kind = failure(line) if subject else None
        found.append(
            problem(
                kind if kind in ("gpu-lost", "gpu-requires-reset") else "nvidia-smi-message",
                line.strip()[:300],
                subject,
            )
        )
    return found


def _gpu(element: Element, index: int, problems: List[Dict[str, str]], cut: bool) -> Facts:
    """Return the facts of one ``<gpu>`` element; what is wrong with it goes to *problems*."""
    address = _address(element)
    fields = Fields(element, address or f"gpu {index}")
    if cut and not element.closed:
        fields.problems.append(
            problem("gpu-truncated", "the description of this GPU ends in the middle", fields.subject)
        )
    gpu: Facts = {
        "index": index,
        "uuid": fields.text("uuid"),
        "name": fields.text("product_name"),
        "architecture": fields.text("product_architecture"),
        "pci_bus_id": address,
        "pci_device_id": _device_id(fields.text("pci/pci_device_id")),
        "serial": fields.text("serial"),
        "driver_model": fields.text("driver_model/current_dm"),
        "virtualization_mode": fields.text("gpu_virtualization_mode/virtualization_mode"),
        "memory_total_mib": fields.mebibytes("fb_memory_usage/total", "memory_usage/total"),
        "persistence_mode": fields.flag("persistence_mode"),
        "mig_mode": fields.flag("mig_mode/current_mig"),
        "ecc_mode": fields.flag("ecc_mode/current_ecc"),
        "ecc_uncorrected_volatile": _uncorrected(fields, "volatile"),
        "ecc_uncorrected_aggregate": _uncorrected(fields, "aggregate"),
        "ecc_sram_threshold_exceeded": fields.flag("ecc_errors/aggregate/sram_threshold_exceeded"),
        "row_remap_pending": fields.flag("remapped_rows/remapped_row_pending"),
        "row_remap_failure": fields.flag("remapped_rows/remapped_row_failure"),
        "rows_remapped_uncorrected": fields.whole("remapped_rows/remapped_row_unc"),
        "retired_pages_pending": fields.flag("retired_pages/pending_retirement", "retired_pages/pending_blacklist"),
        "repair_pending": _either(
            fields.flag("ecc_errors/channel_repair_pending"), fields.flag("ecc_errors/tpc_repair_pending")
        ),
        "unrepairable_memory": fields.flag("ecc_errors/unrepairable_memory"),
        "recovery_action": fields.text("gpu_recovery_action"),
        "temperature_c": fields.whole("temperature/gpu_temp", least=-273),
        "power_draw_w": fields.real(
            "gpu_power_readings/instant_power_draw",
            "gpu_power_readings/power_draw",
            "gpu_power_readings/average_power_draw",
            "power_readings/power_draw",
        ),
        "power_limit_w": fields.real(
            "gpu_power_readings/current_power_limit",
            "gpu_power_readings/gpu_ceiling_power_limit/current_power_limit",
            "power_readings/enforced_power_limit",
            "power_readings/power_limit",
        ),
        "clocks_mhz": {name: fields.whole(f"clocks/{name}_clock") for name in ("graphics", "sm", "mem")},
        "throttle_reasons": _throttle_reasons(element),
        "fabric": {
            "state": fields.text("fabric/state"),
            "status": fields.text("fabric/status"),
            "cluster_uuid": fields.text("fabric/clusterUuid"),
            "clique_id": fields.text("fabric/cliqueId"),
        },
        "pcie": _pcie(fields),
    }
    gpu["mig_devices"] = _mig_devices(element, gpu["memory_total_mib"], fields)
    for name, where in (("uuid", "uuid"), ("name", "product_name"), ("pci_bus_id", "pci_bus_id")):
        if gpu[name] is None:  # every layout prints these; without them the GPU cannot be told from others
            fields.problems.append(problem("field-missing", f"nvidia-smi did not print {where}", fields.subject))
    fields.sweep()
    problems.extend(fields.problems)
    return gpu


def _address(element: Element) -> Optional[str]:
    """Return the PCI address from the element's id, else from its pci section."""
    for text in (element.attributes.get("id"), _text(element, "pci/pci_bus_id")):
        address = normal_address(text) if text else None
        if address:
            return address
    parts = [_text(element, f"pci/pci_{name}") for name in ("domain", "bus", "device")]
    return normal_address("{}:{}:{}.0".format(*parts)) if all(parts) else None


def _text(element: Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None or is_absent(found.text) else found.text


def _device_id(text: Optional[str]) -> Optional[str]:
    """Return ``10de:20b2`` for nvidia-smi's ``20B210DE`` (older: ``0x20B210DE``)."""
    digits = (text or "").lower().replace("0x", "")
    if not re.match(r"^[0-9a-f]{8}$", digits) or digits[4:] != "10de":
        return None
    return f"10de:{digits[:4]}" if digits[:4] != "0000" else None  # scrubbed captures print zeros


def _either(one: Optional[bool], other: Optional[bool]) -> Optional[bool]:
    return None if one is None and other is None else bool(one or other)


def _uncorrected(fields: Fields, period: str) -> Optional[int]:
    """Return the uncorrected ECC errors of one period, whichever generation of counters is printed."""
    base = f"ecc_errors/{period}/"
    sram = fields.whole(base + "sram_uncorrectable")
    if sram is None:
        sram = fields.total(base + "sram_uncorrectable_parity", base + "sram_uncorrectable_secded")
    dram = fields.whole(base + "dram_uncorrectable")
    if sram is not None or dram is not None:
        return (sram or 0) + (dram or 0)
    old = fields.whole(base + "double_bit/total")
    if old is not None:
        return old
    return fields.total(
        *(
            base + "double_bit/" + part
            for part in (
                "device_memory",
                "register_file",
                "l1_cache",
                "l2_cache",
                "texture_memory",
                "texture_shm",
                "cbu",
            )
        )
    )


def _throttle_reasons(element: Element) -> Optional[List[str]]:
    """Return the active reasons without their prefix (``gpu_idle``, ``sw_power_cap`` ...), or None when unknown."""
    for section in ("clocks_event_reasons", "clocks_throttle_reasons"):
        found = element.child(section)
        if found is not None and found.children:
            return [
                re.sub(r"^clocks_(?:event|throttle)_reason_", "", child.tag)
                for child in found.children
                if child.text.strip().lower() == "active"
            ]
    return None


def _pcie(fields: Fields) -> Facts:
    base = "pci/pci_gpu_link_info/"
    return {
        "gen": fields.whole(base + "pcie_gen/current_link_gen"),
        "width": fields.whole(base + "link_widths/current_link_width"),
        "gen_max": fields.whole(base + "pcie_gen/max_link_gen"),
        "width_max": fields.whole(base + "link_widths/max_link_width"),
    }


def _mig_devices(element: Element, gpu_mib: Optional[int], parent: Fields) -> List[Facts]:
    """Return the MIG devices of a GPU."""
    section = element.child("mig_devices")
    named = re.search(r"(\d+)\s?GB\b", parent.text("product_name") or "")
    nominal = int(named.group(1)) if named else math.ceil(gpu_mib / 1024) if gpu_mib else None
    devices: List[Facts] = []
    for child in section.children if section is not None else []:
        if child.tag != "mig_device":
            continue
        fields = Fields(child, parent.subject)
        memory = fields.mebibytes("fb_memory_usage/total")
        multiprocessors = fields.whole("device_attributes/shared/multiprocessor_count")
        devices.append(
            {
                "index": fields.whole("index"),
                "uuid": fields.text("uuid"),
                "gpu_instance_id": fields.whole("gpu_instance_id"),
                "compute_instance_id": fields.whole("compute_instance_id"),
                "profile": mig_profile(multiprocessors, memory, nominal),
                "memory_total_mib": memory,
                "multiprocessors": multiprocessors,
                "ecc_uncorrected_volatile": fields.whole("ecc_error_count/volatile_count/sram_uncorrectable"),
            }
        )
        parent.problems.extend(fields.problems)
    return devices


def mig_profile(multiprocessors: Optional[int], mib: Optional[int], gpu_gb: Optional[int]) -> Optional[str]:
    """Return a MIG profile's name (``3g.20gb``) from its size, or None when that does not decide it.

    The name's memory is the GPU's nominal GB times the eighths of memory the instance owns, rounded half up.
    """
    slices = _MIG_SLICES.get(multiprocessors or 0)
    if slices is None or not mib or not gpu_gb:
        return None
    for eighths in (1, 2, 4, 8):
        share = gpu_gb * eighths / 8
        if mib <= share * 1024 * 1.02:  # instances lose some to reserved pages, never gain more than rounding
            return f"{slices}g.{int(share + 0.5)}gb"
    return None
