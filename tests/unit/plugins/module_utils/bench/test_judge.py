"""The verdict: what passes, what fails, and that nothing unknown ever passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._bench_judge import Question, judge, main_curve
from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import parse

GIB = 1 << 30
OURS = Question("all_reduce", "bm.gpu.h100.8", 2, 2, 0)
GATE = {"node_type": "bm.gpu.h*", "nodes": 2, "test": "all_reduce", "least": 440, "source": "s", "certainty": "certain"}


def text(*rows: tuple[int, float, float, object], bounds: str = "0 OK", ranks: int = 2, end: bool = True) -> str:
    lines = [f"#  Rank {rank:2d} Pid 1 on node{rank} device  0 [0x18] NVIDIA H100" for rank in range(ranks)]
    lines.append(
        "#       size         count      type   redop    root"
        "     time   algbw   busbw #wrong     time   algbw   busbw #wrong"
    )
    for size, out, into, wrong in rows:
        lines.append(f"{size:12d} {size // 4:12d} float sum -1 1.0 1.0 {out} {wrong} 1.0 1.0 {into} {wrong}")
    if end:
        lines += [f"# Out of bounds values : {bounds}", "# Avg bus bandwidth    : 1.0"]
    return "\n".join(lines)


GOOD = text((8, 0.01, 0.01, 0), (GIB, 450, 452, 0), (2 * GIB, 460, 462, 0))


def verdict(said: str, question: Question = OURS, thresholds: list[dict[str, Any]] | None = None) -> tuple[str, dict]:
    found = judge(parse(said), question, [GATE] if thresholds is None else thresholds)
    assert found["ok"] is (found["verdict"] == "pass")
    return found["verdict"], {check["id"]: check for check in found["checks"]}


def test_fast_enough_passes() -> None:
    state, checks = verdict(GOOD)
    assert state == "pass"
    assert {check["status"] for check in checks.values()} == {"pass"}
    # The mean of both halves over the large sizes: what nccl-tests itself says of a run that begins at 1 GiB.
    assert checks["speed"]["observed"].startswith("456 GB/s (mean of 2 sizes")
    assert checks["speed"]["expected"] == "at least 440 GB/s (s, certain)"


@pytest.mark.parametrize(
    ("said", "check"),
    [
        (text((GIB, 430, 449, 0)), "speed"),
        (text((GIB, 450, 450, 1)), "data"),
        (text((GIB, 450, 450, 0), bounds="3 FAILED"), "data"),
        (text((GIB, 450, 450, "N/A"), bounds="3"), "data"),
        (text((GIB, 450, 450, 0), ranks=1), "ranks"),
        (GOOD + "\nnode1: Test NCCL failure common.cu:958 'unhandled system error'", "run"),
        (GOOD.replace("bandwidth    : 1.0", "bandwidth    : 1.0 FAILED"), "data"),
    ],
)
def test_what_fails(said: str, check: str) -> None:
    state, checks = verdict(said)
    assert state == "fail"
    assert checks[check]["status"] == "fail"
    assert checks[check]["remedy"] or check == "speed"


@pytest.mark.parametrize(("code", "words"), [(1, "exit code 1"), (-9, "exit code -9"), (None, "did not end")])
def test_a_command_that_failed_fails_whatever_it_printed(code: int | None, words: str) -> None:
    state, checks = verdict(GOOD, OURS._replace(exit_code=code))
    assert state == "fail"
    assert words in checks["run"]["observed"]


@pytest.mark.parametrize(
    ("said", "question", "thresholds", "check", "remedy"),
    [
        (GOOD, OURS._replace(node_type=None), None, "speed", "benchmark_node_type"),
        (GOOD, OURS._replace(node_type="other"), None, "speed", "benchmark_thresholds"),
        (GOOD, OURS._replace(nodes=4, ranks=2), None, "speed", "benchmark_thresholds"),
        (GOOD, OURS, [{**GATE, "unit": "MB/s"}], "speed", "benchmark_thresholds"),
        (text((8, 0.1, 0.1, 0)), OURS, None, "speed", "benchmark_max_size"),
        (text((GIB, 450, 450, 0), end=False), OURS, None, "output", "keep all of its output"),
        (text((GIB, "XX", "XX", 0)), OURS, None, "speed", "output"),  # type: ignore[arg-type]
        ("", OURS, None, "output", "program"),
    ],
)
def test_what_is_not_known_never_passes(
    said: str, question: Question, thresholds: list[dict[str, Any]] | None, check: str, remedy: str
) -> None:
    state, checks = verdict(said, question, thresholds)
    assert state == "unknown"
    assert checks[check]["status"] == "unknown"
    assert remedy in checks[check]["remedy"]


def test_data_that_was_not_checked_is_said() -> None:
    state, checks = verdict(text((GIB, 450, 450, "N/A")).replace("# Out of bounds values : 0 OK\n", ""))
    assert state == "pass"
    assert checks["data"]["status"] == "skipped"
    assert "-c 1" in checks["data"]["observed"]


def test_a_published_measurement_is_asked_for_at_a_share() -> None:
    measured = [{**GATE, "kind": "measured", "least": 500}]
    assert verdict(text((GIB, 426, 426, 0)), thresholds=measured)[0] == "pass"
    assert verdict(text((GIB, 424, 424, 0)), thresholds=measured)[0] == "fail"


def test_the_first_threshold_that_fits_counts() -> None:
    own = {**GATE, "node_type": ["BM.GPU.H100.8", "x"], "least": 470}
    assert verdict(GOOD, thresholds=[own, GATE])[0] == "fail"


def test_latencies_have_a_most() -> None:
    said = "# OSU MPI Latency Test v7.5\n# Size          Latency (us)\n1      2.00\n4194304   900.00\n"
    question = Question("osu_latency", "x", 2, 2, 0)
    entry = {"node_type": "*", "test": "osu_latency", "unit": "us", "most": 2.5}
    assert verdict(said, question, [entry])[0] == "pass"
    assert verdict(said, question, [{**entry, "most": 1.9}])[0] == "fail"
    assert verdict(said, question, [{**entry, "most": 1.9, "kind": "measured"}])[0] == "pass"


def test_sizes_that_count_for_pairs_are_smaller() -> None:
    said = "# OSU MPI Bandwidth Test v7.5\n# Size    Bandwidth (MB/s)\n1  1.0\n1048576  900.00\n4194304   1100.00\n"
    entry = {"node_type": "*", "test": "osu_bw", "unit": "MB/s", "least": 1}
    _, checks = verdict(said, Question("osu_bw", None, 2, 2, 0), [entry])
    assert checks["speed"]["observed"] == "1000 MB/s (mean of 2 sizes from 1048576 bytes on)"


def test_osu_validation_counts() -> None:
    said = "# OSU MPI Bandwidth Test v7.5\n# Size      Bandwidth (MB/s)        Validation\n1048576    900.00    Fail\n"
    entry = {"node_type": "*", "test": "osu_bw", "unit": "MB/s", "least": 1, "from_bytes": 1}
    assert verdict(said, Question("osu_bw", None, 2, 2, 0), [entry])[0] == "fail"
    assert verdict(said.replace("Fail", "Pass"), Question("osu_bw", None, 2, 2, 0), [entry])[0] == "pass"


def previous(said: str, **changed: Any) -> dict[str, Any]:
    curve = main_curve(parse(said)["runs"])
    assert curve is not None
    return {"test": "all_reduce", "nodes": 2, "ranks": 2, "time": "then", "curve": curve._asdict(), **changed}


def test_an_earlier_run_is_compared_with() -> None:
    before = previous(GOOD)
    assert verdict(GOOD, OURS._replace(previous=before))[1]["previous"]["status"] == "pass"
    slower = copy.deepcopy(before)
    slower["curve"]["points"] = [(size, value * 1.3) for size, value in before["curve"]["points"]]
    state, checks = verdict(GOOD, OURS._replace(previous=slower))
    assert (state, checks["previous"]["status"]) == ("fail", "fail")
    assert "+23.1 % worse" in checks["previous"]["observed"]
    # Small messages scatter: they do not count where there are large ones.
    small = copy.deepcopy(before)
    small["curve"]["points"][0] = (8, 100.0)
    assert verdict(GOOD, OURS._replace(previous=small))[0] == "pass"


@pytest.mark.parametrize("changed", [{"test": "all_gather"}, {"nodes": 4}, {"ranks": 16}, {"curve": None}])
def test_what_cannot_be_compared_is_unknown(changed: dict[str, Any]) -> None:
    state, checks = verdict(GOOD, OURS._replace(previous=previous(GOOD, **changed)))
    assert (state, checks["previous"]["status"]) == ("unknown", "unknown")
