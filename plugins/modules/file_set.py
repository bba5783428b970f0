#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Ensure a named set of small files and links, whole, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Ensure a named set of small files and links
version_added: 0.1.0
description:
  - Takes the B(whole) set that one owner writes (units, drop-ins, links that enable a unit) in one call. What was in
    the set before and is not any more is removed.
  - The set is remembered below C(/etc/gpuforge/files), with the folders that were made for it.
  - When writing fails half-way, everything is put back as it was.
author:
  - the gpuforge authors (@gpuforge)
options:
  name:
    description: Name of the set; each owner has its own.
    type: str
    required: true
  files:
    description: The files. They belong to the user that runs the module.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it lies.
        type: path
        required: true
      content:
        description: All of its text.
        type: str
        required: true
      mode:
        description: Permissions, octal and in quotes.
        type: str
        default: "0644"
  links:
    description: The symbolic links.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it lies.
        type: path
        required: true
      target:
        description: What it leads to.
        type: str
        required: true
  root:
    description: Folder below which everything is read and written.
    type: path
    default: /
  state:
    description: V(absent) removes every file and link of the set, and the folders made for it when they are empty.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would change, from reading alone.
    support: full
  diff_mode:
    description: Shows every file.
    support: full
  platform:
    description: Linux.
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Ensure a service is there and starts at boot
  gpuforge.node.file_set:
    name: example
    files:
      - path: /etc/systemd/system/example.service
        content: |
          [Service]
          Type=oneshot
          ExecStart=/bin/true
    links:
      - path: /etc/systemd/system/multi-user.target.wants/example.service
        target: /etc/systemd/system/example.service

- name: Ensure nothing of it is left
  gpuforge.node.file_set:
    name: example
    state: absent
"""

RETURN = r"""
files:
  description: Paths that were written or removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/example.service]
drifted:
  description: Files of the set that somebody else had changed since the last run; they are as wanted again.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._file_set import FileSetError, Wanted, ensure
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
}
LINK = {"path": {"type": "path", "required": True}, "target": {"type": "str", "required": True}}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "options": FILE, "default": []},
    "links": {"type": "list", "elements": "dict", "options": LINK, "default": []},
    "root": {"type": "path", "default": "/"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def wanted(params):
    """Return the set that the options ask for. Raises FileSetError."""
    if params["state"] == "absent":
        return []
    found = []
    for item in params["files"]:
        try:
            mode = int(item["mode"], 8)
        except ValueError:
            raise FileSetError("%s: mode %r is not octal, such as 0644" % (item["path"], item["mode"])) from None
        found.append(Wanted(item["path"], item["content"], mode))
    return found + [Wanted(item["path"], target=item["target"]) for item in params["links"]]


def main():
    """Read, compare, write, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = ensure(
            Host(module.params["root"]), module.params["name"], wanted(module.params), check_mode=module.check_mode
        )
    except FileSetError as exc:
        module.fail_json(msg="The set %s was not written: %s" % (module.params["name"], exc))
    for path in result["drifted"]:
        module.warn("%s was changed by somebody else since the last run" % path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
