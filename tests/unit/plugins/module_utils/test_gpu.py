"""GPUs of a node: the driver's answer joined with the bus, and every way the program fails."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._gpu import read_gpus
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import add_pci, write_tree

OWN = Path(__file__).resolve().parents[2] / "fixtures" / "nvidia-smi"
H100 = (0x0302, 0x10DE, 0x2330)
ALL_NAMES = {
    "index",
    "uuid",
    "name",
    "pci_bus_id",
    "numa_node",
    "memory_total_mib",
    "persistence_mode",
    "mig_mode",
    "ecc_mode",
    "ecc_uncorrected_volatile",
    "ecc_uncorrected_aggregate",
    "row_remap_pending",
    "row_remap_failure",
    "retired_pages_pending",
    "temperature_c",
    "throttle_reasons",
    "nvlink",
    "pcie",
}


def gpu_xml(*addresses: str, attached: int = -1, more: str = "") -> str:
    gpus = "".join(
        f'<gpu id="{address}"><product_name>NVIDIA H100 80GB HBM3</product_name><uuid>GPU-{address}</uuid>'
        f"<mig_mode><current_mig>Disabled</current_mig></mig_mode>"
        f"<temperature><gpu_temp>3{index} C</gpu_temp></temperature>{more}</gpu>\n"
        for index, address in enumerate(addresses)
    )
    count = len(addresses) if attached < 0 else attached
    return (
        f'<?xml version="1.0" ?>\n<nvidia_smi_log><driver_version>595.91.07</driver_version>'
        f"<cuda_version>13.2</cuda_version><attached_gpus>{count}</attached_gpus>\n{gpus}</nvidia_smi_log>\n"
    )


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A tree with two H100 and, unlike a list of device ids would have it, an unknown GPU and an audio function."""
    root = tmp_path / "root"
    for bus, chain in (("19", "pci0000:15/0000:15:01.0"), ("9b", "pci0000:97/0000:97:01.0")):
        add_pci(
            root,
            f"{chain}/0000:{bus}:00.0",
            *H100,
            node=0 if bus == "19" else 1,
            driver="nvidia",
            current_link_speed="2.5 GT/s PCIe",
            max_link_speed="32.0 GT/s PCIe",
            current_link_width=16,
            max_link_width=16,
        )
    add_pci(root, "pci0000:15/0000:15:01.0/0000:19:00.1", 0x0403, 0x10DE, 0x22BA)
    add_pci(root, "pci0000:00/0000:00:02.0", 0x0300, 0x1A03, 0x2000)
    return root


def program(tmp_path: Path, body: str) -> str:
    path = tmp_path / "nvidia smi"  # a space, as on other people's machines
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def printing(tmp_path: Path, xml: str, more: str = "") -> str:
    (tmp_path / "answer.xml").write_text(xml)
    return program(
        tmp_path,
        f'case "$1" in -q) cat "{tmp_path}/answer.xml";; nvlink) cat "{OWN}/nvlink-status.txt";; '
        f'-L) cat "{OWN}/list-mig.txt";; esac\n{more}',
    )


def ids(facts: Any) -> list[str]:
    return [found["id"] for found in facts["problems"]]


def test_both_sides_agree(node: Path, tmp_path: Path) -> None:
    facts = read_gpus(str(node), printing(tmp_path, gpu_xml("00000000:19:00.0", "00000000:9B:00.0")))
    assert facts["problems"] == []
    assert (facts["driver_version"], facts["cuda_version"], facts["source"]) == ("595.91.07", "13.2", "nvidia-smi")
    assert [(gpu["pci_bus_id"], gpu["numa_node"], gpu["driver"], gpu["lost"]) for gpu in facts["gpus"]] == [
        ("0000:19:00.0", 0, "nvidia", False),
        ("0000:9b:00.0", 1, "nvidia", False),
    ]
    assert facts["gpus"][0]["nvlink"] == {"links": 3, "active": 2, "inactive": [1], "gb_per_s": 26.562}
    assert facts["gpus"][1]["nvlink"] is None
    assert all(set(gpu) >= ALL_NAMES for gpu in facts["gpus"])


def test_a_gpu_the_driver_lost_stays_in_the_list(node: Path, tmp_path: Path) -> None:
    facts = read_gpus(str(node), printing(tmp_path, gpu_xml("00000000:9B:00.0")))
    assert [(gpu["pci_bus_id"], gpu["index"], gpu["lost"]) for gpu in facts["gpus"]] == [
        ("0000:9b:00.0", 0, False),
        ("0000:19:00.0", None, True),
    ]
    lost = facts["gpus"][1]
    assert (lost["name"], lost["numa_node"], lost["temperature_c"]) == ("NVIDIA H100 SXM5", 0, None)
    assert lost["pcie"] == {"gen": 1, "width": 16, "gen_max": 5, "width_max": 16}
    assert set(lost) == set(facts["gpus"][0])
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [
        ("gpu-missing-from-driver", "0000:19:00.0")
    ]


