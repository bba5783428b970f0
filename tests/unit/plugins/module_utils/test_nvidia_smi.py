"""What nvidia-smi says, on captures of real machines and on small files of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._nvidia_smi import mig_profile, parse_nvidia_smi
from ansible_collections.gpuforge.node.plugins.module_utils._smi_text import parse_mig_list, parse_nvlink

OWN = Path(__file__).resolve().parents[2] / "fixtures" / "nvidia-smi"


def parse(path: Path) -> Any:
    return parse_nvidia_smi(path.read_bytes())


def ids(problems: list[dict[str, str]]) -> list[str]:
    return [found["id"] for found in problems]


@pytest.mark.parametrize(
    ("multiprocessors", "mib", "gpu_gb", "expected"),
    [
        (14, 4864, 40, "1g.5gb"),
        (28, 9856, 40, "2g.10gb"),
        (98, 40192, 40, "7g.40gb"),
        (14, 9728, 80, "1g.10gb"),
        (16, 9984, 80, "1g.10gb"),
        (26, 20096, 80, "1g.20gb"),
        (132, 81000, 80, "7g.80gb"),
        (32, 33280, 141, "2g.35gb"),
        (14, 5952, 24, "1g.6gb"),
        (17, 4864, 40, None),
        (None, 4864, 40, None),
        (14, None, 40, None),
        (14, 4864, None, None),
        (14, 99999, 40, None),
    ],
)
def test_mig_profiles(multiprocessors: Any, mib: Any, gpu_gb: Any, expected: Any) -> None:
    assert mig_profile(multiprocessors, mib, gpu_gb) == expected


def test_counters_and_names_of_old_drivers() -> None:
    report = parse(OWN / "v8-kepler-double-bit.xml")
    assert report.problems == []
    assert (report.driver_version, report.cuda_version) == ("352.39", None)
    (gpu,) = report.gpus
    expected = {
        "pci_bus_id": "0000:83:00.0",
        "pci_device_id": "10de:102d",
        "memory_total_mib": 11519,
        "ecc_uncorrected_volatile": 4,
        "ecc_uncorrected_aggregate": 5,
        "retired_pages_pending": True,
        "row_remap_pending": None,
        "throttle_reasons": ["user_defined_clocks", "hw_slowdown"],
        # The command line of a process looks like markup; it must not be taken for the GPU's temperature.
        "temperature_c": 41,
        "power_draw_w": 61.34,
        "power_limit_w": 149.0,
        "mig_mode": None,
    }
    assert {key: gpu[key] for key in expected} == expected


def test_what_is_lost_or_unreadable_is_null_and_named() -> None:
    report = parse(OWN / "v12-lost-and-broken.xml")
    sick, lost, stuck = report.gpus
    expected = {
        "ecc_uncorrected_volatile": 7,
        "ecc_uncorrected_aggregate": None,
        "ecc_sram_threshold_exceeded": True,
        "row_remap_pending": True,
        "row_remap_failure": False,
        "repair_pending": True,
        "unrepairable_memory": False,
        "recovery_action": "Drain and Reset",
        "mig_mode": True,
        "temperature_c": None,
    }
    assert {key: sick[key] for key in expected} == expected
    assert [(device["profile"], device["ecc_uncorrected_volatile"]) for device in sick["mig_devices"]] == [
        ("3g.40gb", 1),
        ("1g.10gb", None),
    ]
    assert (lost["memory_total_mib"], lost["temperature_c"], lost["persistence_mode"]) == (None, None, None)
    assert (stuck["temperature_c"], stuck["clocks_mhz"]["sm"]) == (None, None)
    assert [(found["id"], found["subject"]) for found in report.problems] == [
        ("field-unreadable", "0000:19:00.0"),
        ("field-unreadable", "0000:3b:00.0"),
        ("gpu-lost", "0000:3b:00.0"),
        ("field-unreadable", "0000:4c:00.0"),
        ("gpu-requires-reset", "0000:4c:00.0"),
    ]


THROTTLED = (
    b"<clocks_event_reasons><clocks_event_reason_gpu_idle>Not Active</clocks_event_reason_gpu_idle>"
    b"<clocks_event_reason_hw_slowdown>Active</clocks_event_reason_hw_slowdown></clocks_event_reasons>"
)
SMALL = (
    b'<?xml version="1.0" ?>\n<nvidia_smi_log><driver_version>1.2</driver_version><attached_gpus>1</attached_gpus>'
    b'<gpu id="00000000:01:00.0"><product_name>X</product_name><uuid>GPU-1</uuid>%b</gpu></nvidia_smi_log>\n'
)


@pytest.mark.parametrize(
    ("field", "key", "expected"),
    [
        (b"<memory_usage><total>5119 MB</total></memory_usage>", "memory_total_mib", 5119),
        (b"<fb_memory_usage><total>80 GiB</total></fb_memory_usage>", "memory_total_mib", 81920),
        (b"<fb_memory_usage><total>0 MiB</total></fb_memory_usage>", "memory_total_mib", 0),
        (b"<fb_memory_usage><total>N/A</total></fb_memory_usage>", "memory_total_mib", None),
        (b"<retired_pages><pending_blacklist>Yes</pending_blacklist></retired_pages>", "retired_pages_pending", True),
        (b"<mig_mode><current_mig> [N/A] </current_mig></mig_mode>", "mig_mode", None),
        (b"<mig_mode><current_mig>Not Supported</current_mig></mig_mode>", "mig_mode", None),
        (b"<temperature><gpu_temp>-5 C</gpu_temp></temperature>", "temperature_c", -5),
        (THROTTLED, "throttle_reasons", ["hw_slowdown"]),
        (b"<clocks_event_reasons>N/A</clocks_event_reasons>", "throttle_reasons", None),
        (b"<gpu_recovery_action>None</gpu_recovery_action>", "recovery_action", "None"),
        (b"<product_architecture/>", "architecture", None),
        (b"<fb_memory_usage><total>1048576 KiB</total></fb_memory_usage>", "memory_total_mib", 1024),
        (
            b"<gpu_power_readings><gpu_ceiling_power_limit><current_power_limit>200 W</current_power_limit>%b"
            % b"</gpu_ceiling_power_limit></gpu_power_readings>",
            "power_limit_w",
            200.0,
        ),
        (b"<fb_memory_usage><total>1 TiB</total></fb_memory_usage>", "memory_total_mib", 1048576),
    ],
)
def test_spellings(field: bytes, key: str, expected: Any) -> None:
    report = parse_nvidia_smi(SMALL % field)
    assert report.gpus[0][key] == expected
    assert report.problems == []


@pytest.mark.parametrize(
    ("field", "key"),
    [
        (b"<persistence_mode>Maybe</persistence_mode>", "persistence_mode"),
        (b"<serial>Insufficient Permissions</serial>", "serial"),
        (b"<fb_memory_usage><total>80 apples</total></fb_memory_usage>", "memory_total_mib"),
        (b"<fb_memory_usage><total>-1 MiB</total></fb_memory_usage>", "memory_total_mib"),
        (b"<temperature><gpu_temp>ERR!</gpu_temp></temperature>", "temperature_c"),
        (b"<temperature><gpu_temp>0x29 C</gpu_temp></temperature>", "temperature_c"),
        (b"<temperature><gpu_temp>%b C</gpu_temp></temperature>" % (b"9" * 400), "temperature_c"),
        (b"<fb_memory_usage><total>%b TiB</total></fb_memory_usage>" % (b"9" * 305), "memory_total_mib"),
        (b"<power_readings><power_draw>12,5 W</power_draw></power_readings>", "power_draw_w"),
        (b"<power_readings><power_draw>18446744073709551615 W</power_draw></power_readings>", "power_draw_w"),
        (b"<remapped_rows><remapped_row_unc>-1</remapped_row_unc></remapped_rows>", "rows_remapped_uncorrected"),
    ],
)
def test_what_cannot_be_understood_is_null_and_named(field: bytes, key: str) -> None:
    report = parse_nvidia_smi(SMALL % field)
    assert report.gpus[0][key] is None
    assert [(found["id"], found["subject"]) for found in report.problems] == [("field-unreadable", "0000:01:00.0")]


def test_cuda_version_of_the_new_name() -> None:
    report = parse_nvidia_smi(b"<nvidia_smi_log><cuda_umd_version>13.4</cuda_umd_version></nvidia_smi_log>")
    assert report.cuda_version == "13.4"


def test_a_32_bit_domain_and_a_gpu_without_id() -> None:
    text = SMALL.replace(b"00000000:01:00.0", b"00010000:E1:00.0") % b""
    assert parse_nvidia_smi(text).gpus[0]["pci_bus_id"] == "10000:e1:00.0"
    inside = (
        SMALL.replace(b' id="00000000:01:00.0"', b"") % b"<pci><pci_bus>0A</pci_bus><pci_device>1E</pci_device>"
        b"<pci_domain>0002</pci_domain></pci>"
    )
    assert parse_nvidia_smi(inside).gpus[0]["pci_bus_id"] == "0002:0a:1e.0"
    assert ids(parse_nvidia_smi(SMALL.replace(b' id="00000000:01:00.0"', b"") % b"").problems) == ["field-missing"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le-bom"])
def test_windows_captures(encoding: str) -> None:
    text = (SMALL % b"<temperature><gpu_temp>31 C</gpu_temp></temperature>").decode().replace("\n", "\r\n")
    data = b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16-le-bom" else text.encode(encoding)
    report = parse_nvidia_smi(data)
    assert (report.gpus[0]["temperature_c"], report.problems) == (31, [])


def test_links_that_are_down_and_gpus_without() -> None:
    assert parse_nvlink((OWN / "nvlink-status.txt").read_bytes()) == {
        0: {"links": 3, "active": 2, "inactive": [1], "gb_per_s": 26.562},
        1: None,
        2: None,
    }


def test_numbers_too_long_for_a_gpu_are_no_gpu() -> None:
    long = b"9" * 5000
    assert parse_nvlink(b"GPU %b: X\nGPU 0: X\n Link %b: 25 GB/s\n" % (long, long)) == {0: None}
    assert parse_mig_list(b"GPU 0: X\n  MIG 1g.5gb Device %b: (UUID: MIG-1)\n" % long) == {0: []}


def test_mig_names() -> None:
    listed = parse_mig_list((OWN / "list-mig.txt").read_bytes())
    assert [device["profile"] for device in listed[0]] == ["3g.40gb", "1g.10gb+me"]
    assert listed[0][1]["uuid"] == "MIG-aaaaaaaa-0000-0000-0000-000000000002"
    assert listed[1] == []
