# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is looked at on each GPU: one row a question, answered from the facts of ``gpu_info``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Tuple

from .expect import Expect
from .model import CRITICAL, WARNING
from .thresholds import HARD_SLOWDOWNS, SOFT_SLOWDOWNS

Gpu = Mapping[str, Any]

_RESET = "Drain the node, then `nvidia-smi --gpu-reset -i GPU`; reboot if the GPU refuses."
_RETURN = (
    "Take the node out of service and have the GPU replaced; `nvidia-bug-report.sh` collects what NVIDIA asks for."
)


@dataclass(frozen=True)
class Rule:
    """One question about a GPU.

    ``value`` reads the fact (None: the GPU does not tell), ``wrong`` judges it and says what is wrong in a word or
    two, or returns an empty text. ``asked`` says why the question is left out, or returns an empty text.
    """

    id: str
    title: str
    severity: str
    remedy: str
    value: Callable[[Gpu], Any]
    wrong: Callable[[Any, Expect], str]
    asked: Callable[[Expect], str] = lambda _expect: ""


def _flag(name: str) -> Tuple[Callable[[Gpu], Any], Callable[[Any, Expect], str]]:
    return (lambda gpu: gpu.get(name)), (lambda value, _expect: "yes" if value else "")


def _above(name: str) -> Tuple[Callable[[Gpu], Any], Callable[[Any, Expect], str], Callable[[Expect], str]]:
    def wrong(value: Any, expect: Expect) -> str:
        limit = expect.threshold(name)
        return f"{value:g}" if limit is not None and value > limit else ""

    def asked(expect: Expect) -> str:
        return "" if expect.threshold(name) is not None else f"no threshold {name} is set"

    return (lambda gpu: gpu.get(name)), wrong, asked


def _mode(name: str, key: str) -> Tuple[Callable[[Gpu], Any], Callable[[Any, Expect], str], Callable[[Expect], str]]:
    def wrong(value: Any, expect: Expect) -> str:
        return "" if value is getattr(expect, key) else "on" if value else "off"

    def asked(expect: Expect) -> str:
        return "" if getattr(expect, key) is not None else f"no expectation {key!r}"

    return (lambda gpu: gpu.get(name)), wrong, asked


def _reasons(named: Tuple[str, ...]) -> Callable[[Any, Expect], str]:
    return lambda value, _expect: ", ".join(reason for reason in value if reason in named)


def _model(value: Any, expect: Expect) -> str:
    return "" if (expect.model or "").casefold() in value.casefold() else value


def _nvlink_wrong(value: Any, expect: Expect) -> str:
    if value["inactive"]:
        return "inactive " + ", ".join(str(link) for link in value["inactive"])
    if expect.nvlinks is not None and value["active"] != expect.nvlinks:
        return f"{value['active']} links, not {expect.nvlinks}"
    return ""


def _fabric(gpu: Gpu) -> Optional[Tuple[str, str]]:
    state, status = gpu["fabric"].get("state"), gpu["fabric"].get("status")
    return (state, status or "") if state else None


RULES: Tuple[Rule, ...] = (
    Rule(
        "gpu.model",
        "each GPU is of the expected model",
        CRITICAL,
        "Correct `model` in /etc/gpuforge/expect.json, or find out who changed the machine.",
        lambda gpu: gpu.get("name"),
        _model,
        lambda expect: "" if expect.model else "no expectation 'model'",
    ),
    Rule("gpu.ecc_mode", "ECC is as expected", WARNING, "`nvidia-smi -e 0|1`, then reboot.", *_mode("ecc_mode", "ecc")),
    Rule(
        "gpu.mig_mode",
        "MIG is as expected",
        WARNING,
        "`nvidia-smi -mig 0|1` on the drained node.",
        *_mode("mig_mode", "mig"),
    ),
    Rule(
        "gpu.persistence",
        "persistence mode is as expected",
        WARNING,
        "`systemctl enable --now nvidia-persistenced`.",
        *_mode("persistence_mode", "persistence"),
    ),
    Rule(
        "gpu.ecc_volatile",
        "no uncorrected memory error since the driver was loaded",
        CRITICAL,
        _RESET,
        *_above("ecc_uncorrected_volatile"),
    ),
    Rule(
        "gpu.ecc_aggregate",
        "uncorrected memory errors of its life are within the threshold",
        WARNING,
        _RETURN,
        *_above("ecc_uncorrected_aggregate"),
    ),
    Rule(
        "gpu.sram_threshold",
        "the driver counts no excess of SRAM errors",
        CRITICAL,
        _RETURN,
        *_flag("ecc_sram_threshold_exceeded"),
    ),
    Rule("gpu.row_remap_pending", "no row waits to be remapped", CRITICAL, _RESET, *_flag("row_remap_pending")),
    Rule("gpu.row_remap_failure", "no row could not be remapped", CRITICAL, _RETURN, *_flag("row_remap_failure")),
    Rule("gpu.rows_remapped", "spare rows are left", CRITICAL, _RETURN, *_above("rows_remapped_uncorrected")),
    Rule(
        "gpu.retired_pages_pending",
        "no memory page waits to be retired",
        CRITICAL,
        "Drain the node and reboot: pages are retired when the driver loads.",
        *_flag("retired_pages_pending"),
    ),
    Rule("gpu.repair_pending", "no part waits to be repaired", CRITICAL, _RESET, *_flag("repair_pending")),
    Rule("gpu.unrepairable_memory", "no memory is beyond repair", CRITICAL, _RETURN, *_flag("unrepairable_memory")),
    Rule(
        "gpu.slowdown",
        "the hardware does not slow itself down",
        CRITICAL,
        "Look at fans, air flow, power supplies and cables; `nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER`.",
        lambda gpu: gpu.get("throttle_reasons"),
        _reasons(HARD_SLOWDOWNS),
    ),
    Rule(
        "gpu.heat",
        "the driver does not lower clocks for heat",
        WARNING,
        "Look at fans and air flow; `nvidia-smi -q -d TEMPERATURE`.",
        lambda gpu: gpu.get("throttle_reasons"),
        _reasons(SOFT_SLOWDOWNS),
    ),
    Rule(
        "gpu.temperature",
        "the temperature is within the threshold",
        WARNING,
        "Look at fans and air flow.",
        *_above("temperature_c"),
    ),
    Rule(
        "gpu.nvlink",
        "every NVLink is active",
        CRITICAL,
        "`systemctl status nvidia-fabricmanager`, `nvidia-smi nvlink -e`; reset all GPUs of the board together.",
        lambda gpu: gpu.get("nvlink"),
        _nvlink_wrong,
    ),
    Rule(
        "gpu.fabric",
        "the NVLink fabric is set up",
        CRITICAL,
        "`systemctl restart nvidia-fabricmanager` (of exactly the driver's version), then look again.",
        _fabric,
        lambda value, _expect: "" if value == ("Completed", "Success") else " ".join(value),
    ),
)
