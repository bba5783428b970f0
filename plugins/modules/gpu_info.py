#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read the GPUs of a node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
short_description: Read the GPUs of a node
version_added: 0.1.0
description:
  - Reads C(nvidia-smi -q -x) of any driver, and the PCI bus through sysfs, and joins both.
  - The list holds every GPU that either of them knows. A GPU on the bus that the driver does not show is in the list,
    and in RV(problems).
  - What is not known is V(null), never 0 and never V(false).
author:
  - the gpuforge authors (@gpuforge)
options:
  root:
    description: Folder below which C(/sys) and C(/proc) are read. Symbolic links stay inside it.
    type: path
    default: /
  nvidia_smi:
    description:
      - The program to ask. Without it C(nvidia-smi) is looked for in E(PATH), and only if O(root) is V(/), as the
        driver of this machine knows nothing about a tree of another one.
    type: path
  timeout:
    description: Seconds that all runs of the program may take together. It's killed after that, and RV(problems) says
      so.
    type: float
    default: 30.0
  bus_only:
    description: Ask the PCI bus alone and not the driver. Quick, and enough to know which GPUs there are.
    type: bool
    default: false
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
seealso:
  - module: gpuforge.node.topology_info
  - module: gpuforge.node.fabric_info
"""

EXAMPLES = r"""
- name: Read the GPUs
  gpuforge.node.gpu_info:
  register: gpu

- name: Stop if the driver lost a GPU
  ansible.builtin.assert:
    that: gpu.problems | selectattr('id', 'equalto', 'gpu-missing-from-driver') | length == 0

- name: Read the GPUs of an unpacked image or a captured tree, from the bus alone
  gpuforge.node.gpu_info:
    root: /srv/captures/node17
"""

RETURN = r"""
driver_version:
  description: Version of the driver, from nvidia-smi or else from the loaded kernel module; V(null) if there is none.
  returned: success
  type: str
  sample: 595.91.07
cuda_version:
  description: Newest CUDA version the driver supports; V(null) if it does not tell.
  returned: success
  type: str
  sample: "13.2"
source:
  description: Where RV(gpus) comes from, V(nvidia-smi) or V(pci). With V(pci) only the bus was asked, or the program
    failed.
  returned: success
  type: str
  sample: nvidia-smi
