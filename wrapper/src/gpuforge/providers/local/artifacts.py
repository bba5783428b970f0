# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The files that are handed out, made from one raw disk image."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gpuforge.manifest import Artifact
from gpuforge.providers.local.disk import MIB, SECTOR
from gpuforge.providers.local.tools import Runner, find_tool, require_tools, run
from gpuforge.providers.local.whole import check_space, whole_or_nothing

_FORMAT_TOOLS: Final = {"raw": (), "qcow2": ("qemu-img",), "gce": ("tar",)}

# File name by format. Google Compute Engine takes a tar of GNU's old format that holds one file called disk.raw.
ARTIFACT_NAMES: Final = {"raw": "disk.raw", "qcow2": "disk.qcow2", "gce": "disk.tar.gz"}


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of the file; the holes of a sparse one are not read from the disk."""
    digest, zeros = hashlib.sha256(), bytes(MIB)
    with path.open("rb") as handle:
        end, position = os.fstat(handle.fileno()).st_size, 0
        while position < end:
            try:
                data = os.lseek(handle.fileno(), position, os.SEEK_DATA)
            except OSError as exc:
                if exc.errno != errno.ENXIO:  # ENXIO: no data after this point
                    raise
                data = end
            for start in range(position, data, MIB):
                digest.update(zeros[: min(MIB, data - start)])
            position = data
            if data < end:
                position = os.lseek(handle.fileno(), data, os.SEEK_HOLE)
                for start in range(data, position, MIB):
                    digest.update(os.pread(handle.fileno(), min(MIB, position - start), start))
    return digest.hexdigest()


def _to_qcow2(raw: Path, part: Path, run: Runner) -> None:
    # Out of order (-W) the clusters are compressed on all processors; the content is the same, their order in the
    # file is not.
    run(
        ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-m", "4", "-W", "-o", "compression_type=zstd",
         str(raw.absolute()), str(part.absolute())],
        doing="writing the qcow2 image",
    )  # fmt: skip


def _to_gce(raw: Path, part: Path, epoch: int, run: Runner) -> None:
    compressor = "pigz -4 --no-name --no-time" if find_tool("pigz") else "gzip --no-name"
    run(
        ["tar", "--create", "--format=oldgnu", "--sparse", f"--use-compress-program={compressor}", f"--mtime=@{epoch}",
         "--owner=0", "--group=0", "--numeric-owner", "--mode=0644", "--transform=s/.*/disk.raw/", "--force-local",
         f"--file={part.absolute()}", f"--directory={raw.parent.absolute()}", f"./{raw.name}"],
        doing="writing the tar for Google Compute Engine",
    )  # fmt: skip


def convert(raw: Path, out_dir: Path, formats: Sequence[str], *, epoch: int = 0, run: Runner = run) -> list[Artifact]:
    """Write the image files of *formats* into *out_dir*. The raw file is used up: it becomes the artifact ``raw`` or
    is removed.

    Args:
        raw: a disk image made by ``build_raw``, on the same file system as *out_dir*.
        out_dir: an existing folder.
        formats: any of ``raw``, ``qcow2``, ``gce``.
        epoch: UNIX seconds, the time of the file inside the tar.
        run: how programs are run.

    Returns:
        One record for each format, in the order of *formats*.

    Raises:
        GpuforgeError: a tool is missing, the disk is too full, or a tool failed. What was written by this call is
        removed.
    """
    require_tools([tool for name in formats for tool in _FORMAT_TOOLS[name]], doing="writing the image files")
    data = raw.stat().st_blocks * SECTOR
    done: dict[str, Artifact] = {}
    try:
        # "raw" last: it takes the file that the others read.
        for name in sorted(set(formats), key=lambda name: (name == "raw", name)):
            target = out_dir / ARTIFACT_NAMES[name]
            if name == "raw":
                raw.replace(target)
            else:
                doing = f"writing {target.name}"
                check_space(out_dir, data // 4, doing)  # a good case; a full disk in the middle is told as well
                with whole_or_nothing(target, data, doing) as part:
                    if name == "qcow2":
                        _to_qcow2(raw, part, run)
                    else:
                        _to_gce(raw, part, epoch, run)
            done[name] = Artifact(name, target.name, target.stat().st_size, file_sha256(target))
    except BaseException:
        for artifact in done.values():
            (out_dir / artifact.file).unlink(missing_ok=True)
        raise
    raw.unlink(missing_ok=True)
    return [done[name] for name in dict.fromkeys(formats)]
