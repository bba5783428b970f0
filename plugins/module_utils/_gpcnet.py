# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what GPCNeT prints (``network_test`` and ``network_load_test`` 1.3): boxes with a title, a heading and rows."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence

from ._bench_text import Run, number
from ._problem import problem

_TITLE = re.compile(r"^\s*(?P<title>Network\w*(?: Load)? Tests) v(?P<version>\S+)")
_SIZE = re.compile(r"^(?P<name>.*) \((?P<size>\d+) B\)$")


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every run of GPCNeT in a stream.

    A run has ``rows``: each with ``section``, ``name``, ``size`` in bytes or None, ``unit`` or None (a factor), and the
    values under the names of their headings, such as ``avg`` and ``99%``.
    """
    runs: List[Run] = []
    section = ""
    columns: List[str] = []
    for line in lines:
        title = _TITLE.match(line)
        if title:
            runs.append(_new(label, title.group("title"), title.group("version")))
            section, columns = "", []
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.strip().startswith("|") else []
        if not runs or not cells:
            continue
        if len(cells) == 1:
            section, columns = " ".join(cells[0].split()), []
        elif cells[0] == "Name" or not cells[0]:
            # The box of key results has a heading of two lines; the second one names the columns.
            columns = [cell.lower() for cell in cells[1:]]
        elif columns:
            _row(runs[-1], section, columns, cells)
    for run in runs:
        if not run["rows"]:
            run["problems"].append(problem("no-rows", "no result follows the title", run["title"]))
    return runs


def _new(label: str, title: str, version: str) -> Run:
    return {
        "layout": "gpcnet",
        "stream": label,
        "title": title,
        "version": version,
        "rows": [],
        "complete": None,
        "problems": [],
    }


def _row(run: Run, section: str, columns: List[str], cells: List[str]) -> None:
    if len(cells) != len(columns) + 1:
        run["problems"].append(problem("unreadable-row", " | ".join(cells), section))
        return
    name = cells[0]
    size: Optional[int] = None
    sized = _SIZE.match(name)
    if sized:
        name, size = sized.group("name"), int(sized.group("size"))
    row: Dict[str, Any] = {"section": section, "name": name, "size": size, "unit": None}
    for column, cell in zip(columns, cells[1:]):
        if column == "units":
            row["unit"] = cell
            continue
        try:
            row[column] = number(cell[:-1] if cell.endswith("X") else cell)
        except ValueError:
            row[column] = None
            run["problems"].append(problem("unreadable-value", f"{column} {cell}", name))
    run["rows"].append(row)
