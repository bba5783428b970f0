"""The privileged side of a local bake: one job, in its own namespaces, answering with JSON lines on standard output.

Started by ``gpuforge.provision.run_job`` as ``python -m gpuforge.providers.local.worker KIND DESCRIPTION``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from gpuforge.errors import GpuforgeError, TaskFailed
from gpuforge.events import Event, make_event
from gpuforge.providers.local import base_tree, chroot, signing
from gpuforge.providers.local.ansible_run import apply_playbook
from gpuforge.spec import Base

Emit = Callable[[Event], None]
Job = Mapping[str, Any]

_TOOL_LINES: Final = 40  # of a failed tool's output that the error quotes


def make_base(job: Job, emit: Emit) -> dict[str, Any]:
    """Make a base tree; the answer is the digest of the package index."""
    tree, archives = Path(job["tree"]), Path(job["archives"]).absolute()
    wanted = base_tree.recipe(Base(**job["base"]))
    env = {**os.environ, base_tree.ARCHIVES: str(archives)}
    argv = base_tree.mmdebstrap_argv(wanted, tree.absolute())
    last: deque[str] = deque(maxlen=_TOOL_LINES)
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            last.append(line.rstrip())
            if line.startswith("I: "):
                emit(make_event("step", "progress", "mmdebstrap", parent="base", detail=line[3:].strip()))
    if process.returncode != 0:
        raise TaskFailed(
            f"mmdebstrap ended with status {process.returncode}", layer="base", task="mmdebstrap", output=list(last),
            hint=disk_hint(last) or "see the lines above; a mirror that is being updated is right again in minutes",
        )  # fmt: skip
    return {"index": base_tree.index_digest(tree)}


def disk_hint(lines: object) -> str:
    """Advice, where *lines* say that the disk is full."""
    if "No space left on device" in str(lines) or "not have enough free space" in str(lines):
        free = shutil.disk_usage(".").free
        room = f"the disk of the work directory is full ({free // 2**20} MiB free)"
        return f"{room}: free space there or choose another --work-dir"
    return ""


def open_tree(job: Job, *above: Path) -> Path:
    """Mount the tree that *job* works on, with the folders *above* over it, which are never captured; its root."""
    scratch = Path(job["scratch"])
    lower = [*above, *map(Path, reversed(job["stack"]))]
    chroot.mount_layers(scratch / "root", lower, upper=scratch / "diff", scratch=scratch / "overlay")
    return scratch / "root"


def make_layer(job: Job, emit: Emit) -> dict[str, Any]:
    """Apply one layer's role to the tree; what changed is left in the scratch folder's ``diff``."""
    scaffold = Path(job["scratch"]) / "scaffold"
    chroot.make_scaffold(scaffold)
    root = open_tree(job, scaffold)
    archives = Path(job["archives"])
    chroot.mount_system(root, archives)
    signing.lend(job, root)
    os.environ.update(chroot.tree_environment(dict(os.environ)))
    try:
        apply_playbook(
            Path(job["playbook"]),
            root=root.absolute(),
            tags=tuple(job["tags"]),
            variables=job["variables"],
            layer=job["layer"],
            scratch=Path(job["scratch"]).absolute() / "runner",
            collections=Path(job["collections"]),
            verbosity=int(job["verbosity"]),
            emit=emit,
        )
    except TaskFailed as exc:
        exc.hint = exc.hint or disk_hint(exc.output)
        raise
    return {}


def assemble(job: Job, emit: Emit) -> dict[str, Any]:
    """Write the disk image of the tree into the scratch folder's ``image``."""
    from gpuforge.providers.local import image_job

    return image_job.write_image(job, open_tree(job), emit)


_JOBS: Final[Mapping[str, Callable[[Job, Emit], dict[str, Any]]]] = {
    "base": make_base,
    "layer": make_layer,
    "assemble": assemble,
}


def _answer(stream: TextIO, message: Mapping[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()


def main(arguments: list[str]) -> int:
    """Run the job described in the file and answer; 0 done, 1 an error was reported."""
    kind, description = arguments
    # Standard output is the channel to gpuforge: what a library or a child prints goes to the log instead.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job: Job = json.loads(Path(description).read_text(encoding="utf-8"))

    def emit(event: Event) -> None:
        stream.write(event.to_json() + "\n")
        stream.flush()

    try:
        _answer(stream, {"result": _JOBS[kind](job, emit)})
    except GpuforgeError as exc:
        _answer(stream, {"error": exc.to_json()})
        return 1
    except OSError as exc:
        where = exc.filename or job.get("scratch", "")
        error = GpuforgeError(f"{where}: {exc.strerror or exc}", exit_code=4, hint=disk_hint(str(exc)))
        _answer(stream, {"error": error.to_json()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
