"""Output that is cut, mixed with warnings, mangled or hostile: never an exception, always a named problem."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils._nvidia_smi import parse_nvidia_smi
from ansible_collections.gpuforge.node.plugins.module_utils._smi_tree import read_document
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import captures

OWN = Path(__file__).resolve().parents[2] / "fixtures" / "nvidia-smi"
ESSENTIAL = re.compile(r"[ \t]*<(product_name|uuid)>.*?</\1>[ \t]*\n", re.DOTALL)
GOOD = (OWN / "v8-kepler-double-bit.xml").read_bytes()


def ids(data: bytes) -> list[str]:
    return [found["id"] for found in parse_nvidia_smi(data).problems]


@pytest.mark.parametrize("path", captures("nvidia-smi-xml"))
def test_a_cut_is_always_told(path: Path) -> None:
    data = path.read_bytes().rstrip()
    whole = parse_nvidia_smi(data)
    cuts = random.Random(path.name).sample(range(1, len(data) - 1), 25)
    for cut in sorted(cuts) + [len(data) - 1]:
        report = parse_nvidia_smi(data[:cut])
        assert report.problems, f"cut at {cut} of {len(data)} bytes and nothing said"
        assert len(report.gpus) <= len(whole.gpus)
        # GPUs described before the cut are read as in the whole output.
        for gpu, known in zip(report.gpus[:-1], whole.gpus, strict=False):
            assert gpu == known
        if report.answered and len(report.gpus) < len(whole.gpus):
            assert "nvidia-smi-truncated" in [found["id"] for found in report.problems]


@pytest.mark.parametrize("path", captures("nvidia-smi-xml"))
def test_missing_elements(path: Path) -> None:
    """Any element may be missing; one that tells GPUs apart, or a whole GPU, is missed aloud."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines(keepends=True)
    dice = random.Random(path.name)
    for _ in range(15):
        kept = [line for line in lines if dice.random() > 0.02 or "<gpu id" in line or "</gpu>" in line]
        parse_nvidia_smi("".join(kept).encode())
    for match in list(ESSENTIAL.finditer(text))[:6]:
        assert "field-missing" in ids((text[: match.start()] + text[match.end() :]).encode())
    gpu = re.search(r"[ \t]*<gpu id=.*?</gpu>\n?", text, re.DOTALL)
    if gpu and "<attached_gpus>" in text:
        assert "gpu-count-mismatch" in ids((text[: gpu.start()] + text[gpu.end() :]).encode())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (b"WARNING: something about a library\n", b"", ["nvidia-smi-message"]),
        (b"", b"\nWARNING: infoROM is corrupted at gpu 0000:83:00.0\n", ["nvidia-smi-message"]),
        (
            b"Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot the system\n",
            b"",
            ["gpu-lost"],
        ),
        (b"\xff\xfe\xfa broken bytes\n", b"", ["nvidia-smi-not-text", "nvidia-smi-message"]),
        (b"caf\xe9\n", b"", ["nvidia-smi-not-text", "nvidia-smi-message"]),
    ],
)
def test_text_around_the_xml(before: bytes, after: bytes, expected: list[str]) -> None:
    report = parse_nvidia_smi(before + GOOD + after)
    assert [found["id"] for found in report.problems] == expected
    assert report.gpus == parse_nvidia_smi(GOOD).gpus
    if b"gpu 0000:83" in after:
        assert report.problems[0]["subject"] == "0000:83:00.0"
    if b"3B:00" in before:
        assert report.problems[0]["subject"] == "0000:3b:00.0"


@pytest.mark.parametrize(
    ("data", "answered", "expected"),
    [
        (b"", False, ["nvidia-smi-unparsable"]),
        (b"No devices were found\n", True, []),
        (b"No devices found\r\n", True, []),
        (
            b"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
            False,
            ["nvidia-smi-message"],
        ),
        (
            b"Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n",
            False,
            ["nvidia-smi-message"] * 2,
        ),
        (b"<html><body>404</body></html>", False, ["nvidia-smi-message"]),
        (b"\xff\xfe\xfa broken", False, ["nvidia-smi-not-text", "nvidia-smi-message"]),
        (b"<nvidia_smi_log>", True, ["nvidia-smi-truncated"]),
        (b"<nvidia_smi_log></nvidia_smi_log>", True, ["field-missing"]),
        (b"<nvidia_smi_log><attached_gpus>x</attached_gpus></nvidia_smi_log>", True, ["field-unreadable"]),
    ],
)
def test_what_is_no_xml(data: bytes, answered: bool, expected: list[str]) -> None:
    report = parse_nvidia_smi(data)
    assert (report.answered, report.gpus, [found["id"] for found in report.problems]) == (answered, [], expected)


def test_a_warning_inside_and_bytes_that_are_no_text() -> None:
    data = GOOD.replace(b"<serial>", b"\nWARNING: late \xfe\n<serial>\x80")
    report = parse_nvidia_smi(data)
    assert [found["id"] for found in report.problems] == ["nvidia-smi-not-text"]
    assert report.gpus[0]["uuid"] == "GPU-11111111-0000-0000-0000-000000000001"


def test_a_gpu_that_is_counted_and_not_described() -> None:
    assert ids(GOOD.replace(b"<attached_gpus>1<", b"<attached_gpus>2<")) == ["gpu-count-mismatch"]


def test_half_a_value_is_no_value() -> None:
    """Of ``41 C`` only ``4`` may have come through: better nothing than a wrong number."""
    start = GOOD.index(b"<gpu_temp>41") + len(b"<gpu_temp>")
    for length in range(5):
        assert parse_nvidia_smi(GOOD[: start + length]).gpus[0]["temperature_c"] is None


def test_deep_and_wide_documents_end() -> None:
    deep = b"<nvidia_smi_log>" + b"<a>" * 100_000
    assert parse_nvidia_smi(deep).answered
    assert parse_nvidia_smi(b"<nvidia_smi_log>" + b"<gpu id='1'>" * 300).gpus
    assert not read_document(b"<" * 100_000).whole


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    parse_nvidia_smi(data)
    report = parse_nvidia_smi(b"<nvidia_smi_log><gpu id='00000000:01:00.0'>" + data)
    assert report.problems


@given(
    st.lists(
        st.sampled_from(
            [
                "<nvidia_smi_log>",
                "</nvidia_smi_log>",
                "<gpu id='00000000:01:00.0'>",
                "</gpu>",
                "<gpu>",
                "<gpu/>",
                "<mig_devices>",
                "<mig_device>",
                "</mig_device>",
                "<fb_memory_usage>",
                "<total>",
                "</total>",
                "N/A",
                "12 MiB",
                "-3 MiB",
                "9e99 TiB",
                "GPU is lost",
                "<ecc_errors>",
                "<volatile>",
                "<dram_uncorrectable>",
                "99999999999999999999",
                "</x>",
                "<!--",
                "-->",
                "<process_name>",
                "</process_name>",
                "<![CDATA[",
                "]]>",
                "&lt;",
                "&#xD800;",
                "\ud800",
                "<temperature><gpu_temp>",
            ]
        ),
        max_size=40,
    )
)
def test_any_order_of_pieces(pieces: list[str]) -> None:
    parse_nvidia_smi("".join(pieces).encode("utf-8", "surrogatepass"))
