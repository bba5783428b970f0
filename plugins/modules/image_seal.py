#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Take out of an image what must not be shared by two machines."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_seal
short_description: Takes out of an image what must not be shared by two machines
description:
  - Removes identities (machine id, SSH host keys), access (authorized keys, credentials), traces (logs, histories,
    caches, temporary files) and settings of one network (leases, proxies) from a file tree before it becomes an image.
  - Everything is looked for first, then removed; a second call finds nothing. What is mounted from elsewhere, such as a
    bound cache of packages, is not entered.
  - "The rules, each with its reason and source, are in C(plugins/module_utils/_seal_rules.py): V(machine_id),
    V(dbus_machine_id), V(ssh_host_keys), V(module_signing_keys), V(random_seed), V(credential_secret), V(storage_ids),
    V(authorized_keys), V(ssh_identities), V(credentials), V(builders_rights), V(account_backups), V(cloud_init),
    V(network), V(leases), V(proxies), V(proxies_in_shells), V(journal), V(rotated_logs), V(logs), V(build_logs),
    V(histories), V(ansible), V(user_caches), V(temporary_files), V(package_index), V(package_files),
    V(package_backups), V(linker_cache), V(state_of_services), V(swap_files), V(swap_entries)."
version_added: 0.1.0
author: the gpuforge authors
options:
  root:
    description: The tree to seal; nothing outside of it is read or written.
    type: path
    default: /
  live:
    description: Whether this is a machine in use. Then nothing is done, and the call fails.
    type: bool
    required: true
  keep:
    description: Rules not to apply, by name.
    type: list
    elements: str
    default: []
  extra:
    description:
      - Further things to remove. C(*) matches any name, C(**) any number of folders, a leading C(~) every home.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says truthfully what would be removed, and touches nothing.
    support: full
  diff_mode:
    description: Lists rule, action and path of everything that is (or would be) dealt with.
    support: full
"""

EXAMPLES = r"""
- name: Ensure the image is sealed
  gpuforge.node.image_seal:
    live: false

- name: Ensure it is sealed but for the proxy that every machine of this network needs
  gpuforge.node.image_seal:
    live: false
    keep: [proxies]
    extra: [/var/lib/example/node-id]
"""

RETURN = r"""
sealed:
  description: The paths that were (or would be) dealt with, by rule.
  returned: success
  type: dict
  sample: {machine_id: [/etc/machine-id], logs: [/var/log/dpkg.log]}
"""

import sys

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._seal import (
    SealError,
    apply,
    by_rule,
    choose,
    make_plan,
    own_files,
)
from ansible_collections.gpuforge.node.plugins.module_utils._seal_find import Guard, foreign_mounts

OPTIONS = {
    "root": {"type": "path", "default": "/"},
    "live": {"type": "bool", "required": True},
    "keep": {"type": "list", "elements": "str", "default": []},
    "extra": {"type": "list", "elements": "str", "default": []},
}


def main():
    """Read the options, plan, act unless in check mode, report."""
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    root = module.params["root"]
    try:
        if module.params["live"]:
            raise SealError(
                "this is a live machine (live is true), so nothing was sealed: it would lose its host keys, its id and "
                "its logs. Pass live=false only for a tree that becomes an image"
            )
        rules = choose(module.params["keep"], module.params["extra"])
        with open("/proc/self/mountinfo") as stream:
            mounts = foreign_mounts(root, stream.read())
        steps = make_plan(root, rules, Guard([*mounts, *own_files(root, [__file__, module._tmpdir, *sys.path])]))
        if not module.check_mode:
            apply(steps)
    except (SealError, OSError) as error:
        module.fail_json(msg="image_seal: %s" % error)
    module.exit_json(
        changed=bool(steps),
        sealed=by_rule(steps, root),
        diff={"before": "".join(step.told(root) + "\n" for step in steps), "after": ""},
    )


if __name__ == "__main__":
    main()
