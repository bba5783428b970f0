# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Say whether a benchmark passed: it ran, its data was right, and it was as fast as such nodes are.

The verdict is ``pass``, ``fail`` or ``unknown``. Unknown never counts as passed: a node type without a threshold, a cut
output or numbers that cannot be read say what to do instead.
"""

from __future__ import annotations

import fnmatch
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._bench_parse import Curve, curves
from ._bench_text import Run

Threshold = Mapping[str, Any]

MEASURED_SHARE = 0.85
"""A published measurement (no gate of its publisher) is asked for at this share: the low end of the 85-90 % below which
the projects that publish such tables call a node bad."""
LARGE_BYTES = 1 << 30
"""From this message size on a bus bandwidth says something about the fabric; smaller ones measure latency."""
LARGE_PAIR_BYTES = 1 << 20
"""The same for two processes that send to each other, as OSU's programs do, which end at 4 MiB."""


class Question(NamedTuple):
    """What was run where, as far as the judgement depends on it."""

    test: str  # all_reduce, osu_bw …
    node_type: Optional[str]
    nodes: int
    ranks: int
    exit_code: Optional[int]  # None: it did not end within its time
    previous: Optional[Mapping[str, Any]] = None  # the result file of an earlier run
    regression_percent: float = 10.0


def judge(parsed: Mapping[str, Any], question: Question, thresholds: Sequence[Threshold]) -> Dict[str, Any]:
    """Return ``verdict``, ``ok`` and ``checks`` (``id``, ``status``, ``observed``, ``expected``, ``remedy``).

    :param parsed: what ``_bench_parse.parse`` returned.
    :param thresholds: entries with ``node_type`` (glob or list of globs), ``test``, ``nodes`` (None: any number),
        ``kind`` (gate or measured), ``unit``, and ``least`` or ``most``; the first that fits counts.
    """
    runs: List[Run] = list(parsed["runs"])
    checks = [_ran(parsed, question), _whole(runs), _ranks(runs, question), _data(runs)]
    curve = main_curve(runs)
    checks.append(_speed(curve, question, thresholds))
    if question.previous is not None:
        checks.append(_previous(curve, question))
    states = [check["status"] for check in checks]
    verdict = "fail" if "fail" in states else "unknown" if "unknown" in states else "pass"
    return {"verdict": verdict, "ok": verdict == "pass", "checks": checks}


def _check(name: str, status: str, observed: str, expected: str, remedy: str = "") -> Dict[str, str]:
    return {"id": name, "status": status, "observed": observed, "expected": expected, "remedy": remedy}


def _ran(parsed: Mapping[str, Any], question: Question) -> Dict[str, str]:
    expected = "the command ends by itself with exit code 0"
    if question.exit_code is None:
        return _check(
            "run",
            "fail",
            "it did not end within its time",
            expected,
            "look for a node that hangs, or give it more time (timeout)",
        )
    if question.exit_code or parsed["failures"]:
        said = "; ".join(parsed["failures"]) or "no reason in the output"
        return _check("run", "fail", f"exit code {question.exit_code}: {said}", expected, "see output_tail")
    return _check("run", "pass", "exit code 0", expected)


def _whole(runs: Sequence[Run]) -> Dict[str, str]:
    expected = "whole tables with numbers in them"
    problems = [found["message"] for run in runs for found in run["problems"]]
    if not runs:
        return _check("output", "unknown", "no table of a known benchmark", expected, "check program and arguments")
    if problems:
        said = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        return _check("output", "unknown", said, expected, "run it again and keep all of its output")
    return _check("output", "pass", f"{len(runs)} tables, {sum(len(run['rows']) for run in runs)} rows", expected)