def test_a_gpu_the_bus_does_not_show(node: Path, tmp_path: Path) -> None:
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0", "00000000:AA:00.0")
    facts = read_gpus(str(node), printing(tmp_path, xml))
    assert len(facts["gpus"]) == 3
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [("gpu-not-on-bus", "0000:aa:00.0")]


def test_ids_that_differ(node: Path, tmp_path: Path) -> None:
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0", more="<pci><pci_device_id>20B210DE</pci_device_id></pci>")
    assert ids(read_gpus(str(node), printing(tmp_path, xml))) == ["gpu-id-mismatch"] * 2


def test_other_drivers_hold_a_gpu(node: Path, tmp_path: Path) -> None:
    add_pci(node, "pci0000:37/0000:37:01.0/0000:3b:00.0", *H100, driver="vfio-pci")
    facts = read_gpus(str(node), printing(tmp_path, gpu_xml("00000000:19:00.0", "00000000:9B:00.0")))
    assert facts["gpus"][2]["lost"] is False
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [
        ("gpu-held-by-other-driver", "0000:3b:00.0")
    ]


def test_the_driver_says_a_gpu_is_lost(node: Path, tmp_path: Path) -> None:
    more = "echo 'Unable to determine the device handle for GPU0000:19:00.0: GPU is lost.' >&2; exit 15"
    facts = read_gpus(str(node), printing(tmp_path, gpu_xml("00000000:9B:00.0", attached=2), more))
    assert [gpu["lost"] for gpu in facts["gpus"]] == [False, True]
    assert ids(facts) == ["nvidia-smi-failed", "gpu-count-mismatch", "gpu-lost", "gpu-missing-from-driver"]
    words = gpu_xml("00000000:19:00.0", "00000000:9B:00.0", more="<serial>GPU is lost</serial>")
    assert [gpu["lost"] for gpu in read_gpus(str(node), printing(tmp_path, words))["gpus"]] == [True, True]


def test_without_a_driver_the_bus_answers(node: Path) -> None:
    facts = read_gpus(str(node))
    assert (facts["source"], facts["driver_version"], facts["problems"]) == ("pci", None, [])
    assert [(gpu["index"], gpu["name"], gpu["lost"]) for gpu in facts["gpus"]] == [
        (0, "NVIDIA H100 SXM5", None),
        (1, "NVIDIA H100 SXM5", None),
    ]
    assert all(set(gpu) >= ALL_NAMES for gpu in facts["gpus"])


def test_what_the_kernel_module_knows(node: Path) -> None:
    write_tree(
        node,
        {
            "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.91.07",
            "/proc/driver/nvidia/gpus/0000:19:00.0/information": "\n".join(
                ("Model: \t\t NVIDIA H100 80GB HBM3", "IRQ:   \t\t 16", "GPU UUID: \t GPU-1", "Video BIOS: \t ??.??.??")
            ),
        },
    )
    facts = read_gpus(str(node))
    assert facts["driver_version"] == "595.91.07"
    assert (facts["gpus"][0]["name"], facts["gpus"][0]["uuid"]) == ("NVIDIA H100 80GB HBM3", "GPU-1")


def test_an_unknown_gpu_is_a_gpu(tmp_path: Path) -> None:
    add_pci(
        tmp_path,
        "pci0000:00/0000:00:04.0",
        0x0302,
        0x10DE,
        0xFFF1,
        current_link_speed="Unknown",
        current_link_width=255,
    )
    (gpu,) = read_gpus(str(tmp_path))["gpus"]
    assert (gpu["name"], gpu["architecture"]) == ("NVIDIA GPU 10de:fff1", None)
    assert gpu["pcie"] == {"gen": None, "width": None, "gen_max": None, "width_max": None}


def test_no_devices_is_an_answer(node: Path, tmp_path: Path) -> None:
    fake = program(tmp_path, "echo 'No devices were found'; exit 6\n")
    facts = read_gpus(str(node), fake)
    assert (facts["source"], ids(facts)) == ("nvidia-smi", ["gpu-missing-from-driver"] * 2)
    assert read_gpus(str(tmp_path), fake)["problems"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9\n',
            ["nvidia-smi-failed", "nvidia-smi-message"],
        ),
        (
            "echo 'Failed to initialize NVML: Driver/library version mismatch' >&2; exit 18\n",
            ["nvidia-smi-failed", "nvidia-smi-message"],
        ),
        ("exit 0\n", ["nvidia-smi-unparsable"]),
        ("kill -SEGV $$\n", ["nvidia-smi-failed", "nvidia-smi-unparsable"]),
    ],
)
def test_a_driver_that_does_not_answer(node: Path, tmp_path: Path, body: str, expected: list[str]) -> None:
    facts = read_gpus(str(node), program(tmp_path, body))
    assert (facts["source"], ids(facts)) == ("pci", expected)
    assert [gpu["lost"] for gpu in facts["gpus"]] == [None, None]


