"""nccl-tests: each layout, each way in which output is mixed, cut or broken, and the JSON it writes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import parse as parse_any
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_json import parse_json
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_tests import operation, read
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.bench.reading import read_text

NEW = """\
# nccl-tests version 2.18.2 nccl-headers=23007 nccl-library=23007
# Collective test starting: all_reduce_perf
# nThread 1 nGpus 1 minBytes 1024 maxBytes 2048 step: 2(factor) warmup iters: 5 iters: 20 validation: 1 graph: 0
#
# Using devices
#  Rank  0 Group  0 Pid   1201 on     node1 device  0 [0000:18:00] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid    877 on     node2 device  0 [0000:18:00] NVIDIA H100 80GB HBM3
#
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)             (us)  (GB/s)  (GB/s)
        1024           256     float     sum      -1    20.11    0.05    0.05       0    19.87    0.05    0.05       0
        2048           512     float     sum      -1    20.50    0.10    0.11       0    20.43    0.10    0.12       3
# Out of bounds values : 3 FAILED
# Avg bus bandwidth    : 0.0825
#
# Collective test concluded: all_reduce_perf
"""


def only(text: str) -> dict[str, Any]:
    (run,) = read_text(read, text)
    return run


def ids(run: dict[str, Any]) -> list[str]:
    return [problem["id"] for problem in run["problems"]]


def test_the_new_layout() -> None:
    run = only(NEW)
    assert (run["test"], run["version"], run["validation"], run["complete"]) == ("all_reduce", "2.18.2", True, True)
    assert [(device["rank"], device["host"]) for device in run["devices"]] == [(0, "node1"), (1, "node2")]
    assert run["devices"][0]["name"] == "NVIDIA H100 80GB HBM3"
    assert run["rows"][1] == {
        "size": 2048,
        "count": 512,
        "type": "float",
        "redop": "sum",
        "root": -1,
        "out_of_place": {"time_us": 20.5, "algbw_gbs": 0.1, "busbw_gbs": 0.11, "wrong": 0},
        "in_place": {"time_us": 20.43, "algbw_gbs": 0.1, "busbw_gbs": 0.12, "wrong": 3},
    }
    assert run["out_of_bounds"] == {"count": 3, "ok": False}
    assert run["problems"] == []


@pytest.mark.parametrize(
    ("before", "stream"),
    [
        ("[1,0]<stdout>:", "1,0"),
        ("[prterun-node1-77@1,0]<stdout>:", "prterun-node1-77@1,0"),
        ("[prterun-node1-77@1,0]<stdout>: ", "prterun-node1-77@1,0"),
        ("0: ", "0"),
        (" 0: ", "0"),
        ("[0] ", "0"),
        ("[default0]:", "default0"),
        ("[rank0]: ", "rank0"),
        ("node-1: ", "node-1"),
        ("[pod/nccl-launcher-x/main] ", "pod/nccl-launcher-x/main"),
        ("2026-07-01T10:15:00.123456Z ", ""),
        ("2026-07-01 10:15:00,123 ", ""),
        ("Wed Jul  1 10:15:00 2026[1,0]<stdout>:", "1,0"),
        ("2026-07-01T10:15:00.1Z [1,3]<stdout>:", "1,3"),
        ("\x1b[32m", ""),
    ],
)
def test_labels_before_lines(before: str, stream: str) -> None:
    labelled = "".join(f"{before}{line}\n" for line in NEW.splitlines())
    run = only(labelled)
    assert run["stream"] == stream
    assert {**run, "stream": ""} == only(NEW)


def test_ranks_that_print_into_each_other_are_told_apart() -> None:
    mixed = "".join(f"0: {line}\n1: {line}\n" for line in NEW.splitlines())
    one, other = read_text(read, mixed)
    assert (one["stream"], other["stream"]) == ("0", "1")
    assert one["rows"] == other["rows"] == only(NEW)["rows"]


def test_banners_and_warnings_between_the_rows_do_no_harm() -> None:
    noise = [
        "--------------------------------------------------------------------------",
        "WARNING: Open MPI accepted a TCP connection from what appears to be a",
        "  Local host: node1",
        "node1:1201:1234 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0",
        "[node1:01201] 15 more processes have sent help message help-mpi-btl-openib.txt",
        "2 nodes were asked for, 2 are there",
    ]
    mixed = "".join(f"{line}\n{noise[number % len(noise)]}\n" for number, line in enumerate(NEW.splitlines()))
    assert only(mixed)["rows"] == only(NEW)["rows"]
    assert parse_any(mixed)["transports"] == ["IB"]


OLD = """\
#       size         count    type     time   algbw   busbw  error     time   algbw   busbw  error
#        (B)    (elements)             (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
        1024            32   float    35.38    0.03    0.02  7e-07    34.53    0.03    0.04    N/A
# Avg bus bandwidth    : 0.03
#       size         count    type    root     time   algbw   busbw  error     time   algbw   busbw  error
        1024           256   float       0    35.37    0.12    0.12    N/A    34.59    0.12    0.13    N/A
