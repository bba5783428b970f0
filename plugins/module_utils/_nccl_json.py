# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read the report that nccl-tests writes with ``-J``: the same table as its text, as JSON."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from ._bench_text import Run, number_or_none
from ._nccl_tests import close, operation, root_rank
from ._problem import problem


def parse_json(report: Mapping[str, Any]) -> Run:
    """Return the table in a report that nccl-tests wrote with ``-J``. Its ``env`` (the whole environment) is not kept.

    :raises ValueError: the mapping is no such report.
    """
    if not isinstance(report.get("results"), list):
        raise ValueError("no list 'results': not a report of nccl-tests")
    config = _mapping(report, "config")
    arguments = _list(report, "args") or [""]
    bounds, average = _mapping(report, "out_of_bounds"), _mapping(report, "average_bus_bandwidth")
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
            for device in map(_mapping, _list(config, "devices"))
        ],
        "columns": [],
        "rows": [_json_row(_mapping(row)) for row in report["results"]],
        "out_of_bounds": {"count": bounds.get("count"), "ok": _json_ok(bounds.get("okay"))} if bounds else None,
        "average": (
            {"busbw_gbs": _json_number(average.get("bandwidth")), "ok": _json_ok(average.get("okay"))}
            if average
            else None
        ),
        "complete": bool(average) and "end_time" in report,
        "problems": [problem("program-error", str(error)) for error in _list(report, "errors") if error],
    }
    close(run)
    return run


def _mapping(value: Any, key: Optional[str] = None) -> Mapping[str, Any]:
    """Return a mapping, or that at *key* of one; empty for null. Anything else means another program's file."""
    found = value if key is None else value.get(key)
    if not isinstance(found, (dict, type(None))):
        raise ValueError(f"{key or 'an entry'} is no mapping: not a report of nccl-tests")
    return found or {}


def _list(mapping: Mapping[str, Any], key: str) -> List[Any]:
    found = mapping.get(key)
    if not isinstance(found, (list, type(None))):
        raise ValueError(f"{key} is no list: not a report of nccl-tests")
    return found or []


def _json_row(row: Mapping[str, Any]) -> Run:
    size = row.get("size")
    if type(size) is not int or not 0 <= size < 1 << 64:  # true is an int too
        raise ValueError(f"no size in bytes: {size!r:.40}: not a report of nccl-tests")
    halves = {}
    for name in ("out_of_place", "in_place"):
        half = _mapping(row, name) or None
        halves[name] = half and {
            "time_us": _json_number(half.get("time", half.get("cpu_time"))),
            "algbw_gbs": _json_number(half.get("alg_bw")),
            "busbw_gbs": _json_number(half.get("bus_bw")),
            "wrong": _json_number(half.get("nwrong")),
        }
    root = str(row.get("root", "")).strip()
    return {
        "size": size,
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
