"""What nvidia-smi says, on captures of real machines and on small files of our own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible_collections.gpuforge.node.plugins.module_utils._nvidia_smi import mig_profile, parse_nvidia_smi
from ansible_collections.gpuforge.node.plugins.module_utils._smi_text import parse_mig_list, parse_nvlink
from ansible_collections.gpuforge.node.plugins.module_utils._sysfs import parse_cpulist
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import capture, captures

OWN = Path(__file__).resolve().parents[2] / "fixtures" / "nvidia-smi"


def parse(path: Path) -> Any:
    return parse_nvidia_smi(path.read_bytes())


def ids(problems: List[Dict[str, str]]) -> List[str]:
    return [found["id"] for found in problems]


@pytest.mark.parametrize("path", captures("nvidia-smi-xml"))
def test_every_capture_is_read(path: Path) -> None:
    """Against the file's own text, so that captures added later are held to the same."""
    text = path.read_text(encoding="utf-8", errors="replace")
    report = parse(path)
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
    ("NVIDIA_k8s-test-infra__hw-qx-h100.xml", 7, {
        "pci_bus_id": "0000:ca:00.0", "memory_total_mib": 81559, "persistence_mode": True, "mig_mode": False,
        "ecc_mode": True, "ecc_uncorrected_volatile": 0, "ecc_uncorrected_aggregate": 0, "row_remap_pending": False,
        "row_remap_failure": False, "retired_pages_pending": None, "throttle_reasons": ["gpu_idle"],
        "pcie": {"gen": 5, "width": 16, "gen_max": 5, "width_max": 16}}),
    ("NVIDIA_k8s-test-infra__hw-qx-gb200.xml", 0, {
        "memory_total_mib": 189471, "pci_device_id": "10de:2941", "architecture": "Blackwell",
        "fabric": {"state": "Completed", "status": "Success", "cluster_uuid": "00000001-0000-0000-0000-000000000001",
                   "clique_id": "2"}}),
    ("NVIDIA_k8s-test-infra__mock-qx-gb200-ecc-injected.xml", 0, {
        "ecc_uncorrected_volatile": 5, "ecc_uncorrected_aggregate": 8, "row_remap_pending": False,
        "row_remap_failure": True, "rows_remapped_uncorrected": 1}),
    ("NVIDIA_k8s-test-infra__mock-qx-a100-healthy.xml", 1, {"retired_pages_pending": False, "power_draw_w": 259.17}),
    # A vGPU guest prints hardly anything: nothing of that may become 0 or False.
    ("ceems-dev_ceems__a100x8-mig-vgpu-535.xml", 0, {
        "virtualization_mode": "VGPU", "memory_total_mib": None, "ecc_mode": None, "ecc_uncorrected_volatile": None,
        "row_remap_pending": None, "temperature_c": None, "throttle_reasons": None, "mig_mode": None,
        "pcie": {"gen": None, "width": None, "gen_max": None, "width_max": None}}),
    ("influxdata_telegraf__tesla_t4-win-512.xml", 0, {
        "driver_model": "WDDM", "persistence_mode": None, "retired_pages_pending": False, "ecc_mode": True}),
    ("influxdata_telegraf__tesla-t4.xml", 0, {"memory_total_mib": 15360, "throttle_reasons": [], "power_limit_w": 70.0}),
    ("influxdata_telegraf__gtx-1660-ti.xml", 0, {
        "persistence_mode": False, "ecc_mode": None, "ecc_uncorrected_aggregate": None, "power_draw_w": 8.93,
        "architecture": None, "temperature_c": 40}),
    ("influxdata_telegraf__pro-6000-maxq-blackwell-v13-590.xml", 0, {
        "ecc_mode": False, "memory_total_mib": 97887, "repair_pending": False, "throttle_reasons": []}),
    ("netdata_netdata__a100-sxm4-mig.xml", 0, {"mig_mode": True, "ecc_uncorrected_volatile": None}),
    ("netdata_netdata__rtx-pro-6000-driver-580.xml", 0, {"temperature_c": 37, "power_draw_w": 66.84}),
]