# Avg bus bandwidth    : 0.125
"""


def test_old_layouts_take_their_columns_from_the_header() -> None:
    gather, broadcast = read_text(read, OLD)
    assert gather["rows"][0]["redop"] is None
    assert gather["rows"][0]["out_of_place"]["error"] == 7e-07
    assert gather["rows"][0]["in_place"] == {
        "time_us": 34.53,
        "algbw_gbs": 0.03,
        "busbw_gbs": 0.04,
        "wrong": None,
        "error": None,
    }
    assert broadcast["rows"][0]["root"] == 0
    assert broadcast["rows"][0]["in_place"]["busbw_gbs"] == 0.13


@pytest.mark.parametrize("text", [NEW, OLD])
def test_marks_that_a_log_service_took_away(text: str) -> None:
    """Without ``#`` the columns are still those of the header, and a second table is a second run."""
    bare = re.sub(r"(?m)^#( +(?:Rank|size))|^# ", r" \1", text * 2)
    assert "# " not in bare
    assert read_text(read, bare) == read_text(read, text * 2)


def test_the_first_releases_wrote_milliseconds() -> None:
    text = """\
# NCCL Tests compiled with NCCL 2.0
# Using devices
#   Rank  0 on      node1 device  0 [0x06] Tesla P100-SXM2-16GB
#   Rank  1 on      node1 device  1 [0x07] Tesla P100-SXM2-16GB

#                                                 out-of-place                    in-place
#      bytes             N    type      op     time  algbw  busbw      res     time  algbw  busbw      res
    10000000       2500000   float     sum    1.500   6.67   6.67    1e-06    1.250   8.00   8.00    0e+00

 Out of bounds values : 0 OK
 Avg bus bandwidth    : 7.335
"""
    run = only(text)
    assert (len(run["devices"]), run["complete"], run["problems"]) == (2, True, [])
    assert run["rows"][0]["redop"] == "sum"
    assert run["rows"][0]["in_place"] == {
        "time_us": 1250,
        "algbw_gbs": 8,
        "busbw_gbs": 8,
        "wrong": None,
        "error": 0,
    }


def test_one_half_in_the_header_and_marks_of_rccl_tests() -> None:
    text = """\
#       size    count   type  redop  root   time   algbw   busbw  #wrong
#        (B)  (elements)                    (us)  (GB/s)  (GB/s)
  34359738368 8589934592  float   sum    -1  875713  39.24   68.66       2*
"""
    run = only(text)
    assert run["rows"][0]["out_of_place"] == {"time_us": 875713, "algbw_gbs": 39.24, "busbw_gbs": 68.66, "wrong": 2}
    assert run["rows"][0]["in_place"] is None
    assert ids(run) == ["cut-short"]


def test_per_iteration_columns_and_timestamps() -> None:
    header = "#       size         count      type   redop    root"
    half = "     time   algbw   busbw  #wrong    i_min    i_max    i_p99    i_cv%"
    row = "        1024           256     float     sum      -1"
    text = (
        f"{header}{half}{half}           timestamp\n"
        f"{row}    20.11    0.05    0.06       0    19.00    25.00    24.90     3.10"
        "    19.87    0.05    0.07     N/A    18.00    22.00    21.90     2.10  2026-07-09 10:00:00\n"
        "# Avg bus bandwidth    : 0.065 OK\n"
    )
    run = only(text)
    assert run["rows"][0]["in_place"]["busbw_gbs"] == 0.07
    assert run["rows"][0]["in_place"]["wrong"] is None
    assert run["rows"][0]["out_of_place"]["iter_p99_us"] == 24.9
    assert run["rows"][0]["timestamp"] == "2026-07-09 10:00:00"
    assert run["average"] == {"busbw_gbs": 0.065, "ok": True}


def test_one_half_alone_is_known_by_where_it_stands() -> None:
    header = NEW.splitlines()[9]
    out_only = "        1024           256     float     sum      -1    20.11    0.05    0.05       0"
    in_only = "        1024           256     float     sum      -1" + " " * 32 + "    19.87    0.05    0.06       0"
    first, second = only(f"{header}\n{out_only}\n{in_only}\n# Avg bus bandwidth    : 0\n")["rows"]
    assert (first["out_of_place"]["busbw_gbs"], first["in_place"]) == (0.05, None)
    assert (second["out_of_place"], second["in_place"]["busbw_gbs"]) == (None, 0.06)


def test_an_empty_field_below_redop() -> None:
    row = "        1024           256     float              -1"
    row += "    20.11    0.05    0.05       0    19.87    0.05    0.07       0"
    run = only(f"{NEW.splitlines()[9]}\n{row}\n# Avg bus bandwidth    : 0.06\n")
    assert (run["rows"][0]["redop"], run["rows"][0]["root"], run["rows"][0]["in_place"]["busbw_gbs"]) == (
        None,
        -1,
        0.07,
    )


def test_cut_output_is_said_and_half_a_row_is_no_row() -> None:
    text = NEW[: NEW.index("0.12       3")]
    run = only(text)
    assert len(run["rows"]) == 1
    assert ids(run) == ["unreadable-row", "cut-short"]
    assert run["complete"] is False
    assert ids(only(NEW[: NEW.index("        1024")])) == ["no-rows"]


