# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what nccl-tests (and rccl-tests) print, of every layout.

Layouts as in NVIDIA/nccl-tests: 1.x has ``bytes``, ``N`` and ``op``, and milliseconds. Until 2.12 the last column of
each half is ``error``, the largest relative error; since 2.13 it is ``#wrong``, a count of wrong elements, and every
table has ``redop`` and ``root``. 2.18 can add a timestamp and four columns per iteration. So the columns are taken from
the table's own header. Some launchers and log services take the ``#`` away.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional, Sequence, Tuple

from ._bench_text import Run, is_size, number, number_or_none
from ._problem import problem

_HEADER = re.compile(r"^\s*#?\s+(?:size\s+count|bytes\s+N)\s+type\b")
_PREFACE = re.compile(
    r"^\s*(?:(?:# )?(?:nccl-tests version|Collective test starting:|nThread \d)"
    r"|# (?:rccl-tests|NCCL Tests compiled|Using devices))"
)
_DEVICE = re.compile(
    r"^\s*#?\s*Rank\s+(?P<rank>\d+)\s+(?:Group\s+(?P<group>\d+)\s+)?(?:Pid\s+\d+\s+)?on\s+(?P<host>\S+)\s+device\s+"
    r"(?P<device>\d+)\s+\[(?P<bus>[0-9a-fA-Fx:.]+)\]\s*(?P<name>.*)$"
)
_ROW = re.compile(r"^\s*\d+\s+\d+\s+[A-Za-z]\w*\s")
_BOUNDS = re.compile(r"^\s*#? ?Out of bounds values\s*:\s*(\S+)\s*(OK|FAILED)?")
_AVERAGE = re.compile(r"^\s*#? ?Avg bus bandwidth\s*:\s*(\S+)\s*(OK|FAILED)?")
_STAMP = re.compile(r"\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\s*$")
_DEFAULT = (
    "#       size         count      type   redop    root"
    "     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong"
)
_NAMES = {
    "time": "time_us",
    "cputime": "time_us",
    "algbw": "algbw_gbs",
    "busbw": "busbw_gbs",
    "#wrong": "wrong",
    "error": "error",
    "res": "error",
    "i_min": "iter_min_us",
    "i_max": "iter_max_us",
    "i_p99": "iter_p99_us",
    "i_cv%": "iter_cv_percent",
}


class _Columns:
    """What a header says: the fields before the measurements, and the fields of each half."""

    def __init__(self, header: str) -> None:
        words = header.replace("#", " ", 1).split()
        # The first releases wrote milliseconds, and op for redop.
        self.time_scale = 1000 if words[0] == "bytes" else 1
        words = ["redop" if word == "op" else word for word in words]
        starts = [index for index, word in enumerate(words) if word in ("time", "cputime")]
        ends = [*starts[1:], len(words)]
        self.before = words[: starts[0]] if starts else words
        self.halves = [
            [_NAMES.get(word, word) for word in words[start:end] if word != "timestamp"]
            for start, end in zip(starts, ends)
        ]
        # Some tests print the heading redop and leave the field empty: only its place shows that.
        self.redop = header.find("redop") if "redop" in header else header.find("   op") - 1
        # Where the second half begins: tells a row with only in-place values from one with only out-of-place ones.
        places = [match.start() for match in re.finditer(r"\b(?:cpu)?time\b", header)]
        self.second = places[1] if len(places) > 1 else len(header)


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every table of nccl-tests in a stream, in order.

    A table has ``rows`` (``size`` in bytes, ``out_of_place`` and ``in_place`` with ``time_us``, ``algbw_gbs``,
    ``busbw_gbs`` and ``wrong`` or ``error``; a half or value that is not there or N/A is None), ``devices``,
    ``average`` and ``out_of_bounds`` as far as the program said them, ``complete`` (whether its last line came) and
    ``problems``.
    """
    return _Reader(label).read(lines)


class _Reader:
    """Reads the lines of one stream."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.runs: List[Run] = []
        self.columns: Optional[_Columns] = None

    def read(self, lines: Sequence[str]) -> List[Run]:
        for line in lines:
            self._line(line)
        for run in self.runs:
            close(run)
        # Settings and device lists without a table are from a program that did not get that far.
        return self.runs

    def _line(self, line: str) -> None:
        device = _DEVICE.match(line)
        if device:
            self._device(device)
        elif _PREFACE.match(line):
            self._setting(line)
        elif _HEADER.match(line):
            run = self._run(fresh=self.columns is not None)
            self.columns = _Columns(line)
            run["columns"] = [*self.columns.before, *(name for half in self.columns.halves for name in half)]
        elif _ROW.match(line):
            self._row(line)
        elif self.runs:
            self._footer(line)

    def _run(self, fresh: bool = False) -> Run:
        if fresh or not self.runs:
            self.columns = None
            self.runs.append(
                {
                    "layout": "nccl-tests",
                    "stream": self.label,
                    "test": None,
                    "version": None,
                    "validation": None,
                    "devices": [],
                    "columns": [],
                    "rows": [],
                    "out_of_bounds": None,
                    "average": None,
                    "complete": False,
                    "problems": [],
                }
            )
        return self.runs[-1]

    def _setting(self, line: str) -> None:
        run = self._run(fresh=self.columns is not None)
        version = re.search(r"-tests version (\S+)", line)
        test = re.search(r"test starting: (\S+)", line)
        checked = re.search(r"validation: (\d+)", line)
        if version:
            run["version"] = version.group(1)
        if test:
            run["test"] = operation(test.group(1))
        if checked:
            run["validation"] = int(checked.group(1)) > 0

    def _device(self, match: re.Match[str]) -> None:
        self._run(fresh=self.columns is not None)["devices"].append(
            {
                "rank": int(match.group("rank")),
                "host": match.group("host"),
                "device": int(match.group("device")),
                "bus": match.group("bus"),
                "name": match.group("name").strip(),
            }
        )

    def _row(self, line: str) -> None:
        run = self._run()
        if self.columns is None:
            self.columns = _Columns(_DEFAULT)
            run["problems"].append(
                problem("no-header", "the header of the table is missing; columns are taken as those of 2.13 and newer")
            )
        row, why = _read_row(line, self.columns)
        if row is None:
            run["problems"].append(problem("unreadable-row", f"{why}: {line.strip()[:160]}"))
        else:
            run["rows"].append(row)
            if why:
                run["problems"].append(problem("unreadable-value", why, f"size {row['size']}"))

    def _footer(self, line: str) -> None:
        run = self.runs[-1]
        bounds, average = _BOUNDS.match(line), _AVERAGE.match(line)
        if bounds:
            count = number_or_none(bounds.group(1))
            run["out_of_bounds"] = {"count": count, "ok": _ok(bounds.group(2))}
        elif average:
            run["average"] = {"busbw_gbs": number_or_none(average.group(1)), "ok": _ok(average.group(2))}
            run["complete"] = True