@pytest.mark.parametrize(("name", "index", "expected"), KNOWN, ids=[f"{name}-{index}" for name, index, _ in KNOWN])
def test_known_values(name: str, index: int, expected: Dict[str, Any]) -> None:
    gpu = parse(capture("nvidia-smi-xml", name)).gpus[index]
    assert {key: gpu[key] for key in expected} == expected


@pytest.mark.parametrize(("name", "profiles"), [
    ("netdata_netdata__a100-sxm4-mig.xml", ["3g.20gb", "3g.20gb"]),
    ("ceems-dev_ceems__a100x8-mig-vgpu-535.xml", ["3g.20gb", "1g.10gb", "1g.5gb"]),
])
def test_known_mig_profiles(name: str, profiles: List[str]) -> None:
    devices = next(gpu["mig_devices"] for gpu in parse(capture("nvidia-smi-xml", name)).gpus if gpu["mig_devices"])
    assert [device["profile"] for device in devices] == profiles


@pytest.mark.parametrize(("multiprocessors", "mib", "gpu_gb", "expected"), [
    (14, 4864, 40, "1g.5gb"), (28, 9856, 40, "2g.10gb"), (98, 40192, 40, "7g.40gb"), (14, 9728, 80, "1g.10gb"),
    (16, 9984, 80, "1g.10gb"), (26, 20096, 80, "1g.20gb"), (132, 81000, 80, "7g.80gb"), (32, 33280, 141, "2g.35gb"),
    (14, 5952, 24, "1g.6gb"), (17, 4864, 40, None), (None, 4864, 40, None), (14, None, 40, None), (14, 4864, None, None),
    (14, 99999, 40, None),
])
def test_mig_profiles(multiprocessors: Any, mib: Any, gpu_gb: Any, expected: Any) -> None:
    assert mig_profile(multiprocessors, mib, gpu_gb) == expected


def test_counters_and_names_of_old_drivers() -> None:
    report = parse(OWN / "v8-kepler-double-bit.xml")
    assert report.problems == []
    assert (report.driver_version, report.cuda_version) == ("352.39", None)
    (gpu,) = report.gpus
    expected = {"pci_bus_id": "0000:83:00.0", "pci_device_id": "10de:102d", "memory_total_mib": 11519,
                "ecc_uncorrected_volatile": 3, "ecc_uncorrected_aggregate": 5, "retired_pages_pending": True,
                "row_remap_pending": None, "throttle_reasons": ["user_defined_clocks", "hw_slowdown"],
                # The command line of a process looks like markup; it must not be taken for the GPU's temperature.
                "temperature_c": 41, "power_draw_w": 61.34, "power_limit_w": 149.0, "mig_mode": None}
    assert {key: gpu[key] for key in expected} == expected


def test_what_is_lost_or_unreadable_is_null_and_named() -> None:
    report = parse(OWN / "v12-lost-and-broken.xml")
    sick, lost, stuck = report.gpus
    expected = {"ecc_uncorrected_volatile": 7, "ecc_uncorrected_aggregate": None, "ecc_sram_threshold_exceeded": True,
                "row_remap_pending": True, "row_remap_failure": False, "repair_pending": True,
                "unrepairable_memory": False, "recovery_action": "Drain and Reset", "mig_mode": True,
                "temperature_c": None}
    assert {key: sick[key] for key in expected} == expected
    assert [(device["profile"], device["ecc_uncorrected_volatile"]) for device in sick["mig_devices"]] == [
        ("3g.40gb", 1), ("1g.10gb", None)]
    assert (lost["memory_total_mib"], lost["temperature_c"], lost["persistence_mode"]) == (None, None, None)
    assert (stuck["temperature_c"], stuck["clocks_mhz"]["sm"]) == (None, None)
    assert [(found["id"], found["subject"]) for found in report.problems] == [
        ("field-unreadable", "0000:19:00.0"), ("field-unreadable", "0000:3b:00.0"), ("gpu-lost", "0000:3b:00.0"),
        ("field-unreadable", "0000:4c:00.0"), ("gpu-requires-reset", "0000:4c:00.0")]


