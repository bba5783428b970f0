#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Let one user reach every node of a cluster by ssh, with keys made on the nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_ssh
short_description: Let one user reach every node of a cluster by ssh
version_added: 0.1.0
description:
  - Called twice. Without O(nodes) it makes the user and a key pair B(on the node) and returns the public half with the
    node's host keys. With O(nodes), what all nodes returned, it lets all of them in, knows their host keys, and writes
    the hostfile for mpirun.
  - A private key is never read, returned or copied. What the nodes say is checked before a line is made of it.
  - Owns a block in C(authorized_keys), C(known_hosts) and C(config) in the user's C(.ssh); lines of others stay.
  - What the nodes said is remembered, so that a run limited to some hosts neither forgets the others nor needs them.
author:
  - the gpuforge authors (@gpuforge)
options:
  user:
    description: The user. It is made if it's missing, without a password. Needed unless O(state=absent).
    type: str
  name:
    description: This node's name in the inventory.
    type: str
    default: ""
  address:
    description: The name or address by which the other nodes reach this one.
    type: str
    default: ""
  slots:
    description: Processes this node takes; V(0) is one a GPU, and one where there is none.
    type: int
    default: 0
  names:
    description: Every node of the cluster by its name in the inventory, in the order of the hostfile.
    type: list
    elements: str
    default: []
  nodes:
    description: RV(node) of every node that was asked, as they returned it.
    type: list
    elements: dict
  hostfile:
    description: Where the hostfile goes.
    type: path
    default: /etc/gpuforge/hostfile
  state:
    description: V(absent) takes away everything that was made here, the user too if this module made it.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says what would change, from reading alone.
    support: full
  diff_mode:
    description: Shows every file; of a key pair only that it comes or goes.
    support: full
  platform:
    description: Linux.
    support: full
    platforms: linux
"""

EXAMPLES = r"""
- name: Ensure each node has a key of its own
  gpuforge.node.cluster_ssh:
    user: mpi
    name: "{{ inventory_hostname }}"
    address: "{{ ansible_host }}"
  register: mine

- name: Ensure each node lets the others in
  gpuforge.node.cluster_ssh:
    user: mpi
    name: "{{ inventory_hostname }}"
    address: "{{ ansible_host }}"
    names: "{{ groups['all'] }}"
    nodes: "{{ groups['all'] | map('extract', hostvars) | map(attribute='mine.node') | list }}"

- name: Ensure nothing of it is left
  gpuforge.node.cluster_ssh:
    state: absent
"""

RETURN = r"""
node:
  description: What the other nodes have to know of this one; empty in check mode as long as it has no key.
  returned: success
  type: dict
  contains:
    name: {description: Its name in the inventory., type: str, returned: success}
    address: {description: Its address., type: str, returned: success}
    slots: {description: Processes it takes., type: int, returned: success}
    public_key: {description: The public half of its key., type: str, returned: success}
    host_keys: {description: Its public host keys., type: list, elements: str, returned: success}
  sample: {name: gpu-01, address: 192.0.2.11, slots: 8, public_key: ssh-ed25519 AAAA, host_keys: [ssh-ed25519 AAAA]}
peers:
  description: The nodes that this one lets in, as RV(node); empty when a file is not as it should be.
  returned: success
  type: list
  elements: dict
  sample: []
kept:
  description: A home that was left because it holds files of others, after O(state=absent).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._cluster_peers import PeerError
from ansible_collections.gpuforge.node.plugins.module_utils._cluster_ssh import absent, present
from ansible_collections.gpuforge.node.plugins.module_utils._cluster_user import UserError
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host


def main():
    """Read, compare, write, report."""
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str"},
            "name": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "slots": {"type": "int", "default": 0},
            "names": {"type": "list", "elements": "str", "default": []},
            "nodes": {"type": "list", "elements": "dict"},
            "hostfile": {"type": "path", "default": "/etc/gpuforge/hostfile"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("user", "name", "address"))],
        supports_check_mode=True,
    )
    try:
        if module.params["state"] == "absent":
            result = absent(Host(), check_mode=module.check_mode)
        else:
            result = present(Host(), module.params, check_mode=module.check_mode)
    except (PeerError, UserError, OSError) as exc:
        module.fail_json(msg="Setting up ssh between the nodes failed: %s" % exc)
    for path in result["kept"]:
        module.warn("%s was kept: it holds files that are not gpuforge's" % path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
