# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read the output of any benchmark that is known here, and give every table the same shape of curve."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from . import _gpcnet, _gpu_burn, _hpl, _nccl_json, _nccl_tests, _osu, _perftest
from ._bench_text import Run, failures, streams, transports
from ._problem import problem

_READERS = (_nccl_tests.read, _osu.read, _perftest.read, _gpcnet.read, _hpl.read, _gpu_burn.read)


class Curve(NamedTuple):
    """Something measured over message sizes: ``points`` are (bytes, value), by size; more is better, or less."""

    name: str
    unit: str
    more_is_better: bool
    points: List[Tuple[int, float]]


def parse(text: str) -> Dict[str, Any]:
    """Return ``runs`` (every table found), ``failures`` (lines that tell of one), ``transports`` and ``problems``.

    Nothing is guessed: what no reader knows is left out, and a text without any table is a problem by name.
    """
    runs: List[Run] = []
    found = streams(text)
    report = _report(text)
    if report is not None:
        try:
            runs.append(_nccl_json.parse_json(report))
        except ValueError:
            report = None
    if report is None:
        runs = [run for read in _READERS for label, lines in found.items() for run in read(label, lines)]
    problems = [] if runs else [problem("no-results", "no table of a known benchmark is in the output")]
    return {"runs": runs, "failures": failures(found), "transports": transports(text), "problems": problems}


def _report(text: str) -> Optional[Dict[str, Any]]:
    if not text.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(text, parse_constant=lambda _: None)  # NaN would be no JSON in our answer
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def curves(run: Run) -> List[Curve]:
    """Return what a table measured over sizes; empty for tables without sizes. Unknown values are left out."""
    if run["layout"] == "nccl-tests":
        found = [
            Curve(
                name.replace("_", "-"),
                "GB/s",
                True,
                [
                    (row["size"], row[name]["busbw_gbs"])
                    for row in run["rows"]
                    if row.get(name) and row[name]["busbw_gbs"] is not None and row["size"]
                ],
            )
            for name in ("out_of_place", "in_place")
        ]
    elif run["layout"] in ("osu", "perftest") and run["columns"]:
        column = _main_column(run)
        unit = run["unit"] or ""
        points = [(row["size"], row[column]) for row in run["rows"] if row.get("size") and row.get(column) is not None]
        found = [Curve(column, unit, unit not in ("us", "ms"), points)]
    else:
        found = []
    return [curve._replace(points=sorted(curve.points)) for curve in found if curve.points]


def _main_column(run: Run) -> str:
    for wanted in ("bw_average", "t_typical"):  # of perftest; the first columns there are peaks
        for column in run["columns"]:
            if column.startswith(wanted):
                return str(column)
    return str(run["columns"][0])
