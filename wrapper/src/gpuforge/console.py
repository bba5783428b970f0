# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Where a command writes: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from gpuforge.errors import GpuforgeError
    from gpuforge.report import Reporter


@dataclass(slots=True)
class Console:
    """The two streams and how the user wants them used. ``answered`` tells whether a result has been written."""

    command: str
    stdout: TextIO
    stderr: TextIO
    json: bool = False
    verbosity: int = 0
    color: bool = True
    answered: bool = field(default=False, init=False)

    def reporter(self) -> Reporter:
        """The reporter for this command's progress; with ``--json`` its events go to standard output."""
        from gpuforge.report import make_reporter

        return make_reporter(self.json, self.stdout if self.json else self.stderr, self.verbosity, color=self.color)

    def result(self, data: Mapping[str, Any], text: str, *, ok: bool = True) -> None:
        """The command's result: one line of JSON under ``--json``, else *text*."""
        self.answered = True
        if self.json:
            self._json({**data, "ok": ok})
        else:
            self.stdout.write(text.rstrip("\n") + "\n")
        self.stdout.flush()

    def note(self, text: str) -> None:
        """A remark that is no result."""
        self.stderr.write(text + "\n")

    def error(self, error: GpuforgeError) -> None:
        """The error, for people and, under ``--json``, as the last line for programs unless there is one already."""
        self.stderr.write(f"{self._red('error:')} {error.render()}\n")
        if self.json and not self.answered:
            self._json({"ok": False, "error": error.to_json()})
            self.stdout.flush()

    def _json(self, data: Mapping[str, Any]) -> None:
        line = {"kind": "result", "command": self.command, **data}
        self.stdout.write(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")

    def _red(self, text: str) -> str:
        import os

        from gpuforge.report import wants_color

        return f"\033[1;31m{text}\033[0m" if self.color and wants_color(self.stderr, os.environ) else text


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Columns of plain text, two blanks apart, without blanks at the ends of lines."""
    lines = [list(header)] * bool(header) + [list(row) for row in rows]
    widths = [max(len(line[index]) for line in lines if index < len(line)) for index in range(max(map(len, lines)))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip() for line in lines
    )
