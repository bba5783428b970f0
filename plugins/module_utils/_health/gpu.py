# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``gpu``: is every GPU there, does the driver answer for it, and is it well?"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence

from .gpu_rules import RULES, Gpu, Rule
from .machine import Machine
from .model import CRITICAL, NEEDS_BOOT, Check, Outcome, failed, passed, skipped, unknown

_NONE = "no GPU on the bus and none expected"

#: Which check a problem of ``gpu_info`` belongs to. What is not named here is something that could not be read, and
#: makes gpu.readable unknown: a new kind of problem is never overlooked.
PROBLEMS: Mapping[str, str] = {
    "gpu-lost": "gpu.lost",
    "gpu-missing-from-driver": "gpu.lost",
    "gpu-not-on-bus": "gpu.lost",
    "gpu-count-mismatch": "gpu.lost",
    "gpu-held-by-other-driver": "gpu.driver",
    "nvidia-smi-missing": "gpu.driver",
    "nvidia-smi-failed": "gpu.driver",
    "nvidia-smi-timeout": "gpu.driver",
    "nvidia-smi-unparsable": "gpu.driver",
    "gpu-requires-reset": "gpu.needs_reset",
}
#: Values of nvidia-smi's "GPU Recovery Action" (nvidia-smi(1)) that ask for a reset, and for a reboot.
_RESET_ACTIONS = ("reset", "gpu reset", "drain and reset", "drain p2p")
_REBOOT_ACTIONS = ("reboot", "node reboot")


def _facts(machine: Machine) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = machine.once("gpu", machine.gpu_facts)
    return facts


def _where_there_are_gpus(ask: Callable[[Machine], Outcome]) -> Callable[[Machine], Outcome]:
    def asked(machine: Machine) -> Outcome:
        if _facts(machine)["gpus"]:
            return ask(machine)
        return skipped("no GPU to ask, see gpu.count" if machine.expect.wants_gpu else _NONE)

    return asked


def _said(machine: Machine, check: str) -> List[str]:
    """What ``gpu_info`` reports that belongs to the check."""
    return [
        f"{item['subject']}: {item['message']}" if item.get("subject") else item["message"]
        for item in _facts(machine)["problems"]
        if PROBLEMS.get(item["id"], "gpu.readable") == check
    ]


def _name(gpu: Gpu) -> str:
    return str(gpu.get("pci_bus_id") or gpu.get("uuid") or f"GPU {gpu.get('index')}")


def _count(machine: Machine) -> Outcome:
    found, wanted = len(_facts(machine)["gpus"]), machine.expect.count
    if wanted is None:
        if machine.expect.wants_gpu:
            return passed(str(found), "at least 1") if found else failed("0", "at least 1")
        return passed(str(found), "any number") if found else skipped(_NONE)
    return passed(str(found), str(wanted)) if found == wanted else failed(str(found), str(wanted))


@_where_there_are_gpus
def _driver(machine: Machine) -> Outcome:
    expected = "nvidia-smi describes the GPUs"
    said = _said(machine, "gpu.driver")
    if said:
        return failed("; ".join(said), expected)
    if _facts(machine)["source"] == "nvidia-smi":
        return passed(f"driver {_facts(machine)['driver_version']}", expected)
    return failed("nvidia-smi is not installed", expected) if machine.live else skipped(NEEDS_BOOT)


@_where_there_are_gpus
def _lost(machine: Machine) -> Outcome:
    expected = "the driver has every GPU on the bus"
    gpus = _facts(machine)["gpus"]
    lost = [_name(gpu) for gpu in gpus if gpu["lost"]]
    said = _said(machine, "gpu.lost") or [f"{name}: lost" for name in lost]
    if said:
        return failed("; ".join(said), expected)
    unsure = [_name(gpu) for gpu in gpus if gpu["lost"] is None]
    if unsure:
        return unknown("not described: " + ", ".join(unsure), expected)
    if _facts(machine)["source"] != "nvidia-smi":
        return unknown("the driver was not asked, see gpu.driver", expected) if machine.live else skipped(NEEDS_BOOT)
    return passed(f"{len(gpus)} of {len(gpus)}", expected)


def _recovery(actions: Sequence[str], check: str) -> Callable[[Machine], Outcome]:
    @_where_there_are_gpus
    def ask(machine: Machine) -> Outcome:
        said = _said(machine, check)
        said += [
            f"{_name(gpu)}: {gpu['recovery_action']}"
            for gpu in _facts(machine)["gpus"]
            if (gpu.get("recovery_action") or "").lower() in actions
        ]
        if said:
            return failed("; ".join(said), "no GPU asks for it")
        if _facts(machine)["source"] != "nvidia-smi":
            return unknown("the driver does not answer, see gpu.driver") if machine.live else skipped(NEEDS_BOOT)
        return passed("no GPU asks for it")

    return ask


@_where_there_are_gpus
def _readable(machine: Machine) -> Outcome:
    said = _said(machine, "gpu.readable")
    expected = "every value of every GPU can be read"
    return unknown("; ".join(said), expected) if said else passed("all that was asked", expected)


