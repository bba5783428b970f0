# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read what gpu_burn prints: progress written over itself, then a verdict for each GPU."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence

from ._bench_text import Run, number_or_none
from ._problem import problem

_GPU = re.compile(r"^\s*GPU (?P<index>\d+): (?P<name>.+?) \(UUID: (?P<uuid>\S+)\)")
_PROGRESS = re.compile(
    r"(?<!\d)(?P<percent>\d{1,3}(?:\.\d+)?)%\s+proc'd: (?P<work>.*?)errors: "
    r"(?P<errors>[^t]*?)\s*(?:temps: (?P<temps>.*))?$"
)
_END = re.compile(r"^\s*Tested \d+ GPUs:")
_VERDICT = re.compile(r"^\s*GPU (?P<index>\d+): (?P<word>OK|FAULTY)\b")


def read(label: str, lines: Sequence[str]) -> List[Run]:
    """Return every run of gpu_burn in a stream.

    A run has ``rows``, one a GPU: ``index``, ``name``, ``uuid``, ``ok`` (None before the verdict), ``errors`` and
    ``gflops`` of the last progress, ``temperature_c``; a value that was not printed is None.
    """
    runs: List[Run] = []
    run: Optional[Run] = None
    ended = False
    for line in lines:
        gpu, progress, verdict = _GPU.match(line), _PROGRESS.search(line), _VERDICT.match(line)
        if gpu:
            if run is None or ended:
                run, ended = _new(label), False
                runs.append(run)
            run["rows"].append(_gpu(int(gpu.group("index")), gpu.group("name"), gpu.group("uuid")))
        elif run is None:
            continue
        elif progress:
            _progress(run, progress)
        elif _END.match(line):
            ended = run["complete"] = True
        elif verdict and ended:
            row = _find(run, int(verdict.group("index")))
            row["ok"] = verdict.group("word") == "OK"
    for run in runs:
        if not run["complete"]:
            run["problems"].append(problem("cut-short", "the output ends before the verdicts of the GPUs"))
    return runs


def _new(label: str) -> Run:
    return {"layout": "gpu-burn", "stream": label, "percent": None, "rows": [], "complete": False, "problems": []}


def _gpu(index: int, name: Optional[str] = None, uuid: Optional[str] = None) -> Dict[str, Any]:
    values = {"ok": None, "errors": None, "gflops": None, "temperature_c": None}
    return {"index": index, "name": name, "uuid": uuid, **values}


def _find(run: Run, index: int) -> Dict[str, Any]:
    for row in run["rows"]:
        if row["index"] == index:
            return row  # type: ignore[no-any-return]
    run["rows"].append(_gpu(index))
    return run["rows"][-1]  # type: ignore[no-any-return]


def _progress(run: Run, match: re.Match[str]) -> None:
    run["percent"] = float(match.group("percent"))
    speeds = [number_or_none(value) for value in re.findall(r"\((-?[\d.]+) Gflop/s\)", match.group("work"))]
    # A GPU that died is told as "-1 errors  (DIED!)"; what follows the number is in the verdict too.
    errors = [int(value) for value in re.findall(r"(?:^|- )\s*(-?\d+)", match.group("errors"))]
    temperatures = re.findall(r"(-?\d+|--) C", match.group("temps") or "")
    for index, row in enumerate(run["rows"]):
        if index < len(speeds):
            row["gflops"] = speeds[index]
        if index < len(errors):
            row["errors"] = errors[index]
        if index < len(temperatures):
            row["temperature_c"] = None if temperatures[index] == "--" else int(temperatures[index])
