"""The plot is well-formed and shows what it was given; a run ends in time and leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import Curve
from ansible_collections.gpuforge.node.plugins.module_utils._bench_plot import plot, size_text
from ansible_collections.gpuforge.node.plugins.module_utils._bench_run import run

CURVE = Curve("out-of-place", "GB/s", True, [(8, 0.01), (1 << 20, 90.0), (1 << 30, 450.0)])
SVG = "{http://www.w3.org/2000/svg}"


def test_the_plot_has_every_curve_the_limit_and_the_earlier_run() -> None:
    title = "all_reduce <2 nodes> & more"
    text = plot([CURVE, CURVE._replace(name="in-place")], title, limit=440, previous=CURVE._replace(name="mean"))
    root = ET.fromstring(text)
    assert root.find(f"{SVG}title").text == title  # type: ignore[union-attr]
    assert len(root.findall(f"{SVG}polyline")) == 3
    assert len(root.findall(f"{SVG}circle")) == 6
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"limit 440 GB/s", "out-of-place", "in-place", "mean (previous)", "1G", "message size", "500"} <= set(words)
    for line in root.findall(f"{SVG}polyline"):
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 80 <= x <= 880
            assert 60 <= y <= 420


def test_higher_values_stand_higher_and_larger_sizes_further_right() -> None:
    line = ET.fromstring(plot([CURVE], "x")).find(f"{SVG}polyline")
    assert line is not None
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


@pytest.mark.parametrize("points", [[(8, 0.0)], [(8, 1e-9)], [(8, 3e6), (9, 1.0)], [(1, 1.0)]])
def test_odd_points_can_be_drawn(points: list[tuple[int, float]]) -> None:
    ET.fromstring(plot([CURVE._replace(points=points)], "x"))


def test_nothing_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no point"):
        plot([CURVE._replace(points=[])], "x")


def test_sizes_for_people() -> None:
    assert [size_text(size) for size in (8, 1536, 1 << 20, 8 << 30)] == ["8", "1.5K", "1M", "8G"]


def test_output_and_errors_come_in_one_text_with_the_variables() -> None:
    ended = run(["/bin/sh", "-c", "echo out $X $LC_ALL; echo err >&2; exit 3"], {"X": "1", "LC_ALL": "C.UTF-8"}, 10)
    assert (ended.output, ended.exit_code) == ("out 1 C.UTF-8\nerr\n", 3)


def test_what_was_started_ends_with_it() -> None:
    script = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    start = time.monotonic()
    ended = run([sys.executable, "-c", script], {}, 1.5)
    assert ended.exit_code is None
    assert time.monotonic() - start < 10
    status = Path(f"/proc/{int(ended.output)}/stat")
    # Nobody may have collected it yet.
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_program_that_ignores_the_first_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[run.__module__]
    monkeypatch.setattr(module, "_GRACE_S", 0.5)
    ended = run(["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], {}, 0.5)
    assert ended.exit_code is None


def test_a_signal_is_told() -> None:
    assert run(["/bin/sh", "-c", "kill -9 $$"], {}, 10).exit_code == -signal.SIGKILL


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(OSError, match="No such file"):
        run(["/no/such"], {}, 1)
