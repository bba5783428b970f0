"""A collection whose roles do what a test needs and no more, so that a bake on a real base takes seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_SEAL = """\
- name: Seal
  hosts: all
  gather_facts: false
  roles: [{role: gpuforge.node.image_seal, tags: [image_seal]}]
"""


def write_collection(root: Path, roles: Mapping[str, str]) -> Path:
    """Write a collection at *root* whose site.yml has *roles* (name → tasks as YAML), in this order. Returns *root*."""
    entries = "\n".join(f"    - {{role: gpuforge.node.{name}, tags: [{name}]}}" for name in roles)
    files = {
        "galaxy.yml": "namespace: gpuforge\nname: node\nversion: 0.0.1\nreadme: README.md\nauthors: [tests]\n",
        "playbooks/site.yml": f"- name: Site\n  hosts: all\n  gather_facts: false\n  roles:\n{entries}\n",
        "playbooks/seal.yml": _SEAL,
    }
    # One file a role: the phase that a bake asks for first.
    for name, tasks in {
        **roles,
        "image_seal": "- ansible.builtin.file: {path: /sealed, state: touch, mode: '0644'}\n",
    }.items():
        files[f"roles/{name}/tasks/main.yml"] = (
            f"- name: Install\n  ansible.builtin.import_tasks: install.yml\n  tags: [{name}_install]\n"
        )
        files[f"roles/{name}/tasks/install.yml"] = tasks
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def write_file(path: str, content: str) -> str:
    """A task that writes *content* to *path* in the tree."""
    return f"- name: Write {path}\n  ansible.builtin.copy: {{content: '{content}', dest: '{path}', mode: '0644'}}\n"


def command(line: str) -> str:
    """A task that runs *line* in the tree."""
    return f"- name: Run\n  ansible.builtin.command: {{cmd: '{line}'}}\n  changed_when: true\n"
