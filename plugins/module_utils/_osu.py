# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what the OSU micro-benchmarks print (5.x to 8.x), and programs of the same layout.

A title ``# OSU MPI Latency Test v7.5``, then a heading ``# Size  Latency (us)`` and rows. ``--full`` and ``--tail-lat``
add columns, ``-c`` adds Pass or Fail, ``osu_barrier`` has no sizes, ``osu_init`` is one line. There is no last line:
that a run is whole shows only in the exit code of its program.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence

from ._bench_text import Run, is_size, number, number_or_none
from ._problem import problem

_TITLE = re.compile(
    r"^\s*(?:#\s*)?(?P<title>(?:[A-Z][\w+-]* ){0,3}(?:MPI|UPC|UPC\+\+|OpenSHMEM|OSHM|SHMEM|GASNet|NCCL|RCCL|xCCL)\S*\s"
    r"(?:.*\s)?Test\b(?:(?! v\d).)*?)(?:\s+v(?P<version>\d\S*))?\s*$"
)
_SIZES = re.compile(r"^\s*(?:#\s*)?Size(?: ?[\[(]B(?:ytes)?[\])])?\s+(?P<rest>\S.*(?:us|B/s|s/s|%).*)$")
_NO_SIZES = re.compile(r"^\s*#\s*(?P<rest>(?:Avg |Overall ?|Min |Max )?\S*\s?[([]us[)\]].*)$")
_START_UP = re.compile(r"^\s*nprocs:\s*(\d+), min: ([\d.]+) ms, max: ([\d.]+) ms, avg: ([\d.]+) ms")
_ROW = re.compile(r"^\s*\d[\d.]*(?:\s+\S+)*\s*$")
_UNITS = (("_us", "us"), ("mb_s", "MB/s"), ("messages_s", "1/s"), ("_ms", "ms"))


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every table of this layout in a stream, in order.

    A table has ``title``, ``version``, ``columns`` (``avg_latency_us``, ``bandwidth_mb_s`` …), ``unit`` of the first of
    them, ``rows`` (``size`` in bytes or None, the columns, ``validation`` Pass, Fail or None), ``before`` (the line
    that stood before the title, where scripts name the nodes) and ``problems``.
    """
    runs: List[Run] = []
    before = ""
    for line in lines:
        title = _TITLE.match(line)
        if title:
            runs.append(_new(label, title.group("title").strip(), title.group("version"), before))
        elif runs and _take(runs[-1], line):
            pass
        elif line.strip() and not line.lstrip().startswith("#"):
            before = line.strip()[:200]
            continue
        before = ""
    for run in runs:
        if not run["rows"]:
            run["problems"].append(problem("no-rows", "no measurement follows the title", run["title"]))
    return runs


def _new(label: str, title: str, version: Optional[str], before: str) -> Run:
    return {
        "layout": "osu",
        "stream": label,
        "title": title,
        "version": version,
        "before": before,
        "columns": [],
        "unit": None,
        "rows": [],
        "complete": None,
        "problems": [],
    }


def _take(run: Run, line: str) -> bool:
    """Read a line into the table; False if it does not belong to it."""
    sizes = _SIZES.match(line)
    heading = sizes or (None if run["columns"] else _NO_SIZES.match(line))
    if heading:
        run["columns"] = [_slug(word) for word in re.split(r"\s{2,}", heading.group("rest").strip())]
        run["sized"] = bool(sizes)
        run["unit"] = next((unit for end, unit in _UNITS if run["columns"][0].endswith(end)), None)
        return True
    start_up = _START_UP.match(line)
    if start_up:
        run["columns"], run["unit"], run["sized"] = ["avg_ms", "min_ms", "max_ms"], "ms", False
        _, low, high, mean = (number_or_none(value) for value in start_up.groups())
        run["rows"].append({"size": None, "avg_ms": mean, "min_ms": low, "max_ms": high})
        return True
    if not run["columns"] or not _ROW.match(line):
        return False
    row = _row(run, line.split())
    if isinstance(row, dict):
        run["rows"].append(row)
        return True
    if row:
        run["problems"].append(problem("unreadable-row", f"{row}: {line.strip()[:160]}", run["title"]))
    return bool(row)


def _row(run: Run, tokens: List[str]) -> object:
    """Return the row, why it cannot be read, or None where the line is something else."""
    columns = [column for column in run["columns"] if column != "validation"]
    wanted = len(columns) + bool(run["sized"])
    row: Dict[str, Any] = {"size": None}
    validation = None
    if len(tokens) == wanted + 1 and re.match(r"^(Pass|Fail|-)$", tokens[-1], re.IGNORECASE):
        validation = tokens.pop().capitalize()
    if run["sized"]:
        if not tokens[0].isdecimal():
            return None
        if not is_size(tokens[0]):
            return "no such size"
        row["size"] = int(tokens[0])
    try:
        values = [number(token) for token in tokens[bool(run["sized"]) :]]
    except ValueError:
        # A sentence that begins with a number belongs to somebody else; half a row is numbers only.
        like_row = len(tokens) == wanted and all(token[0].isdecimal() for token in tokens)
        return "no numbers" if like_row else None
    if len(tokens) != wanted:
        return f"{len(tokens)} fields where the heading has {wanted}"
    row.update(zip(columns, values))
    row["validation"] = validation if validation in ("Pass", "Fail") else None
    return row


def _slug(heading: str) -> str:
    words = heading.lower().replace("messages/s", "messages_s").replace("%", "percent")
    return re.sub(r"[^a-z0-9]+", "_", words).strip("_")
