"""Read a text with one reader alone; the collection's own `parse` asks every reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.gpuforge.node.plugins.module_utils._bench_text import Run, streams

Reader = Callable[[str, Sequence[str]], list[Run]]


def read_text(reader: Reader, text: str) -> list[Run]:
    """Every run that the reader finds in the streams of a text."""
    return [run for label, lines in streams(text).items() for run in reader(label, lines)]
