#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read where CPUs, memory, GPUs, NICs and drives of a node sit."""

from __future__ import annotations

DOCUMENTATION = r"""
module: topology_info
short_description: Read where CPUs, memory, GPUs, NICs and drives of a node sit
version_added: 0.1.0
description:
  - Reads NUMA nodes, CPUs and PCI paths from sysfs, and says how near each network adapter, NVMe drive and other GPU
    is to each GPU. No program is run.
author:
  - the gpuforge authors (@gpuforge)
options:
  root:
    description: Folder below which C(/sys) and C(/proc) are read. Symbolic links stay inside it.
    type: path
    default: /
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
  - NVLink isn't visible in sysfs. See RV(gpuforge.node.gpu_info#module:gpus[].nvlink).
  - Lists of CPUs are in the kernel's form, such as V(0-7,16-23), and hold only CPUs that are online.
seealso:
  - module: gpuforge.node.gpu_info
  - module: gpuforge.node.fabric_info
"""

EXAMPLES = r"""
- name: Read the topology
  gpuforge.node.topology_info:
  register: topology

- name: Show the network adapters below the same PCIe switch as each GPU
  ansible.builtin.debug:
    msg: "{{ item.gpu }}: {{ item.nics | selectattr('kind', 'in', ['PIX', 'PXB']) | map(attribute='pci_bus_id') |
      list }}"
  loop: "{{ topology.affinity }}"
"""

RETURN = r"""
cpus_online:
  description: CPUs that are online.
  returned: success
  type: str
  sample: 0-103
cpus_present:
  description: CPUs that are in the machine.
  returned: success
  type: str
  sample: 0-103
numa_nodes:
  description: NUMA nodes in the order of their ids, which may have holes. Empty if the kernel has no NUMA.
  returned: success
  type: list
  elements: dict
  contains:
    id: {description: The kernel's number of the node., type: int, returned: success}
    kind:
      description: V(cpu+memory), V(cpu), V(memory), V(gpu-memory), V(dax-memory) (CXL, HBM, PMem) or V(empty).
      type: str
      returned: success
    cpus: {description: Its CPUs., type: str, returned: success}
    memory_mib: {description: Its memory in MiB; V(null) if it does not tell., type: int, returned: success}
    hugepages:
      description: "Its pools of huge pages, with C(size_kib), C(total) and C(free)."
      type: list
      elements: dict
      returned: success
    distances:
      description: Distance to each node by its id; not always the same in both directions.
      type: dict
      returned: success
  sample:
    - {id: 0, kind: cpu+memory, cpus: 0-51, memory_mib: 1031527, hugepages: [{size_kib: 2048, total: 0, free: 0}],
       distances: {'0': 10, '1': 21}}
gpus:
  description: The GPUs on the bus.
  returned: success
  type: list
  elements: dict
  contains: &device
    pci_bus_id: {description: PCI address as sysfs writes it., type: str, returned: success}
    numa_node: {description: Its NUMA node; V(null) if the firmware does not tell., type: int, returned: success}
    local_cpus: {description: CPUs that are local to it., type: str, returned: success}
    driver: {description: Kernel driver., type: str, returned: success}
  sample: [{pci_bus_id: '0000:19:00.0', numa_node: 0, local_cpus: 0-51, driver: nvidia, name: NVIDIA H100 SXM5}]
nics:
  description: Network adapters on the bus, with C(names) of their interfaces and of their C(rdma) devices. Virtual
    functions made for guests are left out.
  returned: success
  type: list
  elements: dict
  contains: *device
  sample:
    - {pci_bus_id: '0000:1a:00.0', numa_node: 0, local_cpus: 0-51, driver: mlx5_core, names: [ibp26s0], rdma:
      [mlx5_0]}
nvme:
  description: NVMe controllers, with their C(names).
  returned: success
  type: list
  elements: dict
  contains: *device
  sample: [{pci_bus_id: '0000:18:00.0', numa_node: 0, local_cpus: 0-51, driver: nvme, names: [nvme0]}]
affinity:
  description: What is near each GPU.
  returned: success
  type: list
  elements: dict
  contains:
    gpu: {description: PCI address of the GPU., type: str, returned: success}
    numa_node: {description: "Its NUMA node; on a machine with one node, that one.", type: int, returned: success}
    cpus: {description: The nearest CPUs., type: str, returned: success}
    nics:
      description:
        - Network adapters, nearest first, with C(pci_bus_id), C(names) and C(kind).
        - The kind is that of C(nvidia-smi topo -m), V(PIX) (at most one PCIe switch between), V(PXB) (several
          switches), V(PHB) (through the host bridge), V(NODE) (through the host bridges of one NUMA node) or V(SYS)
          (across nodes, or a node is unknown).
      type: list
      elements: dict
      returned: success
    nvme: {description: "NVMe controllers, nearest first.", type: list, elements: dict, returned: success}
    gpus: {description: "The other GPUs, nearest first, by PCI path.", type: list, elements: dict, returned: success}
  sample:
    - {gpu: '0000:19:00.0', numa_node: 0, cpus: 0-51, nvme: [{pci_bus_id: '0000:18:00.0', kind: PIX}],
       nics: [{pci_bus_id: '0000:1a:00.0', kind: PIX, names: [mlx5_0, ibp26s0]}],
       gpus: [{pci_bus_id: '0000:3b:00.0', kind: NODE}]}
problems:
  description: What is wrong or could not be read, each with C(id), C(subject) and C(message).
  returned: success
  type: list
  elements: dict
  sample: [{id: offline-cpus, subject: node0, message: 'node 0 lists CPUs that are offline: 8-15'}]
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology


def main() -> None:
    """Read and return."""
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    root = module.params["root"]
    if not os.path.isdir(root):
        module.fail_json(msg=f"root={root} is no folder: give the folder that stands for / of the node to read")
    module.exit_json(changed=False, **read_topology(root))


if __name__ == "__main__":
    main()
