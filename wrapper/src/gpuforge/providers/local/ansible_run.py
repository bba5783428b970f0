"""One run of a playbook on an image tree, through ansible-runner, with its events turned into ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gpuforge.errors import TaskFailed
from gpuforge.events import Event, Status, make_event

_HOST: Final = "image"
_LINES: Final = 60  # of a failed task's output that the error quotes
_ENDINGS: Final[Mapping[str, Status]] = {
    "runner_on_ok": "ok",
    "runner_on_skipped": "skipped",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "failed",
}
_CONFIG: Final = """\
[defaults]
gathering = explicit
retry_files_enabled = false
nocows = true
deprecation_warnings = false
[connection]
pipelining = true
"""


def inventory(root: Path) -> dict[str, Any]:
    """An inventory of one host: the tree at *root*, by chroot, as the root that the job already is."""
    host = {
        "ansible_connection": "community.general.chroot",
        "ansible_host": str(root),
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_become": False,
        "ansible_remote_tmp": "/tmp/.ansible",
    }
    return {"all": {"hosts": {_HOST: host}}}


def failure_lines(result: Mapping[str, Any]) -> list[str]:
    """The lines of a failed task's result that say why."""
    parts = [str(result[key]) for key in ("msg", "stdout", "stderr", "module_stderr", "exception") if result.get(key)]
    for item in result.get("results") or ():
        if isinstance(item, Mapping) and item.get("failed"):
            parts += failure_lines(item)
    lines = "\n".join(dict.fromkeys(parts)).splitlines()
    return lines if len(lines) <= _LINES else [*lines[: _LINES // 2], "[…]", *lines[-_LINES // 2 :]]


class _Listener:
    """Turns ansible-runner's events into ours and remembers the last failure."""

    def __init__(self, layer: str, emit: Callable[[Event], None]) -> None:
        self.layer = layer
        self.emit = emit
        self.failure: TaskFailed | None = None
        self.changed = 0

    def __call__(self, raw: Mapping[str, Any]) -> bool:
        kind, data = raw.get("event", ""), raw.get("event_data", {})
        name = re.sub(r"^[\w.]+ : ", "", str(data.get("task", "")))
        if kind in ("playbook_on_task_start", "playbook_on_handler_task_start"):
            self.emit(make_event("task", "start", name, parent=self.layer))
        elif kind in _ENDINGS and not (kind == "runner_on_failed" and data.get("ignore_errors")):
            self._ended(kind, name, data)
        return False  # nothing is written to the artifacts

    def _ended(self, kind: str, name: str, data: Mapping[str, Any]) -> None:
        result = data.get("res") or {}
        status = _ENDINGS[kind]
        if status == "ok" and result.get("changed"):
            status, self.changed = "changed", self.changed + 1
        detail = ""
        if status == "failed":
            lines = failure_lines(result)
            detail = lines[0] if lines else ""
            # The last one counts: a failure before it was rescued, and the rescue says better what was wrong.
            self.failure = TaskFailed(
                f"the task «{name}» failed", layer=self.layer, task=name, output=lines, doing=f"baking {self.layer}"
            )
        self.emit(make_event("task", status, name, parent=self.layer, seconds=data.get("duration"), detail=detail))


def apply_playbook(
    playbook: Path,
    *,
    root: Path,
    tags: Sequence[str],
    variables: Mapping[str, Any],
    layer: str,
    scratch: Path,
    collections: Path,
    verbosity: int,
    emit: Callable[[Event], None],
) -> None:
    """Run *playbook* with *tags* on the tree at *root*.

    Raises:
        TaskFailed: a task failed (with its output), or Ansible ended for another reason (with its last lines).
    """
    import ansible_runner  # half a second that only this process pays

    scratch.mkdir(mode=0o700)
    config = scratch / "ansible.cfg"
    config.write_text(_CONFIG, encoding="utf-8")
    listener = _Listener(layer, emit)
    run = ansible_runner.run(
        private_data_dir=str(scratch),
        playbook=str(playbook),
        inventory=inventory(root),
        extravars={**variables, "gpuforge_live": False},
        tags=",".join(tags),
        envvars={
            "ANSIBLE_CONFIG": str(config),
            "ANSIBLE_COLLECTIONS_PATH": str(collections),
            "ANSIBLE_HOME": str(scratch / "home"),
            "ANSIBLE_LOCAL_TEMP": str(scratch / "local"),
            "ANSIBLE_NOCOLOR": "1",
        },
        settings={"suppress_ansible_output": True},
        verbosity=verbosity or None,
        quiet=True,
        event_handler=listener,
    )
    if run.rc != 0:
        if listener.failure is not None:
            raise listener.failure
        printed = [*run.stdout.read().splitlines(), *run.stderr.read().splitlines()]
        raise TaskFailed(
            f"ansible-playbook ended with status {run.rc}",
            layer=layer,
            task="ansible-playbook",
            output=printed[-_LINES:],
        )