def _ranks(runs: Sequence[Run], question: Question) -> Dict[str, str]:
    expected = f"{question.ranks} ranks in one run"
    told = [len(run["devices"]) for run in runs if run.get("devices")]
    if not told:
        return _check("ranks", "skipped", "the program does not say how many ranks it had", expected)
    if set(told) == {question.ranks}:
        return _check("ranks", "pass", f"{question.ranks} ranks", expected)
    remedy = "a program that was built without MPI=1 runs alone in every process: build nccl-tests with MPI=1"
    return _check(
        "ranks", "fail", f"{len(told)} runs of {', '.join(map(str, sorted(set(told))))} ranks", expected, remedy
    )


def _data(runs: Sequence[Run]) -> Dict[str, str]:
    expected = "every element that was checked is right"
    wrong, checked = [], False
    for run in runs:
        bounds, average = run.get("out_of_bounds"), run.get("average")
        if bounds and (bounds["ok"] is False or bounds["count"]):
            wrong.append(f"{bounds['count']:g} values out of bounds" if bounds["count"] else "values out of bounds")
        if average and average["ok"] is False:
            wrong.append("the average is below the minimum that the program was given")
        for row in run["rows"]:
            halves = [half for half in (row.get("out_of_place"), row.get("in_place")) if half]
            count = sum(half.get("wrong") or 0 for half in halves)
            # The old layout has the largest relative error instead; whether it is too large says its last line.
            checked |= any(half.get("wrong") is not None or half.get("error") is not None for half in halves)
            if count:
                wrong.append(f"{count:g} wrong elements at {row['size']} bytes")
            checked |= row.get("validation") is not None or row.get("passed") is not None or row.get("ok") is not None
            if row.get("validation") == "Fail" or row.get("passed") is False or row.get("ok") is False:
                wrong.append(f"wrong data: {row}")
    if wrong:
        remedy = "this is broken hardware or a broken driver until shown otherwise: take the nodes out one by one"
        return _check("data", "fail", "; ".join(wrong[:3]), expected, remedy)
    if not checked:
        return _check("data", "skipped", "the data was not checked (nccl-tests: -c 1, OSU: -c)", expected)
    return _check("data", "pass", "no wrong element", expected)


def main_curve(runs: Sequence[Run]) -> Optional[Curve]:
    """The curve that is judged: of several tables the last one that has points; both halves as their mean."""
    for run in reversed(runs):
        found = curves(run)
        if len(found) == 2:
            sums: Dict[int, List[float]] = {}
            for curve in found:
                for size, value in curve.points:
                    sums.setdefault(size, []).append(value)
            points = sorted((size, sum(values) / len(values)) for size, values in sums.items())
            return found[0]._replace(name="mean of out-of-place and in-place", points=points)
        if found:
            return found[0]
    return None


def observed_value(curve: Curve, from_bytes: int) -> Optional[Tuple[float, str]]:
    """Return what a threshold is compared with, and how it came about.

    The mean over all sizes from *from_bytes* on, which is what "Avg bus bandwidth" of nccl-tests is when it is run from
    that size on; of latencies the smallest size.
    """
    if not curve.more_is_better:
        return curve.points[0][1], f"at {curve.points[0][0]} bytes"
    values = [value for size, value in curve.points if size >= from_bytes]
    if not values:
        return None
    return sum(values) / len(values), f"mean of {len(values)} sizes from {from_bytes} bytes on"


def find_threshold(question: Question, unit: Optional[str], thresholds: Sequence[Threshold]) -> Optional[Threshold]:
    """Return the first threshold for this node type, test, number of nodes and unit (None: whatever unit), or None."""
    for entry in thresholds:
        named = entry["node_type"]
        patterns = [named] if isinstance(named, str) else list(named)
        name = (question.node_type or "").lower()
        fits = any(fnmatch.fnmatchcase(name, str(pattern).lower()) for pattern in patterns)
        if not fits or entry["test"] != question.test or entry.get("nodes") not in (None, question.nodes):
            continue
        if unit is None or entry.get("unit", "GB/s") == unit:
            return entry
    return None


