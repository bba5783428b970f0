# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Draw measured curves over message sizes as SVG: any browser shows it, and no library is needed for it."""

from __future__ import annotations

import math
from typing import Callable, List, Optional, Sequence, Tuple
from xml.sax.saxutils import escape

from ._bench_parse import Curve

_WIDTH, _HEIGHT = 900, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 60, 60
Place = Callable[[float, float], Tuple[float, float]]  # bytes and a value to x and y
# Colours that people with any colour vision tell apart (Okabe and Ito, "Color Universal Design", 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")


def plot(
    curves: Sequence[Curve],
    title: str,
    limit: Optional[float] = None,
    previous: Optional[Curve] = None,
) -> str:
    """Return an SVG document.

    :param curves: what to draw; all of one unit. Points without a positive size are left out: the axis is logarithmic.
    :param title: one line above the plot.
    :param limit: a threshold in the same unit, drawn as a dashed line.
    :param previous: an earlier run, drawn dotted.
    :raises ValueError: there is no point to draw.
    """
    drawn = [(curve, False) for curve in curves] + ([(previous, True)] if previous else [])
    points = [(size, value) for curve, _ in drawn for size, value in curve.points if size > 0]
    if not points:
        raise ValueError("no point to draw")
    low = math.floor(math.log2(min(size for size, _ in points)))
    high = max(math.ceil(math.log2(max(size for size, _ in points))), low + 1)
    step = _step(max([value for _, value in points] + ([limit] if limit else [])))
    top = step * math.ceil(max([value for _, value in points] + ([limit] if limit else [])) / step + 1e-9) or step

    def place(size: float, value: float) -> Tuple[float, float]:
        across = (math.log2(size) - low) / (high - low)
        x = _LEFT + across * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)
        return round(x, 1), round(y, 1)

    unit = curves[0].unit if curves else (previous.unit if previous else "")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">',
        "<style>text { font-size: 12px } .title { font-size: 16px }</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" class="title">{escape(title)}</text>',
    ]
    parts += _grid(low, high, top, step, place, unit)
    if limit is not None:
        (x1, y), (x2, _) = place(2.0**low, limit), place(2.0**high, limit)
        parts.append(f'<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="#a00" stroke-dasharray="8 4"/>')
        parts.append(
            f'<text x="{x2}" y="{y - 4}" text-anchor="end" fill="#a00">limit {limit:.4g} {escape(unit)}</text>'
        )
    for index, (curve, dotted) in enumerate(drawn):
        parts += _line(curve, dotted, index, place)
    return "\n".join([*parts, "</svg>", ""])


def _grid(low: int, high: int, top: float, step: float, place: Place, unit: str) -> List[str]:
    parts = []
    every = max(1, math.ceil((high - low) / 12))
    for power in range(low, high + 1, every):
        (x, bottom), (_, ceiling) = place(2.0**power, 0), place(2.0**power, top)
        parts.append(f'<line x1="{x}" y1="{bottom}" x2="{x}" y2="{ceiling}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{size_text(2**power)}</text>')
    for index in range(round(top / step) + 1):
        (x, y), (end, _) = place(2.0**low, index * step), place(2.0**high, index * step)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{end}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{index * step:.4g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 14}" text-anchor="middle">message size</text>')
    parts.append(f'<text x="18" y="{_HEIGHT / 2}" transform="rotate(-90 18 {_HEIGHT / 2})" text-anchor="middle">')
    parts.append(f"{escape(unit)}</text>")
    return parts


def _line(curve: Curve, dotted: bool, index: int, place: Place) -> List[str]:
    colour = "#777" if dotted else _COLOURS[index % len(_COLOURS)]
    places = [place(size, value) for size, value in curve.points if size > 0]
    path = " ".join(f"{x},{y}" for x, y in places)
    dashes = ' stroke-dasharray="2 4"' if dotted else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>']
    if not dotted:
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
    x, y = _LEFT + 10 + 260 * index, _TOP - 12
    parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 24}" y2="{y - 4}" stroke="{colour}" stroke-width="2"{dashes}/>')
    name = f"{curve.name} (previous)" if dotted else curve.name
    return [*parts, f'<text x="{x + 30}" y="{y}">{escape(name)}</text>']


def _step(top: float) -> float:
    """A round distance between lines, so that there are four to ten of them."""
    if top <= 0:
        return 1.0
    magnitude = 10.0 ** math.floor(math.log10(top))
    return next(magnitude * factor for factor in (0.1, 0.2, 0.5, 1.0, 2.0) if top / (magnitude * factor) <= 10)


def size_text(size: int) -> str:
    """Return a size in bytes for people: ``8``, ``64K``, ``2G``. Powers of 1024, as the benchmarks write them."""
    for unit, mark in ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")):
        if size >= unit:
            return f"{size / unit:g}{mark}"
    return str(size)
