#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Ensure the installed NVIDIA driver is the one that runs, where that needs no reboot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: driver_running
short_description: Ensure the installed NVIDIA driver is the one that runs, where that needs no reboot
version_added: 0.1.0
description:
  - Loads the driver where none is loaded. Where another version is loaded, or the other flavour of the same version,
    stops the services that may be stopped, unloads NVIDIA's modules, loads the installed ones, and starts the services
    again. Only where nothing else uses it.
  - Where that is not possible it changes nothing, and says why a reboot is needed, with each process that has a GPU
    open.
  - Does nothing on a machine without a GPU.
author:
  - the gpuforge authors (@gpuforge)
options:
  root:
    description: Directory below which the machine is read. Another one than C(/) can be looked at in check mode only.
    type: path
    default: /
  module:
    description: The name that C(modprobe) and C(modinfo) know the main module by.
    type: str
    default: nvidia
  services:
    description: Units that use a GPU and may be stopped for it. Those that ran are started again.
    type: list
    elements: str
    default: []
  built_for:
    description: Kernels that have the installed driver, for the message where the running one has not.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what would be done.
    support: full
  diff_mode:
    description: Shows the versions.
    support: full
  platform:
    description: Linux with systemd.
    support: full
    platforms: posix
"""

EXAMPLES = r"""
- name: Ensure the installed driver runs
  gpuforge.node.driver_running:
    services: [nvidia-persistenced, nvidia-dcgm]
  register: driver

- name: Ensure no reboot is needed for it
  ansible.builtin.assert:
    that: driver.action != 'reboot'
    fail_msg: "{{ driver.reasons | join('; ') }}"
"""

RETURN = r"""
action:
  description:
    - V(none) without a GPU; V(current) when the installed driver runs; V(load) and V(switch) when it was loaded or
      exchanged, in check mode when it would be; V(reboot) when nothing less helps.
  returned: success
  type: str
  sample: reboot
reasons:
  description: Why.
  returned: success
  type: list
  elements: str
  sample: ["580.178.04 is loaded, and 595.91.07 installed", "python3 (process 4242) has /dev/nvidia0 open"]
before:
  description: Version of the driver that was loaded, empty for none.
  returned: success
  type: str
  sample: 580.178.04
loaded:
  description: Version of the driver that runs now, empty for none.
  returned: success
  type: str
  sample: 580.178.04
installed:
  description: Version of the driver that is installed for the running kernel, empty for none.
  returned: success
  type: str
  sample: 595.91.07
gpus:
  description: PCI addresses of the GPUs.
  returned: success
  type: list
  elements: str
  sample: ["0000:17:00.0"]
holders:
  description: Processes that have a GPU open, each with C(pid), C(name), C(unit) and C(files).
  returned: success
  type: list
  elements: dict
  sample: [{pid: 4242, name: python3, unit: "", files: [/dev/nvidia0]}]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._driver_switch import SwitchError, ensure_running
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host


def main():
    """Read, decide, act, report."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "module": {"type": "str", "default": "nvidia"},
            "services": {"type": "list", "elements": "str", "default": []},
            "built_for": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    host = Host(params["root"])
    if not host.running and not module.check_mode:
        module.fail_json(msg="root=%s is another machine's tree: look at it in check mode" % params["root"])
    try:
        result = ensure_running(host, params["module"], params["services"], params["built_for"], module.check_mode)
    except (SwitchError, OSError) as exc:
        module.fail_json(
            msg="The NVIDIA driver does not run: %s. The kernel's log says more: journalctl -k -g NVRM" % exc
        )
    if result["changed"]:
        words = {key: "%s\n" % (result[name] or "none") for key, name in (("before", "before"), ("after", "installed"))}
        result["diff"] = {"before_header": "loaded driver", "after_header": "loaded driver", **words}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
