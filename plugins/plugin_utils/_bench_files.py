# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Result files of benchmarks on the controller: names, reading an earlier one, writing in one step."""

from __future__ import annotations

import glob
import json
import os
from typing import Any, Dict, Mapping, Optional, Tuple

FORMAT = "gpuforge-benchmark-1"


class ResultError(Exception):
    """An earlier result cannot be used, or a new one not be written; the message says which and why."""


def file_name(time: str, test: str, nodes: int, ranks_per_node: int) -> str:
    """Return the name of a result without its ending, such as ``20260701T101500Z-all_reduce-2x8``."""
    return f"{time.replace('-', '').replace(':', '')}-{test}-{nodes}x{ranks_per_node}"


def load(path: str) -> Dict[str, Any]:
    """Return an earlier result.

    :raises ResultError: it cannot be read or is none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as exc:
        raise ResultError(f"the earlier result {path} cannot be read: {exc}") from exc
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ResultError(f"{path} is not a result of benchmark_report (no format {FORMAT})")
    return found


def latest(folder: str, like: Mapping[str, Any]) -> Tuple[str, Optional[Dict[str, Any]]]:
    """Return path and content of the newest result that agrees with *like* and has a curve; "" and None without one."""
    # Their names begin with their time.
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.json")), reverse=True):
        try:
            found = load(path)
        except ResultError:
            continue  # somebody else's file
        if found.get("curve") and all(found.get(key) == value for key, value in like.items()):
            return path, found
    return "", None


def write(path: str, text: str) -> None:
    """Write a file whole or not at all; its folder is made.

    :raises ResultError: it cannot be written.
    """
    partial = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as exc:
        raise ResultError(f"the result cannot be written to {path}: {exc.strerror or exc}") from exc
