#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Ensure that the container engines of a machine know NVIDIA's runtime."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_engines
short_description: Ensure that the container engines of a machine know NVIDIA's runtime
version_added: 0.1.0
description:
  - Finds Docker, containerd, Podman and CRI-O, and completes the configuration of those that are there, in one call.
    What else is in their configuration stays.
  - Docker gets a runtime C(nvidia), and CDI switched on where its version reads it. containerd gets a runtime of that
    name for its CRI plugin, in a marked block; CRI-O in a file of its own. Podman needs nothing, it reads CDI
    specifications.
  - Starts and restarts nothing; see RV(engines).
  - What was there before is remembered in C(/etc/gpuforge/container-engines.json).
author:
  - the gpuforge authors (@gpuforge)
options:
  engines:
    description: The engines to look at. When not given, all that are there.
    type: list
    elements: str
    choices: [docker, containerd, podman, crio]
  default:
    description: Make the runtime the default of Docker, containerd's CRI plugin and CRI-O.
    type: bool
    default: false
  root:
    description: Folder below which everything is read and written.
    type: path
    default: /
  state:
    description: V(absent) puts back what was there before, except for what somebody else has changed since.
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
- name: Ensure every container engine knows NVIDIA's runtime
  gpuforge.node.container_engines:
"""

RETURN = r"""
engines:
  description: The engines that are there, by name.
  returned: success
  type: dict
  sample: {docker: {version: "26.1.5", changed: true, note: ""}}
  contains:
    version: {description: Its version; empty where no package tells it., type: str, returned: always}
    changed: {description: Whether its configuration was changed and has to be taken up., type: bool, returned: always}
    note: {description: Why its configuration was left alone; empty otherwise., type: str, returned: always}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._container_engines import EngineError
from ansible_collections.gpuforge.node.plugins.module_utils._container_setup import ensure, remove
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

ARGUMENTS = {
    "engines": {"type": "list", "elements": "str", "choices": ["docker", "containerd", "podman", "crio"]},
    "default": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main():
    """Find, compare, write, report."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params, host = module.params, Host(module.params["root"])
    try:
        if params["state"] == "present":
            result = ensure(host, params["engines"], params["default"], module.check_mode)
        else:
            result = remove(host, module.check_mode)
    except EngineError as exc:
        module.fail_json(msg="No container engine was touched: %s" % exc)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
