#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Tell what a node has to measure its network with."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_info
short_description: Tell what a node has to measure its network with
version_added: 0.1.0
description:
  - Looks for benchmarks (nccl-tests, the OSU micro-benchmarks) and launchers (C(mpirun), C(torchrun)) in C(PATH) and
    where their builders and the images of clouds put them, counts GPUs and CPUs, and asks what machine type it is.
  - What is found goes to M(gpuforge.node.benchmark_plan).
author:
  - the gpuforge authors (@gpuforge)
options:
  programs:
    description: Programs to look for, as names or absolute paths.
    type: list
    elements: str
    default: [all_reduce_perf, osu_allreduce, osu_bw]
  name:
    description: Name of the node in the inventory; returned as it is.
    type: str
    required: true
  address:
    description: Address by which other nodes reach this one; O(name) if not given. Returned as it is.
    type: str
  metadata_timeout:
    description: Seconds to wait for the cloud's metadata service, which is asked only where the firmware names a cloud.
    type: float
    default: 2.0
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
  - module: gpuforge.node.benchmark_plan
  - module: gpuforge.node.benchmark_run
"""

EXAMPLES = r"""
- name: Look for benchmarks
  gpuforge.node.benchmark_info:
    name: "{{ inventory_hostname }}"
    address: "{{ ansible_host | default(inventory_hostname) }}"
  register: benchmark
"""

RETURN = r"""
name:
  description: Name of the node in the inventory.
  returned: success
  type: str
  sample: gpu-01
address:
  description: Address by which other nodes reach it.
  returned: success
  type: str
  sample: 10.0.0.11
found:
  description: What the node has.
  returned: success
  type: dict
  contains:
    hostname: {description: Its own name., type: str, returned: success}
    uid: {description: Numeric id of the user that would run the benchmark., type: int, returned: success}
    cpus: {description: CPUs that a process may use., type: int, returned: success}
    gpus: {description: GPUs on the bus., type: int, returned: success}
    cloud: {description: The cloud; V(null) if there is none or it is not known., type: str, returned: success}
    machine_type:
      description: "Machine type, size or shape, lower case; V(null) if not known."
      type: str
      returned: success
    machine_type_unknown: {description: Why it is not known., type: str, returned: success}
    programs: {description: "Path of each program that is there, by name.", type: dict, returned: success}
    mpirun:
      description:
        - C(path), C(version) and first line (C(said)) of mpirun; V(null) if there is none.
        - The version is empty for anything but Open MPI.
      type: dict
      returned: success
    torchrun: {description: "C(argv) of torchrun; V(null) without PyTorch.", type: dict, returned: success}
  sample:
    hostname: gpu-01
    uid: 1000
    cpus: 208
    gpus: 8
    cloud: azure
    machine_type: standard_nd96isr_h100_v5
    machine_type_unknown: ""
    programs: {all_reduce_perf: /opt/nccl-tests/build/all_reduce_perf}
    mpirun: {path: /usr/bin/mpirun, version: 4.1.4, said: mpirun (Open MPI) 4.1.4}
    torchrun:
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._bench_find import find

ARGUMENT_SPEC = {
    "programs": {"type": "list", "elements": "str", "default": ["all_reduce_perf", "osu_allreduce", "osu_bw"]},
    "name": {"type": "str", "required": True},
    "address": {"type": "str"},
    "metadata_timeout": {"type": "float", "default": 2.0},
}


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    options = module.params
    if options["metadata_timeout"] <= 0:
        module.fail_json(msg=f"metadata_timeout={options['metadata_timeout']:g}: give seconds above 0")
    found = find(options["programs"], metadata_timeout=options["metadata_timeout"])
    module.exit_json(changed=False, name=options["name"], address=options["address"] or options["name"], found=found)


if __name__ == "__main__":
    main()