def _speed(curve: Optional[Curve], question: Question, thresholds: Sequence[Threshold]) -> Dict[str, str]:
    if curve is None:
        return _check("speed", "unknown", "no number over message sizes", "a measured curve", "see the check `output`")
    entry = find_threshold(question, curve.unit, thresholds)
    where = f"{question.test} on {question.nodes} nodes of type {question.node_type or 'unknown'}"
    large = LARGE_BYTES if curve.unit == "GB/s" else LARGE_PAIR_BYTES
    from_bytes = int(entry.get("from_bytes", large)) if entry else min(large, curve.points[-1][0])
    value = observed_value(curve, from_bytes)
    said = f"{value[0]:.4g} {curve.unit} ({value[1]})" if value else f"largest message {curve.points[-1][0]} bytes"
    if entry is None:
        remedy = (
            "name the type with benchmark_node_type, or give your own limit in benchmark_thresholds "
            "(measure nodes that you trust, take 85-90 % of it)"
        )
        return _check("speed", "unknown", said, f"a threshold for {where}", remedy)
    least, most = limits(entry)
    expected = " and ".join(
        text
        for text in (
            f"at least {least:.4g} {curve.unit}" if least is not None else "",
            f"at most {most:.4g} {curve.unit}" if most is not None else "",
        )
        if text
    )
    expected += f" ({entry.get('source', 'benchmark_thresholds')}, {entry.get('certainty', 'given')})"
    if value is None:
        return _check(
            "speed", "unknown", said, expected, f"measure up to at least {from_bytes} bytes (benchmark_max_size)"
        )
    good = (least is None or value[0] >= least) and (most is None or value[0] <= most)
    remedy = "" if good else "see `transports` (NCCL_DEBUG=INFO), the state of the links, and repeat with fewer nodes"
    return _check("speed", "pass" if good else "fail", said, expected, remedy)


def limits(entry: Threshold) -> Tuple[Optional[float], Optional[float]]:
    """Return the least and the most that a threshold allows, in its unit."""
    least, most = entry.get("least"), entry.get("most")
    share = MEASURED_SHARE if entry.get("kind") == "measured" else 1.0
    return (None if least is None else float(least) * share), (None if most is None else float(most) / share)


def _previous(curve: Optional[Curve], question: Question) -> Dict[str, str]:
    before = question.previous or {}
    expected = f"at most {question.regression_percent:g} % worse than the run of {before.get('time', 'before')}"
    then = {
        "test": before.get("test"),
        "nodes": before.get("nodes"),
        "ranks": before.get("ranks"),
        "unit": (before.get("curve") or {}).get("unit"),
    }
    now = {"test": question.test, "nodes": question.nodes, "ranks": question.ranks, "unit": curve and curve.unit}
    if curve is None or then != now:
        differing = ", ".join(f"{key} {then[key]} and {now[key]}" for key in now if then[key] != now[key])
        remedy = "compare with a run of the same test on the same number of nodes"
        return _check("previous", "unknown", f"cannot be compared: {differing or 'no curve'}", expected, remedy)
    old = {int(size): float(value) for size, value in before["curve"]["points"]}
    # Small messages scatter: where there are large ones, they alone count.
    common = [(size, value) for size, value in curve.points if old.get(size)]
    large = [(size, value) for size, value in common if size >= 1 << 20] or common
    if not large:
        return _check("previous", "unknown", "no message size in common", expected, "measure the same sizes")
    worse = [
        (100 * ((old[size] - value) if curve.more_is_better else (value - old[size])) / old[size], size)
        for size, value in large
    ]
    mean = sum(percent for percent, _ in worse) / len(worse)
    worst, at = max(worse)
    said = f"{mean:+.1f} % worse on average over {len(worse)} sizes, {worst:+.1f} % at {at} bytes"
    good = mean <= question.regression_percent
    return _check(
        "previous", "pass" if good else "fail", said, expected, "" if good else "see what changed between them"
    )
