# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Make a disk of a tree, in a mount namespace of its own: run as a script by ``make_disk``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpuforge.errors import GpuforgeError
from gpuforge.providers.local import artifacts, assemble, disk, whole

EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Wanted:
    """A disk: of *tree*, below *folder* (its ``out``), with *files* written (None: removed) after the tree is prepared.

    *room_mib*: ``out`` is a file system of that size. *unchecked*: write without asking first whether there is room.
    """

    tree: str
    folder: str
    formats: Sequence[str] = ("qcow2",)
    size_gib: int = 4
    files: Mapping[str, str | None] = field(default_factory=dict)
    replace: Mapping[str, Sequence[str]] = field(default_factory=dict)
    room_mib: int = 0
    unchecked: bool = False


def make_disk(wanted: Wanted) -> dict[str, Any]:
    """Make it; ``{"artifacts": [...], "left": [...]}`` or ``{"error": text, "exit_code": n, "left": [...]}``."""
    argv = ["unshare", "--mount", "--propagation", "private", "--", sys.executable, __file__]
    done = subprocess.run(argv, input=json.dumps(vars(wanted)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _mount_tree(tree: str) -> Path:
    # Relative names in the options: overlayfs knows no quoting.
    Path("lower").symlink_to(tree)
    for name in ("upper", "work", "root", "out"):
        Path(name).mkdir(exist_ok=True)
    Path("upper").chmod(0o755)
    options = "lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=off,metacopy=off,index=off"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", "root"], check=True)
    return Path("root").absolute()


def _change(root: Path, wanted: Wanted) -> None:
    for name, text in wanted.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
    for name, (old, new) in wanted.replace.items():
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))


def _make(wanted: Wanted) -> dict[str, Any]:
    os.chdir(wanted.folder)
    root, out = _mount_tree(wanted.tree), Path("out").absolute()
    if wanted.room_mib:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={wanted.room_mib}m", "tmpfs", str(out)], check=True)
    if wanted.unchecked:
        assemble.check_space = artifacts.check_space = whole.check_space = lambda *_: None  # type: ignore[assignment]
    plan = disk.make_plan("test", wanted.size_gib)
    try:
        assemble.prepare_tree(root, plan, epoch=EPOCH)
        _change(root, wanted)
        assemble.build_raw(root, out / "disk.raw.tmp", plan, epoch=EPOCH)
        made = assemble.convert(out / "disk.raw.tmp", out, wanted.formats, epoch=EPOCH)
        answer: dict[str, Any] = {"artifacts": {item.format: item.sha256 for item in made}}
    except GpuforgeError as exc:
        answer = {"error": exc.render(), "exit_code": exc.exit_code}
    return {**answer, "left": sorted(path.name for path in out.iterdir())}


if __name__ == "__main__":
    wish = Wanted(**json.loads(sys.stdin.read()))
    result = _make(wish)
    for leftover in ("upper", "work"):
        shutil.rmtree(Path(wish.folder) / leftover, ignore_errors=True)
    print(json.dumps(result))
