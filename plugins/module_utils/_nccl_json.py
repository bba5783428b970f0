# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read the report that nccl-tests writes with ``-J``: the same table as its text, as JSON."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ._bench_text import Run
from ._nccl_tests import close, number_or_none, operation, root_rank
from ._problem import problem


def parse_json(report: Mapping[str, Any]) -> Run:
    """Return the table in a report that nccl-tests wrote with ``-J``. Its ``env`` (the whole environment) is not kept.

    :raises ValueError: the mapping is no such report.
    """
    if not isinstance(report.get("results"), list):
        raise ValueError("no list 'results': not a report of nccl-tests")
    config = report.get("config") if isinstance(report.get("config"), dict) else {}
    assert isinstance(config, dict)
    arguments = report.get("args") or [""]
    bounds, average = report.get("out_of_bounds") or {}, report.get("average_bus_bandwidth") or {}
    run: Run = {
        "layout": "nccl-tests",
        "stream": "",
        "test": operation(str(arguments[0])) or None,
        "version": None,
        "validation": bool(config["validation"]) if "validation" in config else None,
        "devices": [
            {
                "rank": device.get("rank"),
                "host": device.get("hostname"),
                "device": device.get("device"),
                "bus": device.get("device_hex"),
                "name": device.get("device_info"),
            }
            for device in config.get("devices") or []
        ],
        "columns": [],
        "rows": [_json_row(row) for row in report["results"]],
        "out_of_bounds": {"count": bounds.get("count"), "ok": _json_ok(bounds.get("okay"))} if bounds else None,
        "average": (
            {"busbw_gbs": _json_number(average.get("bandwidth")), "ok": _json_ok(average.get("okay"))}
            if average
            else None
        ),
        "complete": bool(average) and "end_time" in report,
        "problems": [problem("program-error", str(error)) for error in report.get("errors") or [] if error],
    }
    close(run)
    return run


def _json_row(row: Mapping[str, Any]) -> Run:
    halves = {}
    for name in ("out_of_place", "in_place"):
        half = row.get(name)
        halves[name] = half and {
            "time_us": _json_number(half.get("time", half.get("cpu_time"))),
            "algbw_gbs": _json_number(half.get("alg_bw")),
            "busbw_gbs": _json_number(half.get("bus_bw")),
            "wrong": _json_number(half.get("nwrong")),
        }
    root = str(row.get("root", "")).strip()
    return {
        "size": row.get("size"),
        "count": row.get("count"),
        "type": row.get("type"),
        "redop": row.get("redop"),
        "root": root_rank(root),
        **halves,
    }


def _json_number(value: object) -> Optional[float]:
    return number_or_none(str(value)) if value is not None else None


def _json_ok(word: object) -> Optional[bool]:
    # Booleans are written as words, and "unchecked" where no minimum was asked for.
    return {"true": True, "false": False}.get(str(word).lower())