def _ok(word: Optional[str]) -> Optional[bool]:
    return None if word is None else word == "OK"


def _read_row(line: str, columns: _Columns) -> Tuple[Optional[Run], str]:
    """Return a row and what could not be read in it, or None and why it is no whole row."""
    stamp = _STAMP.search(line)
    tokens = (line[: stamp.start()] if stamp else line).split()
    if not (is_size(tokens[0]) and is_size(tokens[1])):
        return None, "no such size"
    row: Run = {"size": int(tokens[0]), "count": int(tokens[1]), "type": tokens[2], "redop": None, "root": None}
    at = 3
    lengths = [len(half) for half in columns.halves]
    for field in columns.before[3:]:
        if field == "redop" and not line[columns.redop : columns.redop + len(field)].strip():
            continue
        if at < len(tokens):
            row[field] = root_rank(tokens[at]) if field == "root" else tokens[at]
            at += 1
    values = tokens[at:]
    halves: List[Optional[List[str]]]
    if lengths and len(values) == sum(lengths):
        halves = [values[: lengths[0]], values[lengths[0] :] or None]
    elif len(lengths) == 2 and len(values) == lengths[0]:
        # Only the text says which half it is: values end below their heading.
        begins = line.rstrip().find(values[0], len(line) - len(line.lstrip()) + sum(map(len, tokens[:at])))
        halves = [None, values] if begins + len(values[0]) > columns.second else [values, None]
    else:
        return None, f"{len(tokens)} fields where the header has {len(columns.before) + sum(lengths)}"
    unread: List[str] = []
    for name, half, fields in zip(("out_of_place", "in_place"), halves, [*columns.halves, []]):
        row[name] = None if half is None else _half(half, fields, unread)
        if half is not None and row[name]["time_us"] is not None:
            row[name]["time_us"] *= columns.time_scale
    row.setdefault("in_place", None)
    if stamp:
        row["timestamp"] = stamp.group(1)
    return row, f"no numbers: {', '.join(unread)}" if unread else ""


def root_rank(token: str) -> Optional[int]:
    return int(token) if re.match(r"^-?\d+$", token) else None


def _half(tokens: Sequence[str], fields: Sequence[str], unread: List[str]) -> Dict[str, Optional[float]]:
    values: Dict[str, Optional[float]] = {"time_us": None, "algbw_gbs": None, "busbw_gbs": None, "wrong": None}
    for field, token in zip(fields, tokens):
        try:
            values[field] = number(token)
        except ValueError:
            values[field] = None
            unread.append(f"{field} {token[:20]}")
    return values


def close(run: Run) -> None:
    rows = run["rows"]
    two = run["columns"].count("busbw_gbs") == 2
    if two and rows and not run["complete"] and not rows[-1]["in_place"] and all(row["in_place"] for row in rows[:-1]):
        # A cut between the two halves leaves what looks like a whole row of a test without in-place values.
        rows.pop()
    if not rows:
        run["problems"].append(problem("no-rows", "the table is empty: the program ended before its first measurement"))
    elif not run["complete"]:
        run["problems"].append(
            problem("cut-short", "the output ends before '# Avg bus bandwidth': the run or the capture was cut short")
        )


def operation(program: str) -> str:
    """Return the name of the operation from that of a program: ``all_reduce`` of ``/opt/x/all_reduce_perf_mpi``."""
    return re.sub(r"_perf(?:_mpi)?$", "", program.rpartition("/")[2])
