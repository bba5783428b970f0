# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The live tree on a terminal: layers and steps with their state and times, and what goes on now.

The only module that imports rich.
"""

from __future__ import annotations

import time
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from gpuforge.events import Event
from gpuforge.quantity import duration
from gpuforge.report_state import Node, RunState

# Refreshes a second: enough for a clock that runs, little enough for two busy cores.
RATE = 4
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ASCII_SPINNER = "|/-\\"

_MARKS = {"ok": "✔", "changed": "✔", "cached": "≡", "skipped": "-", "failed": "✘", "pending": "·"}
_ASCII_MARKS = {"ok": "+", "changed": "+", "cached": "=", "skipped": "-", "failed": "x", "pending": "."}
_STYLES = {
    "ok": "green", "changed": "green", "cached": "cyan", "skipped": "dim", "failed": "bold red", "pending": "dim",
    "start": "bold yellow",
}  # fmt: skip
# Columns of the name and the time; the rest of the line is for the current task.
NAME_WIDTH = 18
TIME_WIDTH = 11


class TreeReporter:
    """Draws ``RunState`` on a terminal until ``close``; the last picture stays."""

    def __init__(self, stream: TextIO, verbosity: int = 0, *, color: bool = True) -> None:
        self._console = Console(file=stream, no_color=not color, highlight=False, soft_wrap=False, emoji=False)
        self._verbosity = verbosity
        self._state = RunState()
        self._plain_marks = not (stream.encoding or "").lower().replace("-", "").startswith("utf")
        self._closed = False
        self._live = Live(
            get_renderable=self._draw, console=self._console, refresh_per_second=RATE, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip
        self._live.start()

    def emit(self, event: Event) -> None:
        """Take one event; messages and warnings are written above the tree and stay."""
        self._state.take(event)
        wordy = self._verbosity >= 1 and event.kind == "task" and event.status in ("changed", "failed")
        if event.kind == "message" or event.status == "warning" or wordy:
            self._say(event)

    def _say(self, event: Event) -> None:
        text = Text(f"{event.status}: ", style={"warning": "yellow", "failed": "red"}.get(event.status, "dim"))
        text.append(f"{event.parent}: " if event.parent else "")
        text.append(event.name if not event.detail else f"{event.name}: {event.detail}")
        self._console.print(text)

    def close(self) -> None:
        """Draw the last picture and give the terminal back."""
        if not self._closed:
            self._closed = True
            self._live.stop()

    def _draw(self) -> RenderableType:
        now = time.time()
        state = self._state
        lines: list[Text] = []
        if state.name:
            lines.append(self._head(now))
        body = [line for node in state.nodes for line in self._lines(node, now, 0)]
        room = max(3, self._console.height - 3)
        if len(body) > room and not self._closed:
            # A live region must fit the screen; what is over long ago goes first.
            hidden = len(body) - room + 1
            body = [Text(f"  ({hidden} lines above)", style="dim"), *body[hidden:]]
        return Group(*lines, *body)

    def _head(self, now: float) -> Text:
        state = self._state
        seconds = state.seconds if state.seconds is not None else now - state.started
        text = self._line(Text(state.name, style="bold"))
        text.append(f"  {duration(max(0.0, seconds))}", style="dim")
        if state.detail:
            text.append(f"  {state.detail}")
        return text

    def _lines(self, node: Node, now: float, depth: int) -> list[Text]:
        style = _STYLES.get(node.status, "")
        text = self._line(Text("  " * (depth + 1)))
        text.append(self._mark(node, now), style=style)
        # Columns where there is room for them, else the bare words.
        wide = self._console.width >= 60
        name, clock = (NAME_WIDTH - 2 * depth, TIME_WIDTH) if wide else (0, 0)
        text.append(f" {node.name:<{name}}", style=style if node.status != "ok" else "")
        elapsed, note = node.elapsed(now), self._note(node, now)
        if elapsed is not None or (note and wide):
            text.append(f" {duration(elapsed) if elapsed is not None else '':>{clock}}", style="dim")
        if note:
            text.append(f"  {note}", style="red" if node.status == "failed" else "dim")
        text.rstrip()
        return [text, *(line for child in node.children for line in self._lines(child, now, depth + 1))]

    def _note(self, node: Node, now: float) -> str:
        """What the end of the line says: the current task, or how it ended."""
        if node.status == "failed":
            return " - ".join(part for part in (node.current, _first(node.detail)) if part)
        if node.status == "start" and node.current:
            since = now - node.current_since
            return node.current + (f" ({duration(since)})" if since >= 5 else "")
        if node.ended and node.tasks:
            return f"{node.tasks} tasks, {node.changed} changed" + (f" - {_first(node.detail)}" if node.detail else "")
        return _first(node.detail)

    def _mark(self, node: Node, now: float) -> str:
        if node.status == "start":
            frames = ASCII_SPINNER if self._plain_marks else SPINNER
            return frames[int(now * RATE) % len(frames)]
        return (_ASCII_MARKS if self._plain_marks else _MARKS).get(node.status, " ")

    def _line(self, text: Text) -> Text:
        """A line that is cut, not wrapped, where the terminal ends."""
        text.no_wrap, text.overflow = True, "crop" if self._plain_marks else "ellipsis"
        return text


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""
