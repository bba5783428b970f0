# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what linux-rdma's perftest prints: ``ib_write_bw``, ``ib_read_lat`` and so on, one side of it or both mixed."""

from __future__ import annotations

import re
from typing import List, Sequence

from ._bench_text import Run, is_size, number
from ._problem import problem

_TITLE = re.compile(r"^\s*(?P<title>(?:RDMA_\w+|Send|Raw\w*|Atomic\w*|\w+ )\S*\s?(?:\w+ )*(?:BW|Latency|Lat) Test)\s*$")
_HEADING = re.compile(r"^\s*#bytes\s+#iterations\s+(?P<rest>\S.*)$")
_ROW = re.compile(r"^\s*\d+\s+\d+(?:\s+\S+)+\s*$")


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every table of perftest in a stream, in order.

    A table has ``title``, ``columns`` (``bw_average_mb_sec``, ``t_typical_usec`` …; the unit is in the name) and
    ``rows`` with ``size`` in bytes and ``iterations``. A row that both sides of a loopback print is taken once.
    """
    runs: List[Run] = []
    title = ""
    for line in lines:
        named, heading = _TITLE.match(line), _HEADING.match(line)
        if named:
            title = named.group("title")
        elif heading:
            columns = [_slug(word) for word in re.findall(r"\S[^\[\]]*\[[^\]]*\]|\S+", heading.group("rest"))]
            # Client and server of a loopback write into one terminal: two headings before the first row are one table.
            if not (runs and runs[-1]["columns"] == columns and not runs[-1]["rows"]):
                runs.append(
                    {
                        "layout": "perftest",
                        "stream": label,
                        "title": title,
                        "columns": columns,
                        "unit": _unit(columns),
                        "rows": [],
                        "complete": None,
                        "problems": [],
                    }
                )
        elif runs and _ROW.match(line):
            _row(runs[-1], line)
    for run in runs:
        if not run["rows"]:
            run["problems"].append(problem("no-rows", "no measurement follows the heading", run["title"]))
    return runs


def _row(run: Run, line: str) -> None:
    tokens = line.split()
    if len(tokens) != 2 + len(run["columns"]):
        run["problems"].append(problem("unreadable-row", f"{len(tokens)} fields: {line.strip()[:160]}", run["title"]))
        return
    try:
        values = [number(token) for token in tokens[2:]]
        if not (is_size(tokens[0]) and is_size(tokens[1])):
            raise ValueError("no such size")
    except ValueError:
        run["problems"].append(problem("unreadable-row", f"no numbers: {line.strip()[:160]}", run["title"]))
        return
    # A test that runs for a time (-D) measures no peak and prints 0.00.
    values = [
        None if column.startswith("bw_peak") and not value else value for column, value in zip(run["columns"], values)
    ]
    row = {"size": int(tokens[0]), "iterations": int(tokens[1]), **dict(zip(run["columns"], values))}
    if row not in run["rows"]:
        run["rows"].append(row)


def _slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", heading.lower().replace("%", "p")).strip("_")


def _unit(columns: Sequence[str]) -> str:
    text = " ".join(columns)
    for mark, unit in (("mb_sec", "MB/s"), ("mib_sec", "MiB/s"), ("gb_sec", "Gb/s"), ("usec", "us")):
        if mark in text:
            return unit
    return ""