gpus:
  description: Every GPU, in the driver's order; after those the ones that only the bus shows.
  returned: success
  type: list
  elements: dict
  contains:
    index: {description: The driver's number of the GPU., type: int, returned: success}
    uuid: {description: The GPU's UUID., type: str, returned: success}
    name: {description: Product name., type: str, returned: success}
    architecture: {description: Architecture as nvidia-smi spells it., type: str, returned: success}
    pci_bus_id:
      description: "PCI address as sysfs writes it, such as V(0000:3b:00.0)."
      type: str
      returned: success
    pci_device_id: {description: "Vendor and device id, such as V(10de:2330).", type: str, returned: success}
    serial: {description: Serial number of the board., type: str, returned: success}
    driver: {description: Kernel driver the PCI function is bound to., type: str, returned: success}
    driver_model: {description: Driver model on Windows., type: str, returned: success}
    virtualization_mode:
      description: V(None), V(Pass-Through), V(VGPU) for a guest's virtual GPU, or V(Host VGPU).
      type: str
      returned: success
    lost:
      description: Whether the driver lost the GPU; V(null) if it was not asked or gave no answer about it.
      type: bool
      returned: success
    numa_node: {description: NUMA node of the PCI function., type: int, returned: success}
    memory_total_mib: {description: Memory in MiB., type: int, returned: success}
    persistence_mode: {description: Whether persistence mode is on., type: bool, returned: success}
    mig_mode: {description: Whether MIG is on now., type: bool, returned: success}
    mig_devices:
      description: MIG devices, with C(index), C(uuid), C(profile), C(gpu_instance_id), C(compute_instance_id),
        C(memory_total_mib), C(multiprocessors) and C(ecc_uncorrected_volatile).
      type: list
      elements: dict
      returned: success
    ecc_mode: {description: Whether ECC is on now., type: bool, returned: success}
    ecc_uncorrected_volatile:
      description: Uncorrected ECC errors since the driver was loaded.
      type: int
      returned: success
    ecc_uncorrected_aggregate:
      description: Uncorrected ECC errors over the GPU's life.
      type: int
      returned: success
    ecc_sram_threshold_exceeded:
      description: Whether the SRAM error threshold for replacement is exceeded.
      type: bool
      returned: success
    row_remap_pending: {description: Whether a row remapping waits for a reset., type: bool, returned: success}
    row_remap_failure: {description: Whether a row remapping failed., type: bool, returned: success}
    rows_remapped_uncorrected: {description: Rows remapped for uncorrected errors., type: int, returned: success}
    retired_pages_pending:
      description: Whether a page retirement waits for a reset (Volta and older).
      type: bool
      returned: success
    repair_pending: {description: Whether a channel or TPC repair waits for a reboot., type: bool, returned: success}
    unrepairable_memory: {description: Whether memory is broken beyond repair., type: bool, returned: success}
    recovery_action:
      description: "What the driver asks for: V(None), V(Reset), V(Reboot) and so on."
      type: str
      returned: success
    temperature_c: {description: Temperature in degrees Celsius., type: int, returned: success}
    power_draw_w: {description: Power draw in watts., type: float, returned: success}
    power_limit_w: {description: Power limit in force in watts., type: float, returned: success}
    clocks_mhz: {description: "Clocks C(graphics), C(sm) and C(mem) in MHz.", type: dict, returned: success}
    throttle_reasons:
      description: What holds the clocks down now, such as V(gpu_idle), V(sw_power_cap) or V(hw_thermal_slowdown).
      type: list
      elements: str
      returned: success
    nvlink:
      description: NVLink as C(links), C(active), C(inactive) (numbers of links) and C(gb_per_s) of one link and
        direction.
      type: dict
      returned: success
    fabric:
      description: State of the NVLink fabric as C(state), C(status), C(cluster_uuid) and C(clique_id).
      type: dict
      returned: success
    pcie:
      description: PCI Express link as C(gen), C(width), C(gen_max) and C(width_max). Idle GPUs lower C(gen).
      type: dict
      returned: success
  sample:
    - {index: 0, uuid: GPU-8a44f1c6-9d0c-4b6c-a3d2-5f1f3f0f7c11, name: NVIDIA H100 80GB HBM3, pci_bus_id:
      '0000:19:00.0',
       numa_node: 0, memory_total_mib: 81559, persistence_mode: true, mig_mode: false, ecc_mode: true,
       ecc_uncorrected_volatile: 0, ecc_uncorrected_aggregate: 0, row_remap_pending: false, row_remap_failure: false,
       retired_pages_pending: null, temperature_c: 31, throttle_reasons: [gpu_idle], lost: false,
       nvlink: {links: 18, active: 18, inactive: [], gb_per_s: 26.562},
       pcie: {gen: 5, width: 16, gen_max: 5, width_max: 16}}
nvswitches:
  description: NVSwitches, with C(pci_bus_id), C(pci_device_id), C(generation) (2, 3, 4) and C(numa_node).
  returned: success
  type: list
  elements: dict
  sample: [{pci_bus_id: '0000:83:00.0', pci_device_id: '10de:22a3', generation: 3, numa_node: 1}]
problems:
  description: What is wrong or could not be read, each with C(id), C(subject) and C(message).
  returned: success
  type: list
  elements: dict
  sample:
    - {id: gpu-missing-from-driver, subject: '0000:3b:00.0',
       message: NVIDIA H100 SXM5 is on the PCI bus (bound to nvidia) and nvidia-smi does not show it}
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._gpu import DEFAULT_TIMEOUT, read_gpus


def main() -> None:
    """Read and return."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "nvidia_smi": {"type": "path"},
            "timeout": {"type": "float", "default": DEFAULT_TIMEOUT},
            "bus_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    root, timeout = module.params["root"], module.params["timeout"]
    if not os.path.isdir(root):
        module.fail_json(msg=f"root={root} is no folder: give the folder that stands for / of the node to read")
    if timeout <= 0:
        module.fail_json(msg=f"timeout={timeout:g} leaves nvidia-smi no time: give seconds above 0, such as 30")
    module.exit_json(
        changed=False, **read_gpus(root, module.params["nvidia_smi"], timeout, bus_only=module.params["bus_only"])
    )


if __name__ == "__main__":
    main()
