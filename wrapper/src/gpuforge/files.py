"""Small things that several parts need: the one JSON text that digests are taken over, and writing a file durably."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def canonical(value: object) -> bytes:
    """The one JSON text of *value* (ASCII, sorted keys, no spaces) that digests are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def sha256(data: bytes) -> str:
    """Hex SHA-256 of *data*."""
    return hashlib.sha256(data).hexdigest()


def write_durably(path: Path, data: bytes) -> None:
    """Write *data* to *path* so that after a crash there is the old file or the new one, whole."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    part.rename(path)
