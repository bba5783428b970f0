#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Tell which network joins a node's GPUs to other nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_info
short_description: Tell which network joins a node's GPUs to other nodes
version_added: 0.1.0
description:
  - Decides from the hardware in sysfs which fabric a node has and which ports are compute rails, tells those from
    storage and front-end ports and from ports that are down, and gives the few NCCL variables that are needed, with a
    reason for each.
author:
  - the gpuforge authors (@gpuforge)
options:
  root:
    description: Folder below which C(/sys) and C(/proc) are read. Symbolic links stay inside it.
    type: path
    default: /
  metadata:
    description:
      - What the cloud's metadata service says. It only tells apart what looks the same in hardware, and isn't
        believed where the firmware or the hardware says otherwise; RV(reasons) says so then.
    type: dict
    suboptions:
      cloud:
        description: The cloud.
        type: str
        choices: [aws, gcp, azure, oci]
      machine_type:
        description: The machine type, size or shape, as the cloud spells it, such as V(a3-megagpu-8g).
        type: str
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Linux with C(/sys).
    support: full
    platforms: linux
notes:
  - C(NCCL_DEBUG), C(NCCL_IB_GID_INDEX), C(NCCL_IB_TC) and UCX variables are never given. The first is for debugging,
    the others belong to the site.
seealso:
  - module: gpuforge.node.topology_info
"""

EXAMPLES = r"""
- name: Read the fabric
  gpuforge.node.fabric_info:
  register: fabric

- name: Show the compute rails
  ansible.builtin.debug:
    msg: "{{ fabric.fabric }}: {{ fabric.devices | selectattr('compute_rail') | map(attribute='name') | join(', ') }}"

- name: Read the fabric with what the inventory knows about the machine
  gpuforge.node.fabric_info:
    metadata:
      cloud: gcp
      machine_type: a3-megagpu-8g
"""

RETURN = r"""
fabric:
  description: One of V(infiniband), V(roce), V(efa), V(tcpx), V(tcpxo), V(gib), V(slingshot) and V(tcp).
  returned: success
  type: str
  sample: infiniband
devices:
  description: Every port that could carry a fabric, rail or not.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: "The RDMA or cxi device, or the interface of a gVNIC.", type: str, returned: success}
    port: {description: Port number., type: int, returned: success}
    state:
      description: "V(ACTIVE), V(DOWN), V(INIT) and so on; V(null) if unreadable."
      type: str
      returned: success
    link_layer: {description: "V(InfiniBand) or V(Ethernet); EFA says V(Unknown).", type: str, returned: success}
    rate_gbps: {description: Rate in Gb/s., type: float, returned: success}
    gids:
      description: "Its GIDs, with C(index), C(gid), C(type) and C(interface)."
      type: list
      elements: dict
      returned: success
    numa_node: {description: NUMA node of its PCI function., type: int, returned: success}
    pci_bus_id: {description: PCI address., type: str, returned: success}
    compute_rail:
      description: Whether NCCL is to use it. A port that is down is no rail.
      type: bool
      returned: success
  sample:
    - {name: mlx5_0, port: 1, state: ACTIVE, link_layer: InfiniBand, rate_gbps: 400, numa_node: 0,
       pci_bus_id: '0000:1a:00.0', compute_rail: true,
       gids: [{index: 0, gid: 'fe80:0000:0000:0000:a088:c203:00e3:142a', type: IB/RoCE v1, interface: null}]}
nccl:
  description: NCCL variables, no more than are needed.
  returned: success
  type: dict
  sample: {NCCL_IB_HCA: '=mlx5_0,mlx5_3,mlx5_4,mlx5_5', NCCL_SOCKET_IFNAME: '=ens1f0np0'}
reasons:
  description: Why the fabric, each port and each variable was chosen or not.
  returned: success
  type: list
  elements: str
  sample:
    - 'infiniband: 8 ACTIVE InfiniBand ports at 400 Gb/s'
    - 'mlx5_bond_0 port 1: no compute rail: storage or front end: Ethernet 200 Gb/s beside rails of InfiniBand at
      400 Gb/s'
cloud:
  description: The cloud, V(null) if it's none that is known.
  returned: success
  type: str
  sample: azure
machine_type:
  description: The machine type in lower case, V(null) if nothing tells it.
  returned: success
  type: str
  sample: standard_nd96isr_h100_v5
problems:
  description: What could not be read, each with C(id), C(subject) and C(message).
  returned: success
  type: list
  elements: dict
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._fabric import read_fabric


def main() -> None:
    """Read and return."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "metadata": {
                "type": "dict",
                "options": {
                    "cloud": {"type": "str", "choices": ["aws", "gcp", "azure", "oci"]},
                    "machine_type": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    root = module.params["root"]
    if not os.path.isdir(root):
        module.fail_json(msg=f"root={root} is no folder: give the folder that stands for / of the node to read")
    module.exit_json(changed=False, **read_fabric(root, module.params["metadata"]))


if __name__ == "__main__":
    main()
