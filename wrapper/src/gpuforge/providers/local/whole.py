# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Large files that are there whole or not at all, and the room for them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from gpuforge.errors import GpuforgeError, Refused
from gpuforge.providers.local.disk import MIB


def check_space(folder: Path, needed: int, doing: str) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Refused(
            f"{folder} has {free} bytes free ({free // MIB} MiB), {needed} are needed ({needed // MIB} MiB)",
            doing=doing,
            hint="free space there, or choose another --work-dir",
        )


@contextlib.contextmanager
def whole_or_nothing(target: Path, needed: int, doing: str) -> Iterator[Path]:
    """Yield the name to write to; afterwards it has become *target*, or, after any failure, nothing is left.

    A full disk is told with the number of bytes that were *needed*.
    """
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(target)
    except BaseException as exc:
        part.unlink(missing_ok=True)
        if isinstance(exc, (OSError, GpuforgeError)) and "No space left" in str(exc):
            raise GpuforgeError(
                f"the disk is full: {target.parent} needs {needed} bytes ({needed // MIB} MiB) for {target.name}",
                doing=doing, exit_code=4, hint="free space there, or choose another --work-dir",
            ) from exc  # fmt: skip
        raise
