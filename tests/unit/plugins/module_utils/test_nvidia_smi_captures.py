"""What nvidia-smi said on real machines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._nvidia_smi import parse_nvidia_smi
from ansible_collections.gpuforge.node.plugins.module_utils._smi_text import parse_mig_list, parse_nvlink
from ansible_collections.gpuforge.node.plugins.module_utils._sysfs import parse_cpulist
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import capture, captures, known


def parse(path: Path) -> Any:
    return parse_nvidia_smi(path.read_bytes())


@pytest.mark.parametrize("path", captures("nvidia-smi-xml"))
def test_every_capture_is_read(path: Path) -> None:
    """Against the file's own text, so that captures added later are held to the same."""
    text = path.read_text(encoding="utf-8", errors="replace")
    report = parse(path)
    if not known(path) and report.problems:
        return  # damaged, and the damage is named
    assert report.answered
    assert report.problems == []
    assert len(report.gpus) == len(re.findall(r"<gpu id=", text))
    assert [gpu["uuid"] for gpu in report.gpus] == re.findall(r"<uuid>(GPU-[^<]*)</uuid>", text)
    assert [gpu["name"] for gpu in report.gpus] == re.findall(r"<product_name>([^<]*)</product_name>", text)
    assert [gpu["index"] for gpu in report.gpus] == list(range(len(report.gpus)))
    for name, found in (("driver_version", report.driver_version), ("cuda_version", report.cuda_version)):
        match = re.search(rf"<{name}>([^<]*)<", text)
        assert found == (match.group(1) if match else None)
    temperatures = [int(value) for value in re.findall(r"<gpu_temp>\s*(\d+) C", text)]
    assert [gpu["temperature_c"] for gpu in report.gpus if gpu["temperature_c"] is not None] == temperatures
    widths = [int(value) for value in re.findall(r"<current_link_width>(\d+)x", text)]
    assert [gpu["pcie"]["width"] for gpu in report.gpus if gpu["pcie"]["width"] is not None] == widths
    assert sum(len(gpu["mig_devices"]) for gpu in report.gpus) == text.count("<mig_device>")
    for gpu in report.gpus:
        assert re.match(r"^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$", gpu["pci_bus_id"])
        assert gpu["ecc_uncorrected_volatile"] is None or "ecc_errors" in text


KNOWN = [
    (
        "NVIDIA_k8s-test-infra__hw-qx-h100.xml",
        7,
        {
            "pci_bus_id": "0000:ca:00.0",
            "memory_total_mib": 81559,
            "persistence_mode": True,
            "mig_mode": False,
            "ecc_mode": True,
            "ecc_uncorrected_volatile": 0,
            "ecc_uncorrected_aggregate": 0,
            "row_remap_pending": False,
            "row_remap_failure": False,
            "retired_pages_pending": None,
            "throttle_reasons": ["gpu_idle"],
            "pcie": {"gen": 5, "width": 16, "gen_max": 5, "width_max": 16},
        },
    ),
    (
        "NVIDIA_k8s-test-infra__hw-qx-gb200.xml",
        0,
        {
            "memory_total_mib": 189471,
            "pci_device_id": "10de:2941",
            "architecture": "Blackwell",
            "fabric": {
                "state": "Completed",
                "status": "Success",
                "cluster_uuid": "00000001-0000-0000-0000-000000000001",
                "clique_id": "2",
            },
        },
    ),
    (
        "NVIDIA_k8s-test-infra__mock-qx-gb200-ecc-injected.xml",
        0,
        {
            "ecc_uncorrected_volatile": 5,
            "ecc_uncorrected_aggregate": 8,
            "row_remap_pending": False,
            "row_remap_failure": True,
            "rows_remapped_uncorrected": 1,
        },
    ),
    ("NVIDIA_k8s-test-infra__mock-qx-a100-healthy.xml", 1, {"retired_pages_pending": False, "power_draw_w": 259.17}),
    # A vGPU guest prints hardly anything: nothing of that may become 0 or False.
    (
        "ceems-dev_ceems__a100x8-mig-vgpu-535.xml",
        0,
        {
            "virtualization_mode": "VGPU",
            "memory_total_mib": None,
            "ecc_mode": None,
            "ecc_uncorrected_volatile": None,
            "row_remap_pending": None,
            "temperature_c": None,
            "throttle_reasons": None,
            "mig_mode": None,
            "pcie": {"gen": None, "width": None, "gen_max": None, "width_max": None},
        },
    ),
    (
        "influxdata_telegraf__tesla_t4-win-512.xml",
        0,
        {"driver_model": "WDDM", "persistence_mode": None, "retired_pages_pending": False, "ecc_mode": True},
    ),
    (
        "influxdata_telegraf__tesla-t4.xml",
        0,
        {"memory_total_mib": 15360, "throttle_reasons": [], "power_limit_w": 70.0},
    ),
    (
        "influxdata_telegraf__gtx-1660-ti.xml",
        0,
        {
            "persistence_mode": False,
            "ecc_mode": None,
            "ecc_uncorrected_aggregate": None,
            "power_draw_w": 8.93,
            "architecture": None,
            "temperature_c": 40,
        },
    ),
    (
        "influxdata_telegraf__pro-6000-maxq-blackwell-v13-590.xml",
        0,
        {"ecc_mode": False, "memory_total_mib": 97887, "repair_pending": False, "throttle_reasons": []},
    ),
    ("netdata_netdata__a100-sxm4-mig.xml", 0, {"mig_mode": True, "ecc_uncorrected_volatile": None}),
    ("netdata_netdata__rtx-pro-6000-driver-580.xml", 0, {"temperature_c": 37, "power_draw_w": 66.84}),
]


@pytest.mark.parametrize(("name", "index", "expected"), KNOWN, ids=[f"{name}-{index}" for name, index, _ in KNOWN])
def test_known_values(name: str, index: int, expected: dict[str, Any]) -> None:
    gpu = parse(capture("nvidia-smi-xml", name)).gpus[index]
    assert {key: gpu[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "profiles"),
    [
        ("netdata_netdata__a100-sxm4-mig.xml", ["3g.20gb", "3g.20gb"]),
        ("ceems-dev_ceems__a100x8-mig-vgpu-535.xml", ["3g.20gb", "1g.10gb", "1g.5gb"]),
    ],
)
def test_known_mig_profiles(name: str, profiles: list[str]) -> None:
    devices = next(gpu["mig_devices"] for gpu in parse(capture("nvidia-smi-xml", name)).gpus if gpu["mig_devices"])
    assert [device["profile"] for device in devices] == profiles


@pytest.mark.parametrize("path", captures("topo"))
def test_every_topology_text_is_read(path: Path) -> None:
    data = path.read_bytes()
    links, listed = parse_nvlink(data), parse_mig_list(data)
    text = data.decode("utf-8", "replace")
    assert len(links) == len(listed) == len(re.findall(r"^GPU \d+: ", text, re.MULTILINE))
    assert sum(found["links"] for found in links.values() if found) == len(re.findall(r"Link \d+:", text))
    for affinity in re.findall(r"^GPU\d+.*?\s(\d+-\d+(?:,\d+-\d+)*)\s", text, re.MULTILINE):
        assert parse_cpulist(affinity)


def test_known_links() -> None:
    path = capture("topo", "utkuozdemir_nvidia_gpu_exporter__nvidia-h100-80gb-hbm3-590.48.01.nvlink-s.txt")
    assert parse_nvlink(path.read_bytes()) == {0: {"links": 18, "active": 18, "inactive": [], "gb_per_s": 26.562}}