def test_a_row_without_a_header_is_read_as_the_newest_layout_and_said() -> None:
    rows = "\n".join(NEW.splitlines()[11:15])
    run = only(rows)
    assert len(run["rows"]) == 2
    assert ids(run) == ["no-header"]


@pytest.mark.parametrize("cut", range(0, len(NEW), 7))
def test_no_cut_breaks_the_reader(cut: int) -> None:
    whole = only(NEW)["rows"]
    for run in read_text(read, NEW[:cut]):
        assert run["rows"] == whole[: len(run["rows"])] or len(run["rows"]) == 2
        if cut < NEW.index("# Avg") + 8:
            assert not run["complete"]


def test_values_that_are_no_numbers_are_null() -> None:
    run = only(NEW.replace("20.50    0.10    0.11 ", "inf   nan    -nan ").replace("20.11", "XX.XX"))
    assert run["rows"][1]["out_of_place"] == {"time_us": None, "algbw_gbs": None, "busbw_gbs": None, "wrong": 0}
    assert run["rows"][0]["out_of_place"]["time_us"] is None
    assert ids(run) == ["unreadable-value"]


def report() -> dict[str, Any]:
    half = {"time": 20.5, "alg_bw": 0.1, "bus_bw": 0.11, "nwrong": None}
    row = {"size": 2048, "count": 512, "type": "float", "redop": "sum", "root": "    -1", "out_of_place": half}
    return {
        "version": 2,
        "start_time": "2026-07-09 10:00:00",
        "args": ["/opt/nccl-tests/build/all_gather_perf_mpi", "-J", "x"],
        "env": ["HF_TOKEN=geheim"],
        "nccl_version": 23007,
        "config": {
            "validation": 1,
            "devices": [
                {"rank": 0, "hostname": "node1", "device": 0, "device_hex": "0000:18:00", "device_info": "H100"}
            ],
        },
        "results": [{**row, "in_place": {**half, "bus_bw": "nan", "nwrong": 0.0}}],
        "out_of_bounds": {"count": 0, "okay": "true"},
        "average_bus_bandwidth": {"bandwidth": 0.11, "okay": "unchecked"},
        "errors": [],
        "end_time": "2026-07-09 10:00:10",
    }


def test_the_json_report() -> None:
    run = parse_json(report())
    assert (run["test"], run["complete"], run["problems"]) == ("all_gather", True, [])
    assert run["rows"][0]["root"] == -1
    assert run["rows"][0]["in_place"]["busbw_gbs"] is None
    assert run["rows"][0]["in_place"]["wrong"] == 0
    assert run["rows"][0]["out_of_place"]["wrong"] is None
    assert run["out_of_bounds"] == {"count": 0, "ok": True}
    assert run["average"] == {"busbw_gbs": 0.11, "ok": None}
    assert "geheim" not in str(run)


def test_a_json_report_of_a_killed_run_is_cut_short() -> None:
    found = {key: value for key, value in report().items() if key not in ("end_time", "average_bus_bandwidth")}
    assert ids(parse_json(found)) == ["cut-short"]
    with pytest.raises(ValueError, match="not a report"):
        parse_json({"results": 3})


@pytest.mark.parametrize(
    "odd",
    [
        {"results": [7]},
        {"results": [{"size": "2048"}]},
        {"results": [{"size": True}]},
        {"results": [{"size": 10**30}]},
        {"results": [{"size": 8, "in_place": [1]}]},
        {"args": 5},
        {"args": {"a": 1}},
        {"config": [1]},
        {"config": {"devices": 3}},
        {"config": {"devices": ["node1"]}},
        {"out_of_bounds": "0"},
        {"average_bus_bandwidth": 1.5},
        {"errors": "none"},
    ],
)
def test_json_of_another_shape_is_no_report(odd: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a report"):
        parse_json({**report(), **odd})
    assert [problem["id"] for problem in parse_any(json.dumps({**report(), **odd}))["problems"]] == ["no-results"]


def test_json_that_no_reader_can_hold() -> None:
    deep = '{"results": ' + "[" * 100_000
    assert [problem["id"] for problem in parse_any(deep)["problems"]] == ["no-results"]
    row = {**report()["results"][0], "redop": float("nan")}
    (run,) = parse_any(json.dumps({**report(), "results": [row]}))["runs"]
    assert run["rows"][0]["redop"] is None


def test_a_size_that_no_memory_has_is_said() -> None:
    assert ids(only(NEW.replace("        1024  ", "9" * 30 + "  "))) == ["unreadable-row"]
    for word in ("1024", "minBytes 1024", "validation: 1", "Rank  0"):
        parse_any(NEW.replace(word, word.rstrip("0124") + "9" * 5000))


@pytest.mark.parametrize(
    ("program", "name"),
    [("all_reduce_perf", "all_reduce"), ("/x/sendrecv_perf_mpi", "sendrecv"), ("alltoall_perf", "alltoall")],
)
def test_names(program: str, name: str) -> None:
    assert operation(program) == name
