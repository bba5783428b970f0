# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""From a tree to a bootable disk and the files that are handed out, with no loop device, no mount and no vfat driver.

Each file is written under a ``.part`` name and renamed when it is whole; whatever fails, and also Ctrl-C, removes it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from gpuforge.providers.local import grub, image_tree
from gpuforge.providers.local.artifacts import ARTIFACT_NAMES, convert
from gpuforge.providers.local.disk import (
    SECTOR,
    DiskPlan,
    TreeSize,
    block_roundup,
    check_fit,
    mke2fs_features,
    raw_bytes,
    sfdisk_script,
)
from gpuforge.providers.local.ext4_times import settle_times
from gpuforge.providers.local.image_tree import prepare_tree
from gpuforge.providers.local.tools import Runner, require_tools, run
from gpuforge.providers.local.whole import check_space, whole_or_nothing

__all__ = ["ARTIFACT_NAMES", "build_raw", "convert", "prepare_tree", "tree_size"]

_DOING: Final = "assembling the disk"
_RAW_TOOLS: Final = ("sfdisk", "mkfs.ext4", "mkfs.vfat", "mmd", "mcopy")


def tree_size(root: Path) -> TreeSize:
    """What the tree at *root* takes on ext4: files by their allocated length, hard links once."""
    total = inodes = 0
    seen: set[tuple[int, int]] = set()
    folders = [str(root)]
    while folders:
        inodes += 1
        total += 4096
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    folders.append(entry.path)
                    continue
                if info.st_nlink > 1:
                    if (info.st_dev, info.st_ino) in seen:
                        continue
                    seen.add((info.st_dev, info.st_ino))
                inodes += 1
                if stat.S_ISREG(info.st_mode):
                    total += min(block_roundup(info.st_size), block_roundup(info.st_blocks * SECTOR))
    return TreeSize(total, inodes)


def _cleared(run: Runner) -> str:
    """The option that says that nothing has to be cleared, now or at first boot: the file is new and reads as zeros.

    e2fsprogs before 1.47 does not know it and writes the zeros.
    """
    # The version goes to standard error, so it is asked for with the two streams joined.
    text = run(["sh", "-c", "mkfs.ext4 -V 2>&1"], doing="asking for the version of mkfs.ext4").decode(
        "utf-8", "replace"
    )
    found = re.search(r"mke2fs (\d+)\.(\d+)", text)
    new = found is not None and (int(found[1]), int(found[2])) >= (1, 47)
    return "assume_storage_prezeroed=1" if new else "lazy_itable_init=0"


def _write_bios(root: Path, image: Path, plan: DiskPlan) -> None:
    folder = root / image_tree.GRUB_BIOS
    boot, core = grub.embed_core((folder / "boot.img").read_bytes(), (folder / "core.img").read_bytes(), plan)
    with image.open("r+b") as handle:
        handle.write(boot)
        handle.seek(plan.bios.offset)
        handle.write(core)


def _write_esp(root: Path, image: Path, plan: DiskPlan, clock: dict[str, str], run: Runner) -> None:
    """Make the EFI system partition in place: the signed chain shim, GRUB, MokManager twice, and GRUB's stub."""
    doing = "writing the EFI system partition"
    # What firmware starts by itself, and the folder whose name is built into the distribution's signed GRUB.
    targets = {"EFI/BOOT": "BOOTX64.EFI", f"EFI/{image_tree.vendor(root)}": "shimx64.efi"}
    # mtools takes an offset after "@@" and so the name is kept free of it: relative to the image's folder.
    drive, folder = f"{image.name}@@{plan.esp.offset}", image.parent
    run(
        [
            # One sector a cluster and a fixed geometry: mkfs.vfat would take both from the size of the whole disk.
            # --invariant comes first because it also sets a constant serial number.
            "mkfs.vfat", "-F", "32", "-s", "1", "-g", "255/63", "-n", "ESP", "--invariant",
            "-i", f"{plan.esp_volume_id:08x}", f"--offset={plan.esp.start}", image.name, str(plan.esp.bytes // 1024),
        ],
        doing=doing, cwd=folder,
    )  # fmt: skip
    run(["mmd", "-i", drive, *(f"::{name}" for name in ("EFI", *targets))], doing=doing, cwd=folder, env=clock)
    stub = grub.esp_stub(plan).encode()
    for target, first in targets.items():
        for name, source in (
            (first, image_tree.SHIM), ("grubx64.efi", image_tree.SIGNED_GRUB), ("mmx64.efi", image_tree.MOK_MANAGER),
        ):  # fmt: skip
            content = image_tree.inside(root, source).read_bytes()
            run(["mcopy", "-i", drive, "-", f"::{target}/{name}"], doing=doing, cwd=folder, env=clock, stdin=content)
        run(["mcopy", "-i", drive, "-", f"::{target}/grub.cfg"], doing=doing, cwd=folder, env=clock, stdin=stub)


def build_raw(root: Path, raw: Path, plan: DiskPlan, *, epoch: int, run: Runner = run) -> None:
    """Write the prepared tree at *root* as a sparse disk image *raw*.

    Two calls with equal trees, the same plan and the same epoch write the same bytes.

    Args:
        root: a tree after ``prepare_tree``, not changing meanwhile.
        raw: the file to make; an existing one is replaced at the end.
        plan: the disk.
        epoch: UNIX seconds (SOURCE_DATE_EPOCH): the file systems' time, and the latest time of any file on them.
        run: how programs are run.

    Raises:
        GpuforgeError: a tool is missing, the tree does not fit, the disk is too full, or a tool failed.
    """
    require_tools(_RAW_TOOLS, doing=_DOING)
    size = tree_size(root)
    check_fit(plan, size)
    needed = raw_bytes(size)
    check_space(raw.parent, needed, _DOING)
    clock = {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch), "TZ": "UTC"}
    with whole_or_nothing(raw, needed, _DOING) as part:
        with part.open("wb") as handle:
            handle.truncate(plan.size_bytes)
        run(["sfdisk", "--quiet", str(part)], doing="writing the partition table", stdin=sfdisk_script(plan).encode())
        run(
            [
                "mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-i", "16384", "-m", "1", "-L", "root",
                "-U", str(plan.root_uuid), "-O", mke2fs_features(), "-d", str(root),
                "-E", f"offset={plan.root.offset},hash_seed={plan.hash_seed},nodiscard,{_cleared(run)}",
                str(part), f"{plan.root.bytes // 1024}k",
            ],
            doing="writing the root file system", env=clock,
        )  # fmt: skip
        settle_times(part, plan.root.offset, epoch)
        _write_esp(root, part, plan, clock, run)
        _write_bios(root, part, plan)
