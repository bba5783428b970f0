"""Every capture of a benchmark is read right: rows counted by another reader, and each known capture's own facts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import curves, parse
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import capture, captures

KIND = "nccl-tests"
#: A table row of nccl-tests or OSU, by its look alone: a size, then numbers (or N/A, or what was masked) to the end.
LABEL = r"^\s*(?:\[\d+,\d+\]<stdout>:|\d+: )?\s*"
NCCL_ROW = re.compile(LABEL + r"\d+ +\d+ +(?:float|half|int\d+|uint\d+|double|bfloat16) .*$", re.MULTILINE)
OSU_ROW = re.compile(r"^\d+ {3,}\d+\.\d\d$", re.MULTILINE)


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("path", captures(KIND))
def test_no_row_is_lost_and_none_made_up(path: Path) -> None:
    text = read(path)
    found = parse(text)
    assert found["runs"], found["problems"]
    by_layout = {"nccl-tests": len(NCCL_ROW.findall(text)), "osu": len(OSU_ROW.findall(text))}
    for layout, rows in by_layout.items():
        runs = [run for run in found["runs"] if run["layout"] == layout]
        assert sum(len(run["rows"]) for run in runs) == rows
    assert found["failures"] == []


@pytest.mark.parametrize("path", captures(KIND))
def test_averages_are_those_of_the_rows(path: Path) -> None:
    """The program says the mean of all its bus bandwidths: that of our rows is the same, or columns are mixed up."""
    for run in parse(read(path))["runs"]:
        if run["layout"] != "nccl-tests" or not run["average"] or run["average"]["busbw_gbs"] is None:
            continue
        values = [value for curve in curves(run) for _, value in curve.points]
        # Sizes of 0 bytes are in the program's mean with speed 0, and rows are rounded to 0.01.
        halves = sum(row[half] is not None for row in run["rows"] for half in ("out_of_place", "in_place"))
        if "aws-efa-mpirun-tag" in path.name:
            continue  # its author cut most rows out
        assert sum(values) / halves == pytest.approx(run["average"]["busbw_gbs"], abs=0.006)


def one(name: str) -> list[dict[str, Any]]:
    runs = parse(read(capture(KIND, name)))["runs"]
    assert isinstance(runs, list)
    return runs


def test_the_largest_row_of_each_layout() -> None:
    rows = {
        "NVIDIA_deepops__deepops-dgx.log": (191.05, 191.56),
        "aws-samples_awsome-distributed-training__aws-efa-mpirun-tag.log": (437.79, 437.89),
        "aws-samples_awsome-distributed-training__aws-efa-srun-label-1.log": (78.33, 78.33),
        "microsoft_superbenchmark__a100x8-nccl_allgather.log": (223.39, 230.07),
        "microsoft_superbenchmark__a100x8-nccl_broadcast.log": (232.81, 234.70),
        "microsoft_superbenchmark__a100x8-nccl_reducescatter.log": (231.52, 231.25),
    }
    for name, (out, into) in rows.items():
        row = one(name)[-1]["rows"][-1]
        assert (row["out_of_place"]["busbw_gbs"], row["in_place"]["busbw_gbs"]) == (out, into), name


def test_a_capture_with_masked_numbers_has_none_instead_of_zero() -> None:
    (run,) = one("GoogleCloudPlatform_cluster-toolkit__gcp-a3ultra.log")
    assert {row["in_place"]["busbw_gbs"] for row in run["rows"]} == {None}
    assert {row["out_of_place"]["wrong"] for row in run["rows"]} == {None}
    assert {row["in_place"]["wrong"] for row in run["rows"]} == {0}
    assert run["average"] == {"busbw_gbs": None, "ok": None}
    assert [problem["id"] for problem in run["problems"]] == ["unreadable-value"] * 6


def test_many_runs_in_one_file_stay_apart() -> None:
    runs = one("Panlichen_nccl-tests__4090x8-all_reduce.log")
    assert [run["rows"][0]["size"] for run in runs] == [64 << power for power in range(27)]
    assert {len(run["devices"]) for run in runs} == {8}
    assert {run["rows"][0]["in_place"] for run in runs} == {None}
    assert runs[-1]["average"]["busbw_gbs"] == 2.61656


def test_osu_runs_know_the_nodes_that_their_script_named() -> None:
    runs = one("converged-computing_performance-study__osu-aws-hpc6a-efa-32n.out")
    assert len(runs) == 57
    assert runs[0]["before"].endswith("queue1-dy-hpc6a48xlarge-11 queue1-dy-hpc6a48xlarge-15")
    assert runs[1]["rows"][-1] == {"size": 4194304, "bandwidth_mb_s": 12037.55, "validation": None}
    assert runs[-1]["title"] == "OSU MPI Allreduce Latency Test"
    assert runs[-1]["columns"] == ["avg_latency_us"]


def test_what_else_is_captured_beside_them() -> None:
    (load,) = one("microsoft_superbenchmark__gpcnet_network_load.log")
    assert len(load["rows"]) == 25
    assert load["rows"][0]["99.9%"] == 10000.0
    assert (load["rows"][0]["name"], load["rows"][0]["size"], load["rows"][0]["unit"]) == (
        "RR Two-sided Lat",
        8,
        "usec",
    )
    (hpl,) = one("microsoft_superbenchmark__hpl_results.log")
    assert (hpl["rows"][0]["gflops"], hpl["rows"][0]["passed"], hpl["passed"], hpl["failed"]) == (8126.1, True, 1, 0)
    (burn,) = one("microsoft_superbenchmark__gpu_burn.log")
    assert [row["ok"] for row in burn["rows"]] == [True] * 8
    assert burn["percent"] == 100
    sizes = one("microsoft_superbenchmark__ib_loopback_all_sizes.log")
    assert [row["size"] for row in sizes[0]["rows"]] == [2 << power for power in range(23)]
    assert sizes[0]["rows"][-1]["bw_average_mb_sec"] == 23240.68
