# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what High-Performance Linpack prints (netlib's HPL 2.x and the builds of vendors that keep its tables)."""

from __future__ import annotations

import re
from typing import List, Optional, Sequence

from ._bench_text import Run, number_or_none
from ._problem import problem

_TITLE = re.compile(r"^\s*HPLinpack (?P<version>\S+)|^\s*HPL-NVIDIA (?P<other>\S+)")
_ROW = re.compile(
    r"^\s*(?P<variant>W[A-Z0-9]+)\s+(?P<n>\d+)\s+(?P<nb>\d+)\s+(?P<p>\d+)\s+(?P<q>\d+)\s+(?P<seconds>[\d.]+)\s+"
    r"(?P<gflops>[\d.]+(?:[eE][+-]?\d+)?)"
)
_RESIDUAL = re.compile(r"^\s*\|\|Ax-b\|\|.*=\s*(?P<value>\S+)\s*\.+\s*(?P<word>PASSED|FAILED)")
_COUNT = re.compile(r"^\s*(\d+) tests (completed and (?:passed|failed) residual checks|skipped)")


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every run of HPL in a stream.

    A run has ``rows`` (``n``, ``nb``, ``p``, ``q``, ``seconds``, ``gflops``, ``residual``, ``passed`` or None), the
    counts ``passed``, ``failed`` and ``skipped`` of its last lines (None when these did not come) and ``complete``.
    """
    runs: List[Run] = []
    run: Optional[Run] = None
    for line in lines:
        title, row, residual, count = (form.match(line) for form in (_TITLE, _ROW, _RESIDUAL, _COUNT))
        if title:
            run = _new(label, title.group("version") or title.group("other"))
            runs.append(run)
        elif run is None:
            continue
        elif row:
            sizes = {name: int(row.group(name)) for name in ("n", "nb", "p", "q")}
            run["rows"].append(
                {
                    "variant": row.group("variant"),
                    **sizes,
                    "seconds": number_or_none(row.group("seconds")),
                    "gflops": number_or_none(row.group("gflops")),
                    "residual": None,
                    "passed": None,
                }
            )
        elif residual and run["rows"]:
            run["rows"][-1]["passed"] = residual.group("word") == "PASSED"
            run["rows"][-1]["residual"] = number_or_none(residual.group("value"))  # nan comes with FAILED
        elif count:
            word = next(word for word in ("passed", "failed", "skipped") if word in count.group(2))
            run[word] = int(count.group(1))
        elif line.strip() == "End of Tests.":
            run["complete"] = True
    for run in runs:
        if not run["complete"]:
            run["problems"].append(problem("cut-short", "the output ends before 'End of Tests.'"))
    return runs


def _new(label: str, version: str) -> Run:
    counts = {"passed": None, "failed": None, "skipped": None}
    return {
        "layout": "hpl",
        "stream": label,
        "version": version,
        "rows": [],
        **counts,
        "complete": False,
        "problems": [],
    }
