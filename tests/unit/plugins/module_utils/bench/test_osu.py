"""The OSU micro-benchmarks and what stands beside them: layouts, noise, cuts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _gpcnet, _gpu_burn, _hpl, _osu, _perftest
from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import curves
from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import parse as parse_any
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.bench.reading import read_text

BANDWIDTH = """\
# OSU MPI-CUDA Bandwidth Test v7.5
# Datatype: MPI_CHAR.
# Size      Bandwidth (MB/s)        Validation
1                       2.10              Pass
4194304             23978.12              Fail
"""


def only(text: str) -> dict[str, Any]:
    (run,) = read_text(_osu.read, text)
    return run


def test_bandwidth_with_validation() -> None:
    run = only(BANDWIDTH)
    assert (run["title"], run["version"], run["unit"]) == ("OSU MPI-CUDA Bandwidth Test", "7.5", "MB/s")
    assert run["rows"] == [
        {"size": 1, "bandwidth_mb_s": 2.1, "validation": "Pass"},
        {"size": 4194304, "bandwidth_mb_s": 23978.12, "validation": "Fail"},
    ]
    (curve,) = curves(run)
    assert (curve.more_is_better, curve.points[-1]) == (True, (4194304, 23978.12))


@pytest.mark.parametrize(
    ("text", "columns", "row"),
    [
        ("# OSU MPI Latency Test v5.0\n# Size Latency (us)\n8 1.5\n", ["latency_us"], {"size": 8, "latency_us": 1.5}),
        (
            (
                "# OSU MPI_Put Bandwidth Test v5.8\n# Window creation: MPI_Win_allocate\n"
                "# Synchronization: MPI_Win_flush\n# Size      Bandwidth (MB/s)\n1                       0.62\n"
            ),
            ["bandwidth_mb_s"],
            {"size": 1, "bandwidth_mb_s": 0.62},
        ),
        (
            "# OMB Python MPI Latency Test\n# Size (B)      Latency (us)\n1      0.9\n",
            ["latency_us"],
            {"size": 1, "latency_us": 0.9},
        ),
        (
            (
                "# OSU MPI Allgather Latency Test v7.4\n# Datatype: MPI_CHAR.\n"
                "# Size       Avg Latency(us)   Min Latency(us)   Max Latency(us)  Iterations\n"
                "1                       2.81              1.50              4.12        1000\n"
            ),
            ["avg_latency_us", "min_latency_us", "max_latency_us", "iterations"],
            {"size": 1, "avg_latency_us": 2.81, "min_latency_us": 1.5, "max_latency_us": 4.12, "iterations": 1000},
        ),
        (
            (
                "# OSU MPI Multiple Bandwidth / Message Rate Test v5.7\n# [ pairs: 15 ] [ window size: 64 ]\n"
                "# Size                  MB/s        Messages/s\n1                       6.39        6385003.80\n"
            ),
            ["mb_s", "messages_s"],
            {"size": 1, "mb_s": 6.39, "messages_s": 6385003.8},
        ),
        (
            "# OSU MPI Barrier Latency Test v7.5\n# Avg Latency(us)\n             3.07\n",
            ["avg_latency_us"],
            {"size": None, "avg_latency_us": 3.07},
        ),
        (
            "# OSU MPI Init Test v7.5\nnprocs: 4, min: 67 ms, max: 70 ms, avg: 68 ms\n",
            ["avg_ms", "min_ms", "max_ms"],
            {"size": None, "avg_ms": 68, "min_ms": 67, "max_ms": 70},
        ),
        (
            (
                "# OSU MPI Non-blocking Allreduce Latency Test v5.9\n"
                "# Overall = Coll. Init + Compute + MPI_Test + MPI_Wait\n\n"
                "# Size           Overall(us)       Compute(us)    Pure Comm.(us)        Overlap(%)\n"
                "4                       8.79              4.51              4.30              0.53\n"
            ),
            ["overall_us", "compute_us", "pure_comm_us", "overlap_percent"],
            {"size": 4, "overall_us": 8.79, "compute_us": 4.51, "pure_comm_us": 4.3, "overlap_percent": 0.53},
        ),
        (
            "OSU MPI Broadcast Latency Test v5.9\n  Size       Avg Latency(us)\n1                       7.61\n",
            ["avg_latency_us"],
            {"size": 1, "avg_latency_us": 7.61},
        ),
        (
            (
                "# OSU MPI Latency Test v7.5\n# Datatype: MPI_CHAR.\n"
                "# Size       Avg Latency(us)    P50 Tail Lat(us)    P99 Tail Lat(us)\n"
                "1                       1.51                1.50                1.90\n"
            ),
            ["avg_latency_us", "p50_tail_lat_us", "p99_tail_lat_us"],
            {"size": 1, "avg_latency_us": 1.51, "p50_tail_lat_us": 1.5, "p99_tail_lat_us": 1.9},
        ),
        (
            "# MPI Latency Test\n# Size [B]        Latency [us]\n         1               0.90\n",
            ["latency_us"],
            {"size": 1, "latency_us": 0.9},
        ),
    ],
    ids=[
        "one blank",
        "put",
        "python",
        "full",
        "message rate",
        "barrier",
        "init",
        "non-blocking",
        "no marks",
        "tail",
        "mpi4py",
    ],
)
def test_layouts(text: str, columns: list[str], row: dict[str, Any]) -> None:
    run = only(text)
    assert run["columns"] == columns
    assert {key: value for key, value in run["rows"][0].items() if key != "validation"} == row
    assert run["problems"] == []


def test_labels_and_noise() -> None:
    labelled = "".join(f"[1,0]<stdout>:{line}\n[1,1]<stderr>:some 12 words\n" for line in BANDWIDTH.splitlines())
    assert only(labelled)["rows"] == only(BANDWIDTH)["rows"]
    noise = BANDWIDTH.replace("# Size", "[node1:77] PMIX ERROR in file gds.c\n--------\n2 of 3 nodes are up\n# Size")
    assert only(noise)["rows"] == only(BANDWIDTH)["rows"]


def test_what_is_missing_is_said() -> None:
    assert [problem["id"] for problem in only("# OSU MPI Latency Test v7.5\n")["problems"]] == ["no-rows"]
    cut = only(BANDWIDTH[: BANDWIDTH.index("23978")])
    assert len(cut["rows"]) == 1
    assert [problem["id"] for problem in cut["problems"]] == ["unreadable-row"]
    assert parse_any("hello\n")["problems"][0]["id"] == "no-results"
    assert parse_any("")["runs"] == []


@pytest.mark.parametrize("row", ["8    12,5", "9" * 30 + "  2.5"])
def test_a_row_that_cannot_be_read_is_said(row: str) -> None:
    run = only("# OSU MPI Latency Test v7.5\n# Size   Latency (us)\n2 processes\n4   1.5\n" + row + "\n")
    assert [found["size"] for found in run["rows"]] == [4]
    assert [problem["id"] for problem in run["problems"]] == ["unreadable-row"]
    (perf,) = read_text(
        _perftest.read, f" #bytes #iterations  BW average[MB/sec]\n 2 1000 5.0\n {row.replace(' ', ' 1000 ', 1)}\n"
    )
    assert [problem["id"] for problem in perf["problems"]] == ["unreadable-row"]


def test_a_peak_that_was_not_measured_is_null() -> None:
    (run,) = read_text(
        _perftest.read,
        " #bytes #iterations BW peak[Gb/sec] BW average[Gb/sec]\n 65536 4000 0.00 363.47\n 8 9 0.01 0.01\n",
    )
    assert [row["bw_peak_gb_sec"] for row in run["rows"]] == [None, 0.01]


def test_numbers_that_are_none() -> None:
    assert only("# OSU MPI Init Test v7.5\nnprocs: 2, min: 1.2.3 ms, max: 5 ms, avg: 4 ms\n")["rows"] == [
        {"size": None, "avg_ms": 4.0, "min_ms": None, "max_ms": 5.0}
    ]
    (hpl,) = read_text(
        _hpl.read,
        "HPLinpack 2.3\nWR00L2L2  1000  192  2  2  1.2.3  6.60e+900\n||Ax-b||_oo/(eps)=  nan ...... FAILED\n",
    )
    assert [hpl["rows"][0][key] for key in ("seconds", "gflops", "residual", "passed")] == [None, None, None, False]
    (burn,) = read_text(
        _gpu_burn.read,
        "GPU 0: X (UUID: GPU-1)\n5%  proc'd: 2 (7.1.2 Gflop/s)   errors: 0   temps: 38 C\nTested 1 GPUs:\n",
    )
    assert (burn["rows"][0]["gflops"], burn["rows"][0]["temperature_c"]) == (None, 38)


def test_a_line_without_end_takes_no_time() -> None:
    began = time.monotonic()
    parse_any(BANDWIDTH + "9" * 1_000_000 + "\n")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("cut", range(0, len(BANDWIDTH), 3))
def test_no_cut_breaks_a_reader(cut: int) -> None:
    parse_any(BANDWIDTH[:cut])


def test_failures_are_named() -> None:
    said = parse_any("node1: Test NCCL failure common.cu:958 'unhandled system error'\n.. node1 pid 7: Test failure\n")
    assert any("Test NCCL failure" in line for line in said["failures"])
    trace = 'Traceback (most recent call last):\n  File "x", line 1, in f\nRuntimeError: no gloo\n' * 2
    assert parse_any(trace)["failures"] == ["RuntimeError: no gloo"]
    assert parse_any("Host key verification failed.\n")["failures"] == ["Host key verification failed."]
    assert parse_any("mpi@b: Permission denied (publickey).\n")["failures"] == ["mpi@b: Permission denied (publickey)."]


def test_a_lost_race_of_the_launcher_is_no_failure() -> None:
    """The child was faster than its parent; Open MPI 4 says so and goes on."""
    said = "[a:862] plm:rsh: Warning: setpgid(866,866) failed in parent with errno=Permission denied(13)\n"
    assert parse_any(said)["failures"] == []


def test_perftest_latency_and_hpl_failure_and_gpu_burn_faulty() -> None:
    (run,) = read_text(
        _perftest.read,
        "                    RDMA_Write Latency Test\n"
        " #bytes #iterations    t_min[usec]    t_max[usec]  t_typical[usec]    t_avg[usec]    t_stdev[usec]"
        "   99% percentile[usec]   99.9% percentile[usec]\n"
        " 2       1000          1.45           8.13         1.50              1.52            0.11            1.80"
        "                    8.13\n",
    )
    assert (run["unit"], run["rows"][0]["t_typical_usec"], run["rows"][0]["99_9p_percentile_usec"]) == ("us", 1.5, 8.13)
    assert curves(run)[0].points == [(2, 1.5)]
    (hpl,) = read_text(
        _hpl.read,
        "HPLinpack 2.3  --  High-Performance Linpack benchmark\n"
        "WR00L2L2        1000   192     2     2               0.10              6.60e+00\n"
        "||Ax-b||_oo/(eps*(||A||_oo*||x||_oo+||b||_oo)*N)=   1.2e+04 ...... FAILED\n",
    )
    assert (hpl["rows"][0]["passed"], hpl["complete"], hpl["failed"]) == (False, False, None)
    (burn,) = read_text(
        _gpu_burn.read,
        "GPU 0: NVIDIA A100 (UUID: GPU-1)\nGPU 1: NVIDIA A100 (UUID: GPU-2)\r"
        "50.0%  proc'd: 22 (71 Gflop/s) - 0 (0 Gflop/s)   errors: 0 - 12  (WARNING!)  temps: 38 C - -- \r"
        "Tested 2 GPUs:\n\tGPU 0: OK\n\tGPU 1: FAULTY\n",
    )
    assert [(row["ok"], row["errors"]) for row in burn["rows"]] == [(True, 0), (False, 12)]
    (gpcnet,) = read_text(
        _gpcnet.read, "Network Tests v1.3\n|  Isolated Network Tests  |\n| Name | Avg | Units |\n| A | x | usec |\n"
    )
    assert gpcnet["rows"][0]["avg"] is None
    assert gpcnet["problems"][0]["id"] == "unreadable-value"