def test_no_such_program(node: Path, tmp_path: Path) -> None:
    facts = read_gpus(str(node), str(tmp_path / "none"))
    assert (facts["source"], ids(facts), len(facts["gpus"])) == ("pci", ["nvidia-smi-missing"], 2)
    (tmp_path / "text").write_text("no program")
    assert ids(read_gpus(str(node), str(tmp_path / "text"))) == ["nvidia-smi-missing"]


def test_code_255_after_half_of_it(node: Path, tmp_path: Path) -> None:
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0")
    half = xml[: xml.index('<gpu id="00000000:9B')]
    facts = read_gpus(str(node), printing(tmp_path, half, "exit 255"))
    assert [(gpu["pci_bus_id"], gpu["lost"]) for gpu in facts["gpus"]] == [
        ("0000:19:00.0", False),
        ("0000:9b:00.0", None),
    ]
    assert ids(facts) == ["nvidia-smi-failed", "nvidia-smi-truncated", "gpu-count-mismatch", "gpu-not-described"]


def test_a_warning_before_the_xml_and_bytes_that_are_no_text(node: Path, tmp_path: Path) -> None:
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0")
    path = printing(tmp_path, xml)
    (tmp_path / "answer.xml").write_bytes(b"WARNING: caf\xe9 is closed\n" + xml.encode())
    facts = read_gpus(str(node), path)
    assert (len(facts["gpus"]), ids(facts)) == (2, ["nvidia-smi-not-text", "nvidia-smi-message"])


def test_a_program_that_hangs_is_killed_with_its_children(node: Path, tmp_path: Path) -> None:
    fake = program(tmp_path, f'echo half; sleep 300 & echo $! > "{tmp_path}/child"; wait\n')
    started = time.monotonic()
    facts = read_gpus(str(node), fake, timeout=0.5)
    assert time.monotonic() - started < 5
    assert (facts["source"], ids(facts)[0], len(facts["gpus"])) == ("pci", "nvidia-smi-timeout", 2)
    assert "0.5 s" in facts["problems"][0]["message"]
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "stat"
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_mig_names_come_from_the_list(node: Path, tmp_path: Path) -> None:
    mig = (
        "<mig_devices><mig_device><index>1</index><device_attributes><shared><multiprocessor_count>17"
        "</multiprocessor_count></shared></device_attributes></mig_device></mig_devices>"
    )
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0", more=mig)
    first, second = (gpu["mig_devices"][0] for gpu in read_gpus(str(node), printing(tmp_path, xml))["gpus"])
    assert (first["profile"], first["uuid"]) == ("1g.10gb+me", "MIG-aaaaaaaa-0000-0000-0000-000000000002")
    assert (second["profile"], second["uuid"]) == (None, None)


def test_links_that_cannot_be_read_are_named(node: Path, tmp_path: Path) -> None:
    xml = gpu_xml("00000000:19:00.0", "00000000:9B:00.0")
    (tmp_path / "answer.xml").write_text(xml)
    fake = program(tmp_path, f'case "$1" in -q) cat "{tmp_path}/answer.xml";; *) exit 3;; esac\n')
    facts = read_gpus(str(node), fake)
    assert [(found["id"], found["subject"]) for found in facts["problems"]] == [
        ("nvlink-unreadable", "0000:19:00.0"),
        ("nvlink-unreadable", "0000:9b:00.0"),
    ]


def test_switches(tmp_path: Path) -> None:
    add_pci(tmp_path, "pci0000:80/0000:80:01.0/0000:83:00.0", 0x0680, 0x10DE, 0x22A3, node=1)
    add_pci(tmp_path, "pci0005:00/0005:00:00.0", 0x0680, 0x10DE, 0x1AF1)
    add_pci(tmp_path, "pci0000:00/0000:00:05.0", 0x0680, 0x10DE, 0x22B1)  # a PCIe port of Grace, no switch
    add_pci(tmp_path, "pci0000:40/0000:40:01.0/0000:41:00.0", 0x0207, 0x15B3, 0x1021, vpd=b"\x82\x01SMDL SW_MNG\xff")
    add_pci(tmp_path, "pci0000:40/0000:40:02.0/0000:42:00.0", 0x0207, 0x15B3, 0x1021, vpd=b"\x82\x01 ordinary\xff")
    assert [
        (switch["pci_bus_id"], switch["generation"], switch["numa_node"])
        for switch in read_gpus(str(tmp_path))["nvswitches"]
    ] == [("0000:41:00.0", 4, None), ("0000:83:00.0", 3, 1), ("0005:00:00.0", 2, None)]
