"""Which files of two baked trees differ.

The stacks are mounted as the bake mounts them, read-only, in a mount namespace of this process's own child.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.table import markdown


def listing(root: Path) -> dict[str, str]:
    """Path → type, mode, owner and content of everything below *root*; times are left out."""
    found = {}
    for folder, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(folder, name)
            info = path.lstat()
            content = ""
            if stat.S_ISLNK(info.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(info.st_mode):
                with path.open("rb") as handle:
                    content = hashlib.file_digest(handle, "sha256").hexdigest()
            key = f"{info.st_mode:o} {info.st_uid}:{info.st_gid} {content}"
            found["/" + path.relative_to(root).as_posix()] = key
    return found


def _list_stack(stack: Sequence[Path]) -> dict[str, str]:
    """The listing of the tree that *stack* (lowest first) makes."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        lower = []
        for index, path in enumerate(reversed(stack)):
            (base / f"l{index}").symlink_to(path)
            lower.append(f"l{index}")
        (base / "root").mkdir()
        (base / "empty").mkdir()
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount -t overlay overlay -o "ro,lowerdir=$1" root && exec "$2" -m tests.bench.trees root', "sh",
             ":".join([*lower, "empty"]), sys.executable],
            cwd=base, env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
    result: dict[str, str] = json.loads(done.stdout)
    return result


def report(one: Sequence[Path], two: Sequence[Path]) -> str:
    """A table of the entries that are not the same in the trees of the two stacks."""
    first, second = _list_stack(one), _list_stack(two)
    rows = []
    for path in sorted(first.keys() | second.keys()):
        if first.get(path) != second.get(path):
            how = (
                "only in the first" if path not in second else "only in the second" if path not in first else "differs"
            )
            rows.append([f"`{path}`", how])
    head = f"{len(rows)} of {len(first)} entries differ"
    return f"{head}\n\n{markdown(['entry', 'how'], rows)}" if rows else head


if __name__ == "__main__":
    json.dump(listing(Path(sys.argv[1])), sys.stdout)
