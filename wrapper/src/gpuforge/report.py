# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Progress for people and programs: one renderer for each kind of reader.

A terminal gets a live tree (``gpuforge.report_tree``, which alone imports rich), a pipe plain lines, a program JSON
lines. Progress goes to standard error, except for JSON lines: they are the result of a command under ``--json``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Protocol, TextIO

from gpuforge.events import ENDINGS, Event
from gpuforge.quantity import duration

# How many lines of a failed task's output are worth showing at once.
OUTPUT_LINES = 40


class Reporter(Protocol):
    """Takes events as they happen. ``close`` is called once, whatever happened, and leaves the terminal in order."""

    def emit(self, event: Event) -> None:
        """Take one event."""

    def close(self) -> None:
        """No more events come."""


class NullReporter:
    """Says nothing."""

    def emit(self, event: Event) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to close."""


class PlainReporter:
    """One line an event: ``STATUS KIND NAME SECONDS DETAIL``, words separated by a blank, easy to search.

    Verbosity 0 has the layers and steps, warnings and failures, 1 also tasks, 2 also every sign of progress.
    """

    def __init__(self, stream: TextIO, verbosity: int = 0) -> None:
        self._stream = stream
        self._verbosity = verbosity

    def emit(self, event: Event) -> None:
        """Write the event's line, if it is wanted."""
        if not self._wanted(event):
            return
        name = f"{event.parent}: {event.name}" if event.parent and event.kind in ("task", "step") else event.name
        first, *more = event.detail.splitlines() or [""]
        took = f" ({duration(event.seconds)})" if event.seconds is not None else ""
        line = f"{event.status:<8} {event.kind:<7} {name}{took}{' - ' + first if first else ''}"
        self._stream.write(line.rstrip() + "\n")
        # The error at the end quotes a failed task's output; here it would come twice.
        for text in more[-OUTPUT_LINES:] if event.status != "failed" or self._verbosity >= 1 else ():
            self._stream.write(f"  | {text}\n")
        self._stream.flush()

    def _wanted(self, event: Event) -> bool:
        if event.status in ("failed", "warning"):
            return True
        if event.status == "progress":
            return self._verbosity >= 2
        if event.kind == "task":
            return self._verbosity >= 1 and event.status in ENDINGS
        return True

    def close(self) -> None:
        """Nothing to close."""


class JsonReporter:
    """One JSON object a line, the result last (``result``)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, event: Event) -> None:
        """Write the event."""
        self._write(event.to_json())

    def result(self, value: Mapping[str, object]) -> None:
        """Write the last line: ``{"kind": "result", ...}``."""
        self._write(json.dumps({"kind": "result", **value}, sort_keys=True, allow_nan=False))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to close."""


def wants_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colour is welcome: a terminal that can do it, and no NO_COLOR (no-color.org)."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def make_reporter(json: bool, stream: TextIO, verbosity: int = 0, *, color: bool = True) -> Reporter:
    """The reporter for a stream.

    Args:
        json: whether JSON lines are wanted; *stream* is then where results go.
        stream: where to write; a terminal gets the live tree.
        verbosity: number of ``-v``.
        color: false for ``--no-color``.
    """
    if json:
        return JsonReporter(stream)
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return PlainReporter(stream, verbosity)
    from gpuforge.report_tree import TreeReporter

    return TreeReporter(stream, verbosity, color=color and wants_color(stream, os.environ))
