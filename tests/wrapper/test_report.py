# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Progress: plain lines, JSON lines, and the live tree on a real (pseudo) terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gpuforge.events import Event
from gpuforge.quantity import duration, size
from gpuforge.report import JsonReporter, PlainReporter, Reporter, make_reporter
from gpuforge.report_state import RunState

STREAM = [
    Event("run", "start", "gpu", data={"planned": [["base", "debian"], ["layer", "a"], ["layer", "zzz"]]}, time=100.0),
    Event("base", "cached", "debian", detail="3 h old", time=100.0),
    Event("layer", "start", "a", time=101.0),
    Event("task", "start", "Ensure x", parent="a", time=101.0),
    Event("task", "changed", "Ensure x", parent="a", seconds=2.0, time=103.0),
    Event("task", "skipped", "Ensure y", parent="a", seconds=0.0, time=103.0),
    Event("message", "warning", "kvm", detail="not usable", time=103.0),
    Event("layer", "ok", "a", seconds=2.0, time=103.0),
    Event("step", "start", "verify", time=104.0),
    Event("step", "start", "bios", parent="verify", time=104.0),
    Event("step", "progress", "bios", parent="verify", detail="waiting for ssh", time=105.0),
    Event("step", "failed", "bios", parent="verify", seconds=64.0, detail="no ssh\nlast line", time=168.0),
    Event("run", "failed", "gpu", seconds=68.0, time=168.0),
]  # fmt: skip

PLAIN = """\
start    run     gpu
cached   base    debian - 3 h old
start    layer   a
warning  message kvm - not usable
ok       layer   a (2.0 s)
start    step    verify
start    step    verify: bios
failed   step    verify: bios (1 min 04 s) - no ssh
failed   run     gpu (1 min 08 s)
"""


def play(reporter: Reporter) -> None:
    try:
        for event in STREAM:
            reporter.emit(event)
    finally:
        reporter.close()


def test_plain_lines() -> None:
    stream = io.StringIO()
    play(PlainReporter(stream))
    assert stream.getvalue() == PLAIN


def test_plain_lines_with_tasks_and_output() -> None:
    stream = io.StringIO()
    play(PlainReporter(stream, verbosity=1))
    lines = stream.getvalue().splitlines()
    assert "changed  task    a: Ensure x (2.0 s)" in lines
    assert "  | last line" in lines
    assert not any("waiting" in line for line in lines)


def test_plain_lines_with_everything() -> None:
    stream = io.StringIO()
    play(PlainReporter(stream, verbosity=2))
    assert "progress step    verify: bios - waiting for ssh\n" in stream.getvalue()


def test_json_lines_end_with_the_result() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream)
    play(reporter)
    reporter.result({"ok": True})
    lines = stream.getvalue().splitlines()
    assert [Event.from_json(line) for line in lines[:-1]] == STREAM
    assert json.loads(lines[-1]) == {"kind": "result", "ok": True}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (185, "3 min 05 s"), (3599.6, "1 h 00 min"),
     (7325, "2 h 02 min")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (3 << 40, "3.0 TiB")]
)
def test_size(count: int, text: str) -> None:
    assert size(count) == text


def test_state_of_a_run() -> None:
    state = RunState()
    for event in STREAM[:4]:
        state.take(event)
    assert [(node.name, node.status) for node in state.nodes] == [
        ("debian", "cached"),
        ("a", "start"),
        ("zzz", "pending"),
    ]
    layer = state.find("a")
    assert layer is not None
    assert (layer.current, layer.elapsed(111.0)) == ("Ensure x", 10.0)
    for event in STREAM[4:]:
        state.take(event)
    assert (layer.tasks, layer.changed, layer.seconds, layer.current) == (1, 1, 2.0, "")
    assert [node.name for node in state.nodes] == ["debian", "a", "verify"]  # zzz never came
    boot = state.find("bios")
    assert boot is not None
    assert (boot.status, boot.seconds) == ("failed", 64.0)


def test_a_task_of_an_unknown_layer_is_harmless() -> None:
    state = RunState()
    state.take(Event("task", "ok", "x", parent="nobody"))
    assert state.nodes == []


@contextmanager
def terminal(columns: int, rows: int) -> Iterator[tuple[io.TextIOWrapper, list[str]]]:
    """A pseudo terminal of that size; what was written to it is in the list afterwards."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    chunks: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            chunks.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    seen: list[str] = []
    stream = io.TextIOWrapper(io.FileIO(slave, "w"), encoding="utf-8", write_through=True)
    try:
        yield stream, seen
    finally:
        stream.close()
        reader.join(10)
        os.close(master)
        seen.append(b"".join(chunks).decode())


@pytest.mark.parametrize(("columns", "rows"), [(100, 30), (34, 8), (8, 3)])
@pytest.mark.parametrize("plain", [False, True])
def test_the_live_tree(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int, plain: bool) -> None:
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    if plain:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal(columns, rows) as (stream, seen):
        reporter = make_reporter(False, stream)
        assert type(reporter).__name__ == "TreeReporter"
        play(reporter)
        reporter.close()  # closing twice does no harm
    text = seen[0]
    assert ("\x1b[32m" in text) is (not plain)  # colours, but for NO_COLOR
    assert text.endswith("\x1b[?25h") or "\x1b[?25h" in text  # the cursor is back
    if columns == 100:
        last = text.replace("\x1b[2K", "").split("\x1b[1A")[-1]
        assert "✘" in last
        assert "1 min 04 s" in last
        assert "no ssh" in last
        assert "zzz" not in last
        assert "warning: kvm: not usable" in text.replace("\x1b[33m", "").replace("\x1b[0m", "")


def test_a_pipe_gets_plain_lines() -> None:
    assert type(make_reporter(False, io.StringIO())) is PlainReporter


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with terminal(80, 24) as (stream, _):
        assert type(make_reporter(False, stream)) is PlainReporter
