"""The module file_set as Ansible runs it: check, run, run again, modify, remove."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

UNIT = {"path": "/etc/systemd/system/a.service", "content": "[Unit]\n"}
DROP_IN = {"path": "/etc/systemd/system/b.service.d/10.conf", "content": "[Service]\n", "mode": "0600"}
LINK = {"path": "/etc/systemd/system/multi-user.target.wants/a.service", "target": UNIT["path"]}
WHOLE = {"files": [UNIT, DROP_IN], "links": [LINK]}


def run(root: Path, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the module once a step, in one play; a step's ``check_mode`` and ``ignore_errors`` are the task's."""
    tasks: list[dict[str, Any]] = []
    for number, step in enumerate(steps):
        task = {name: step.pop(name) for name in ("check_mode", "ignore_errors") if name in step}
        options = {"name": "example", "root": str(root), **step}
        tasks.append({**task, "gpuforge.node.file_set": options, "diff": True, "register": f"step{number}"})
    results = root.parent / "results.json"
    answer = "{{ [" + ", ".join(f"step{number}" for number in range(len(steps))) + "] | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": answer, "dest": str(results), "mode": "0600"}})
    playbook = root.parent / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(["ansible-playbook", str(playbook)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(results.read_text())
    assert isinstance(found, list)
    return found


def test_check_run_again_modify_remove(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    smaller = {"files": [{**UNIT, "content": "[Unit]\nAfter=b.service\n"}]}
    check, first, again, dry, changed, removed, gone = run(
        root,
        {**WHOLE, "check_mode": True},
        dict(WHOLE),
        dict(WHOLE),
        {**smaller, "check_mode": True},
        smaller,
        {"state": "absent"},
        {"state": "absent"},
    )
    assert first["diff"] == check["diff"]
    assert (check["changed"], first["changed"], again["changed"]) == (True, True, False)
    assert first["files"] == sorted([UNIT["path"], DROP_IN["path"], LINK["path"]])
    assert changed["diff"] == dry["diff"]
    assert changed["files"] == sorted(first["files"])
    assert removed["files"] == [UNIT["path"]]
    assert not gone["changed"]
    assert list(root.rglob("*")) == []


def test_check_mode_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    assert run(root, {**WHOLE, "check_mode": True})[0]["changed"]
    assert list(root.rglob("*")) == []


def test_every_reason_to_refuse_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    wrong = {"files": [{**UNIT, "mode": "9"}], "ignore_errors": True}
    twice = {"files": [UNIT, UNIT, {"path": "/etc/../x", "content": ""}], "ignore_errors": True}
    mode, both = run(root, wrong, twice)
    assert "mode '9' is not octal" in mode["msg"]
    assert "no plain absolute path" in both["msg"]
    assert "2 times" in both["msg"]
    assert list(root.rglob("*")) == []
