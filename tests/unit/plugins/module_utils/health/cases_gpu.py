"""Facts for the group gpu: what gpu_info would return for machines in all states."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Case, Node

Build = Callable[[Node], None]

GPU: dict[str, Any] = {
    "index": 0,
    "uuid": "GPU-0",
    "name": "NVIDIA H100 80GB HBM3",
    "pci_bus_id": "0000:3b:00.0",
    "driver": "nvidia",
    "lost": False,
    "persistence_mode": True,
    "mig_mode": False,
    "ecc_mode": True,
    "ecc_uncorrected_volatile": 0,
    "ecc_uncorrected_aggregate": 3,
    "ecc_sram_threshold_exceeded": False,
    "row_remap_pending": False,
    "row_remap_failure": False,
    "rows_remapped_uncorrected": 2,
    "retired_pages_pending": False,
    "repair_pending": False,
    "unrepairable_memory": False,
    "recovery_action": "None",
    "temperature_c": 40,
    "throttle_reasons": ["gpu_idle", "sw_power_cap"],
    "nvlink": {"links": 18, "active": 18, "inactive": [], "gb_per_s": 26.562},
    "fabric": {"state": "Completed", "status": "Success", "cluster_uuid": None, "clique_id": None},
    "pcie": {"gen": 1, "width": 16, "gen_max": 5, "width_max": 16},
}
NARROW = {"gen": 1, "width": 8, "gen_max": 5, "width_max": 16}
ADDRESSES = ("0000:3b:00.0", "0000:5e:00.0")


def _node(node: Node, **changes: Any) -> None:
    """Two GPUs; ``changes`` are made to the second."""
    node.boot()
    gpus = [dict(copy.deepcopy(GPU), index=index, pci_bus_id=address) for index, address in enumerate(ADDRESSES)]
    gpus[1].update(changes)
    node.gpu = {"gpus": gpus, "problems": [], "source": "nvidia-smi", "driver_version": "535.309.01"}


def well(node: Node) -> None:
    _node(node)
    node.expect.update(count=2, model="h100", ecc=True, mig=False, persistence=True, nvlinks=18)
    node.expect["thresholds"] = {"ecc_uncorrected_aggregate": 10, "temperature_c": 85}


def nothing_expected(node: Node) -> None:
    _node(node)


def no_gpu(node: Node) -> None:
    node.boot()


def gone(node: Node) -> None:
    node.boot()
    node.expect["count"] = 8


def model_expected_and_gone(node: Node) -> None:
    node.boot()
    node.expect["model"] = "H100"


def too_many(node: Node) -> None:
    _node(node)
    node.expect["count"] = 1


def _with(title: str, expect: dict[str, Any] | None = None, **changes: Any) -> Build:
    def build(node: Node) -> None:
        _node(node, **changes)
        node.expect.update(expect or {})

    build.__name__ = title
    return build


def _problem(kind: str, subject: str = ADDRESSES[1], **changes: Any) -> Build:
    def build(node: Node) -> None:
        _node(node, **changes)
        node.gpu["problems"] = [{"id": kind, "subject": subject, "message": f"about {kind}"}]

    build.__name__ = kind
    return build


def not_answering(node: Node) -> None:
    """GPUs on the bus, and nvidia-smi ends with an error: nothing but the bus is known."""
    _node(node)
    for gpu in node.gpu["gpus"]:
        gpu.update({key: None for key in GPU if key not in ("index", "name", "pci_bus_id", "driver", "lost", "pcie")})
        gpu.update(
            fabric={"state": None, "status": None},
            pcie={"gen": None, "width": None, "gen_max": None, "width_max": None},
        )
    node.gpu["source"] = "pci"
    node.gpu["problems"] = [{"id": "nvidia-smi-failed", "subject": "", "message": "nvidia-smi exited with code 9"}]
    node.expect.update(
        ecc=True, mig=False, persistence=True, thresholds={"ecc_uncorrected_aggregate": 1, "temperature_c": 90}
    )


def no_nvidia_smi(node: Node) -> None:
    not_answering(node)
    node.gpu["problems"] = []


def captured_tree(node: Node) -> None:
    no_nvidia_smi(node)
    node.live = False


def model_without(name: str) -> Build:
    """Both GPUs lack a value: this model does not have it."""

    def build(node: Node) -> None:
        _node(node, **{name: None})
        node.gpu["gpus"][0][name] = None

    build.__name__ = f"without_{name}"
    return build


def slots_of_eight_lanes(node: Node) -> None:
    """As on machines of some clouds: well, though each GPU could use sixteen."""
    _node(node, pcie=NARROW)
    node.gpu["gpus"][0]["pcie"] = NARROW


def one_in_a_slot_of_eight_lanes(node: Node) -> None:
    slots_of_eight_lanes(node)
    del node.gpu["gpus"][0]


def all_lost(node: Node) -> None:
    _node(node, lost=True)
    node.gpu["gpus"][0]["lost"] = True


THROUGH_THE_DRIVER = (
    "ecc_volatile",
    "sram_threshold",
    "row_remap_pending",
    "row_remap_failure",
    "rows_remapped",
    "retired_pages_pending",
    "repair_pending",
    "unrepairable_memory",
    "slowdown",
    "heat",
    "pcie_width",
    "nvlink",
    "fabric",
    "ecc_mode",
    "mig_mode",
    "persistence",
    "ecc_aggregate",
    "temperature",
)
IF_EXPECTED = ("model", "ecc_mode", "mig_mode", "persistence", "ecc_aggregate", "temperature")
ALL = ("count", "driver", "lost", "needs_reset", "needs_reboot", "readable", "model", *THROUGH_THE_DRIVER)
SECOND = ADDRESSES[1]

CASES = (
    *(Case(f"gpu.{name}", "pass", well) for name in ALL),
    *(Case(f"gpu.{name}", "skipped", no_gpu, "none expected") for name in ALL),
    *(Case(f"gpu.{name}", "skipped", gone, "see gpu.count") for name in ALL if name != "count"),
    *(Case(f"gpu.{name}", "skipped", nothing_expected) for name in IF_EXPECTED),
    *(Case(f"gpu.{name}", "unknown", not_answering, "see gpu.driver") for name in THROUGH_THE_DRIVER),
    *(
        Case(f"gpu.{name}", "skipped", captured_tree, "needs the booted machine")
        for name in (*THROUGH_THE_DRIVER, "driver", "lost", "needs_reset", "needs_reboot")
    ),
    Case("gpu.slowdown", "skipped", all_lost, "see gpu.lost"),
    Case("gpu.count", "pass", nothing_expected, "2"),
    Case("gpu.count", "fail", gone, "0"),
    Case("gpu.count", "fail", model_expected_and_gone, "0"),
    Case("gpu.count", "fail", too_many, "2"),
    Case("gpu.driver", "fail", not_answering, "exited with code 9"),
    Case("gpu.driver", "fail", no_nvidia_smi, "not installed"),
    Case("gpu.driver", "fail", _problem("nvidia-smi-timeout")),
    Case("gpu.driver", "fail", _problem("nvidia-smi-unparsable")),
    Case("gpu.driver", "fail", _problem("gpu-held-by-other-driver"), SECOND),
    Case("gpu.lost", "fail", _problem("gpu-lost", lost=True), SECOND),
    Case("gpu.lost", "fail", _problem("gpu-missing-from-driver", lost=True), SECOND),
    Case("gpu.lost", "fail", _problem("gpu-count-mismatch")),
    Case("gpu.lost", "fail", _with("lost", lost=True), SECOND),
    Case("gpu.lost", "unknown", _with("perhaps_lost", lost=None), SECOND),
    Case("gpu.lost", "unknown", no_nvidia_smi),
    Case("gpu.needs_reset", "fail", _with("reset", recovery_action="Reset"), f"{SECOND}: Reset"),
    Case("gpu.needs_reset", "fail", _with("drain_and_reset", recovery_action="Drain and Reset")),
    Case("gpu.needs_reset", "fail", _problem("gpu-requires-reset"), SECOND),
    Case("gpu.needs_reset", "unknown", not_answering),
    Case("gpu.needs_reboot", "fail", _with("reboot", recovery_action="Reboot"), SECOND),
    Case("gpu.needs_reboot", "unknown", not_answering),
    Case("gpu.readable", "unknown", _problem("field-unreadable"), SECOND),
    Case("gpu.readable", "unknown", _problem("a-kind-that-nobody-knows-yet"), "nobody-knows-yet"),
    Case("gpu.readable", "unknown", _problem("unreadable", "/sys/class/x"), "/sys/class/x"),
    Case("gpu.model", "fail", _with("a100", {"model": "H100"}, name="NVIDIA A100-SXM4-80GB"), "A100"),
    Case("gpu.ecc_mode", "fail", _with("ecc_off", {"ecc": True}, ecc_mode=False), f"{SECOND}: off"),
    Case("gpu.mig_mode", "fail", _with("mig_on", {"mig": False}, mig_mode=True), f"{SECOND}: on"),
    Case("gpu.persistence", "fail", _with("not_persistent", {"persistence": True}, persistence_mode=False)),
    Case("gpu.ecc_volatile", "fail", _with("one_error", ecc_uncorrected_volatile=1), f"{SECOND}: 1"),
    Case("gpu.ecc_volatile", "unknown", _with("one_is_silent", ecc_uncorrected_volatile=None), f"not told by {SECOND}"),
    Case("gpu.ecc_volatile", "skipped", model_without("ecc_uncorrected_volatile"), "does not tell"),
    Case(
        "gpu.ecc_volatile",
        "pass",
        _with("allowed", {"thresholds": {"ecc_uncorrected_volatile": 5}}, ecc_uncorrected_volatile=5),
    ),
    Case(
        "gpu.ecc_aggregate",
        "fail",
        _with("worn", {"thresholds": {"ecc_uncorrected_aggregate": 3}}, ecc_uncorrected_aggregate=4),
    ),
    Case("gpu.sram_threshold", "fail", _with("sram", ecc_sram_threshold_exceeded=True)),
    Case("gpu.row_remap_pending", "fail", _with("remap_pending", row_remap_pending=True)),
    Case("gpu.row_remap_failure", "fail", _with("remap_failed", row_remap_failure=True)),
    Case("gpu.rows_remapped", "fail", _with("rows_used_up", rows_remapped_uncorrected=513), "513"),
    Case("gpu.rows_remapped", "pass", _with("last_row", rows_remapped_uncorrected=512)),
    Case("gpu.retired_pages_pending", "fail", _with("pages", retired_pages_pending=True)),
    Case("gpu.repair_pending", "fail", _with("repair", repair_pending=True)),
    Case("gpu.unrepairable_memory", "fail", _with("beyond_repair", unrepairable_memory=True)),
    *(
        Case("gpu.slowdown", "fail", _with(reason, throttle_reasons=["sw_power_cap", reason]), reason)
        for reason in ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
    ),
    Case("gpu.slowdown", "unknown", _with("reasons_unknown", throttle_reasons=None)),
    Case("gpu.heat", "fail", _with("hot", throttle_reasons=["sw_thermal_slowdown"])),
    Case("gpu.temperature", "fail", _with("warm", {"thresholds": {"temperature_c": 60}}, temperature_c=61), "61"),
    Case("gpu.pcie_width", "fail", _with("narrow", pcie=NARROW), f"{SECOND}: x8, not x16"),
    Case("gpu.pcie_width", "fail", _with("all_narrow_as_not_expected", {"pcie_width": 32}), "x16, not x32"),
    Case("gpu.pcie_width", "pass", _with("narrow_as_expected", {"pcie_width": 8}, pcie=NARROW), "x16"),
    Case("gpu.pcie_width", "pass", slots_of_eight_lanes, "x8"),
    Case("gpu.pcie_width", "skipped", one_in_a_slot_of_eight_lanes, "nothing to compare it with"),
    Case("gpu.pcie_width", "unknown", _with("width_unknown", pcie=dict(NARROW, width=None)), f"not told by {SECOND}"),
    Case("gpu.nvlink", "fail", _with("link_down", nvlink={"links": 18, "active": 17, "inactive": [5]}), "inactive 5"),
    Case(
        "gpu.nvlink",
        "fail",
        _with("links_missing", {"nvlinks": 18}, nvlink={"links": 12, "active": 12, "inactive": []}),
        "12 links, not 18",
    ),
    Case("gpu.fabric", "fail", _with("fabric", fabric={"state": "In Progress", "status": None}), "In Progress"),
    Case("gpu.fabric", "fail", _with("fabric_error", fabric={"state": "Completed", "status": "Error"}), "Error"),
)