SMALL = (b'<?xml version="1.0" ?>\n<nvidia_smi_log><driver_version>1.2</driver_version><attached_gpus>1</attached_gpus>'
         b'<gpu id="00000000:01:00.0"><product_name>X</product_name><uuid>GPU-1</uuid>%b</gpu></nvidia_smi_log>\n')


@pytest.mark.parametrize(("field", "key", "expected"), [
    (b"<memory_usage><total>5119 MB</total></memory_usage>", "memory_total_mib", 5119),
    (b"<fb_memory_usage><total>80 GiB</total></fb_memory_usage>", "memory_total_mib", 81920),
    (b"<fb_memory_usage><total>0 MiB</total></fb_memory_usage>", "memory_total_mib", 0),
    (b"<fb_memory_usage><total>N/A</total></fb_memory_usage>", "memory_total_mib", None),
    (b"<retired_pages><pending_blacklist>Yes</pending_blacklist></retired_pages>", "retired_pages_pending", True),
    (b"<mig_mode><current_mig> [N/A] </current_mig></mig_mode>", "mig_mode", None),
    (b"<mig_mode><current_mig>Not Supported</current_mig></mig_mode>", "mig_mode", None),
    (b"<temperature><gpu_temp>-5 C</gpu_temp></temperature>", "temperature_c", -5),
    (b"<clocks_event_reasons><clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap>"
     b"</clocks_event_reasons>", "throttle_reasons", ["sw_power_cap"]),
    (b"<clocks_event_reasons>N/A</clocks_event_reasons>", "throttle_reasons", None),
    (b"<gpu_recovery_action>None</gpu_recovery_action>", "recovery_action", "None"),
    (b"<product_architecture/>", "architecture", None),
])
def test_spellings(field: bytes, key: str, expected: Any) -> None:
    report = parse_nvidia_smi(SMALL % field)
    assert report.gpus[0][key] == expected
    assert report.problems == []


def test_cuda_version_of_the_new_name() -> None:
    report = parse_nvidia_smi(b"<nvidia_smi_log><cuda_umd_version>13.4</cuda_umd_version></nvidia_smi_log>")
    assert report.cuda_version == "13.4"


def test_a_32_bit_domain_and_a_gpu_without_id() -> None:
    text = SMALL.replace(b"00000000:01:00.0", b"00010000:E1:00.0") % b""
    assert parse_nvidia_smi(text).gpus[0]["pci_bus_id"] == "10000:e1:00.0"
    inside = SMALL.replace(b' id="00000000:01:00.0"', b"") % b"<pci><pci_bus>0A</pci_bus><pci_device>1E</pci_device>" \
        b"<pci_domain>0002</pci_domain></pci>"
    assert parse_nvidia_smi(inside).gpus[0]["pci_bus_id"] == "0002:0a:1e.0"
    assert ids(parse_nvidia_smi(SMALL.replace(b' id="00000000:01:00.0"', b"") % b"").problems) == ["field-missing"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_windows_captures(encoding: str) -> None:
    text = (SMALL % b"<temperature><gpu_temp>31 C</gpu_temp></temperature>").decode().replace("\n", "\r\n")
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    report = parse_nvidia_smi(data)
    assert (report.gpus[0]["temperature_c"], report.problems) == (31, [])


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


def test_links_that_are_down_and_gpus_without() -> None:
    assert parse_nvlink((OWN / "nvlink-status.txt").read_bytes()) == {
        0: {"links": 3, "active": 2, "inactive": [1], "gb_per_s": 26.562}, 1: None, 2: None}


def test_mig_names() -> None:
    listed = parse_mig_list((OWN / "list-mig.txt").read_bytes())
    assert [device["profile"] for device in listed[0]] == ["3g.40gb", "1g.10gb+me"]
    assert listed[0][1]["uuid"] == "MIG-aaaaaaaa-0000-0000-0000-000000000002"
    assert listed[1] == []
