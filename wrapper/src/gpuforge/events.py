# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What happens during a run, as one frozen type.

Worker processes send events as JSON lines over a pipe; ``gpuforge.report`` renders them. Nothing here knows a terminal.
"""

from __future__ import annotations

import json
import math
import time as _time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["run", "base", "layer", "task", "step", "message"]
Status = Literal["start", "ok", "changed", "skipped", "cached", "failed", "progress", "info", "warning"]

KINDS: frozenset[str] = frozenset(get_args(Kind))
STATUSES: frozenset[str] = frozenset(get_args(Status))

# A thing that was started ends with one of these; the others report on something that goes on.
ENDINGS: frozenset[str] = frozenset({"ok", "changed", "skipped", "cached", "failed"})

_TEXTS = ("name", "parent", "detail")
_FIELDS = frozenset({"kind", "status", "seconds", "data", "time", *_TEXTS})


@dataclass(frozen=True, slots=True)
class Event:
    """One observation.

    ``name`` is what it is about ("perf_tuning", a task's name, a step such as "assemble"), ``parent`` the layer or step
    it belongs to, ``seconds`` how long the thing took (endings only), ``detail`` text for people (why, output lines),
    ``data`` JSON-ready values for programs, ``time`` the moment in UNIX seconds.
    """

    kind: Kind
    status: Status
    name: str
    parent: str = ""
    seconds: float | None = None
    detail: str = ""
    data: Mapping[str, object] = field(default_factory=dict)
    time: float = 0.0

    def to_json(self) -> str:
        """One line of JSON (ASCII, no newline inside), the inverse of ``from_json``.

        Raises:
            ValueError: a number is not finite.
            TypeError: ``data`` holds something that JSON has no word for.
        """
        fields = {
            "kind": self.kind, "status": self.status, "name": self.name, "parent": self.parent,
            "seconds": self.seconds, "detail": self.detail, "data": dict(self.data), "time": self.time,
        }  # fmt: skip
        return json.dumps(fields, allow_nan=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> Event:
        """The event in one line of JSON.

        Raises:
            ValueError: the line is not an event; the message names the field.
        """
        raw: Any = json.loads(line)
        if not isinstance(raw, dict):
            raise ValueError("an event is a JSON object")
        if unknown := sorted(raw.keys() - _FIELDS):
            raise ValueError(f"an event has no field {', '.join(unknown)}")
        if raw.get("kind") not in KINDS:
            raise ValueError(f"kind is {raw.get('kind')!r}")
        if raw.get("status") not in STATUSES:
            raise ValueError(f"status is {raw.get('status')!r}")
        for key in _TEXTS:
            if not isinstance(raw.get(key, "" if key != "name" else None), str):
                raise ValueError(f"{key} is {raw.get(key)!r}, not text")
        for key in ("seconds", "time"):
            value = raw.get(key, 0.0)
            if key == "seconds" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError(f"{key} is {value!r}, not a number")
        if not isinstance(raw.get("data", {}), dict):
            raise ValueError(f"data is {raw['data']!r}, not an object")
        return cls(**raw)


def make_event(
    kind: Kind,
    status: Status,
    name: str,
    *,
    parent: str = "",
    seconds: float | None = None,
    detail: str = "",
    data: Mapping[str, object] | None = None,
) -> Event:
    """An event that happens now."""
    return Event(kind, status, name, parent, seconds, detail, {} if data is None else data, _time.time())