@_where_there_are_gpus
def _pcie_width(machine: Machine) -> Outcome:
    """Lanes in use, against the expectation, else against the other GPUs of the same model.

    What the GPU could use is no measure: many slots and most of some clouds' machines have fewer lanes. Generations
    are not compared at all: an idle link falls back to the first and comes up again under load.
    """
    gpus = [gpu for gpu in _facts(machine)["gpus"] if not gpu["lost"]]
    wanted = machine.expect.pcie_width
    widths = [(gpu, gpu["pcie"]["width"], gpu["pcie"]["width_max"]) for gpu in gpus if gpu["pcie"]["width"]]
    widest: Dict[Any, int] = {}
    for gpu, width, _most in widths:
        widest[gpu.get("name")] = max(width, widest.get(gpu.get("name"), 0))
    expected = f"x{wanted}" if wanted is not None else "as wide as the others of its model"
    bad = [
        f"{_name(gpu)}: x{width}, not x{wanted or widest[gpu.get('name')]}"
        for gpu, width, _most in widths
        if width < (wanted or widest[gpu.get("name")])
    ]
    if bad:
        return failed("; ".join(bad), expected)
    silent = [_name(gpu) for gpu in gpus if not gpu["pcie"]["width"] and gpu.get("name") in widest]
    if silent:
        return unknown("not told by " + ", ".join(silent), expected)
    if not widths:
        return _nobody_tells(machine, bool(gpus), expected)
    seen = ", ".join(f"x{width}" for width in sorted(set(widest.values())))
    if wanted is None and len(gpus) == 1 and any(most and width < most for _gpu, width, most in widths):
        return skipped(f"{seen}: nothing to compare it with; expect `pcie_width` to have it judged")
    return passed(seen, expected)


def judge(machine: Machine, rule: Rule) -> Outcome:
    """A rule's outcome over all GPUs that the driver has.

    A GPU that does not tell what another one of its model tells makes the outcome unknown; a value that no GPU of a
    model has is one that this model does not offer.
    """
    left_out = rule.asked(machine.expect)
    if left_out:
        return skipped(left_out)
    values = [(gpu, rule.value(gpu)) for gpu in _facts(machine)["gpus"] if not gpu["lost"]]
    wrong = [(gpu, rule.wrong(value, machine.expect)) for gpu, value in values if value is not None]
    bad = [f"{_name(gpu)}: {word}" for gpu, word in wrong if word]
    if bad:
        return failed("; ".join(bad), rule.title)
    telling = {gpu.get("name") for gpu, value in values if value is not None}
    silent = [_name(gpu) for gpu, value in values if value is None and gpu.get("name") in telling]
    if silent:
        return unknown("not told by " + ", ".join(silent), rule.title)
    if telling:
        return passed(f"{len(wrong)} of {len(values)} GPUs", rule.title)
    return _nobody_tells(machine, bool(values), rule.title)


def _nobody_tells(machine: Machine, asked: bool, expected: str) -> Outcome:
    """The outcome when no GPU has the value: they do not offer it, or nobody could ask them."""
    if not asked:
        return skipped("no GPU is left to ask, see gpu.lost")
    if _facts(machine)["source"] == "nvidia-smi":
        return skipped("this model does not tell")
    return unknown("the driver does not answer, see gpu.driver", expected) if machine.live else skipped(NEEDS_BOOT)


def _asks(rule: Rule) -> Callable[[Machine], Outcome]:
    @_where_there_are_gpus
    def ask(machine: Machine) -> Outcome:
        return judge(machine, rule)

    return ask


CHECKS = (
    Check(
        "gpu.count",
        "all GPUs are there",
        CRITICAL,
        "Look for the missing one in `lspci -d 10de:` and in the firmware's log; power the machine off and on.",
        _count,
    ),
    Check(
        "gpu.driver",
        "the driver answers",
        CRITICAL,
        "`dmesg | grep -iE 'nvrm|nvidia'` says why; see the checks of the group driver.",
        _driver,
    ),
    Check(
        "gpu.lost",
        "no GPU is lost",
        CRITICAL,
        "Drain the node and power it off and on; a GPU that gets lost again has to be replaced.",
        _lost,
    ),
    Check(
        "gpu.needs_reset",
        "no GPU asks for a reset",
        CRITICAL,
        "Drain the node, then `nvidia-smi --gpu-reset -i GPU`.",
        _recovery(_RESET_ACTIONS, "gpu.needs_reset"),
    ),
    Check(
        "gpu.needs_reboot",
        "no GPU asks for a reboot",
        CRITICAL,
        "Drain the node and reboot.",
        _recovery(_REBOOT_ACTIONS, "gpu.needs_reboot"),
    ),
    Check(
        "gpu.readable",
        "nothing about the GPUs is unreadable",
        CRITICAL,
        "Run the check as root; `nvidia-smi -q` shows what the driver says.",
        _readable,
    ),
    Check(
        "gpu.pcie_width",
        "each PCIe link has its full width",
        CRITICAL,
        "Reboot; if it stays, reseat the board or its riser. If the slot has no more lanes, expect `pcie_width`.",
        _pcie_width,
    ),
    *(Check(rule.id, rule.title, rule.severity, rule.remedy, _asks(rule)) for rule in RULES),
)
