# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The text that benchmarks leave behind, taken apart: who said a line, and which numbers stand in it.

Launchers put labels before each line, and the lines of several ranks come mixed. Forms seen: ``[1,0]<stdout>:`` of Open
MPI 4 and ``[prterun-node-77@1,0]<stdout>:`` of Open MPI 5 (``--tag-output``), ``0: `` of ``srun --label``,
``[default0]:`` of torchrun, ``node1: `` of pdsh, ``[pod/name/container]`` of kubectl, times before any of these.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

Run = Dict[str, Any]  # one table of results: JSON types only, described in the module benchmark_run

# No row of a table is longer; reading a number of thousands of digits fails, and searching such a line takes seconds.
_LONGEST = 4000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x00")
_TIME = re.compile(
    r"^\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:+Z-]*\s+"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}(?=\[))"
)
_LABELS = (
    re.compile(r"^\s*\[(?P<label>[\w.@/-]+,\d+)\]\s?<(?:stdout|stderr|stddiag)>:"),
    re.compile(r"^\s*\[(?P<label>pod/[^\]\s]+|(?:default|rank)?\d+)\](?::|(?= ))"),
    re.compile(r"^\s*(?P<label>\d+):(?= |$)"),
    re.compile(r"^(?!nprocs:)(?P<label>[A-Za-z][\w.-]*):(?= [\s#\d])"),
)


def streams(text: str) -> Dict[str, List[str]]:
    """Return the lines by the label that stood before them, in order; "" for lines without one.

    Labels, times and terminal codes are gone. Every carriage return ends a line: progress is written over itself.
    """
    found: Dict[str, List[str]] = {}
    for raw in re.split(r"\r\n|\n|\r", text):
        label, line = _unlabel(_ESCAPES.sub("", raw))
        found.setdefault(label, []).append(line[:_LONGEST].rstrip())
    return found


def _unlabel(line: str) -> Tuple[str, str]:
    label = ""
    while True:
        match = next((match for match in (form.match(line) for form in _LABELS) if match), None)
        if match is not None:
            label = f"{label} {match.group('label')}".strip()
        else:
            match = _TIME.match(line)
        if match is None:
            return label, line
        line = line[match.end() :]


def number(token: str) -> Optional[float]:
    """Return the number in a field, None for ``N/A`` and for what is no finite number. Never 0 for what is not known.

    :raises ValueError: the field holds neither a number nor ``N/A``.
    """
    if token.upper() in ("N/A", "-", "NAN", "-NAN"):
        return None
    value = float(token.rstrip("*"))  # rccl-tests marks what is out of bounds
    return value if math.isfinite(value) else None


def number_or_none(token: str) -> Optional[float]:
    """Return the number in a field, None for what is none."""
    try:
        return number(token)
    except ValueError:
        return None


def is_size(token: str) -> bool:
    """Return whether a field is a size in bytes: a whole number that 64 bits hold."""
    return token.isdecimal() and len(token) < 20


def failures(labelled: Mapping[str, Sequence[str]]) -> List[str]:
    """Return the lines in which a benchmark or its launcher says that it failed, each once, at most ten.

    :param labelled: what ``streams`` made of the text.
    """
    found: List[str] = []
    for lines in labelled.values():
        tracing = False
        for line in lines:
            if line.startswith("Traceback (most recent call last)"):
                tracing = True
            elif tracing and re.match(r"^[\w.]+(?:Error|Exception|Exit|Interrupt)\b", line):
                # The reason is the last line of a traceback.
                tracing = False
                found.append(line.strip())
            elif _FAILED.search(line):
                found.append(line.strip())
    return list(dict.fromkeys(found))[:10]


_FAILED = re.compile(
    r"Test (?:NCCL|CUDA) failure|Invalid number of GPUs|MPI_ABORT was invoked|exited on signal|unable to reach"
    r"|There are not enough slots|Segmentation fault|[Aa]ssertion .* failed"
    r"|ORTE (?:has lost|was unable)|PRTE has lost|an ORTE daemon has unexpectedly failed|Host key verification failed"
    r"|Permission denied(?!\(\d+\))|mpirun was unable|DATA VALIDATION ERROR|ChildFailedError"
)


def transports(text: str) -> List[str]:
    """Return what NCCL said it talks over (``IB``, ``OFI``, ``Socket`` …); empty unless it ran with NCCL_DEBUG=INFO.

    ``NET/Socket`` between nodes that have a fabric means that NCCL fell back to TCP.
    """
    found = re.findall(r"NCCL INFO .*?\bvia NET/([A-Za-z]\w*)|NCCL INFO Using network ([A-Za-z][\w ]*)", text)
    return sorted({(first or second).strip() for first, second in found})
