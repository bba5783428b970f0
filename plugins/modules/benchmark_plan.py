# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/benchmark_plan.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_plan
short_description: Choose the command that measures the network between nodes
version_added: 0.1.0
description:
  - Takes what M(gpuforge.node.benchmark_info) found on each node and returns the command for each node that runs one.
  - Where none can be run it fails and says every reason, before anything is started.
  - Runs on the controller; use it once a play, with C(run_once).
attributes:
  check_mode:
    description: Only computes.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Operating systems that the action works on.
    support: full
    platforms: posix
options:
  nodes:
    description: The results of M(gpuforge.node.benchmark_info), each with C(name), C(address) and C(found).
    type: list
    elements: dict
    required: true
  programs:
    description:
      - Programs in the order of preference, as they were given to M(gpuforge.node.benchmark_info).
      - The first that every node has at the same path is run. Programs whose name ends in V(_perf) or V(_perf_mpi)
        count as nccl-tests and want GPUs.
    type: list
    elements: str
    default: [all_reduce_perf, osu_allreduce, osu_bw]
  launcher:
    description:
      - V(mpirun) is Open MPI over ssh, started on the first node, which reaches the others by ssh without a password.
      - V(torchrun) starts a program of this collection on every node, which measures all_reduce with PyTorch. Ansible's
        C(forks) must be at least the number of nodes.
      - V(none) is for one node.
      - V(auto) takes the first of V(mpirun), V(none) and V(torchrun) that can be had.
    type: str
    choices: [auto, mpirun, torchrun, none]
    default: auto
  arguments:
    description:
      - Arguments of the program, instead of those that would be given.
      - For nccl-tests these are sizes from 8 bytes to O(max_size), each twice the last, one GPU a process, data
        checked, 20 iterations after 5 to warm up. OSU's programs get O(max_size) only.
    type: list
    elements: str
  mpi_options:
    description: More options of mpirun, such as V(--bind-to), V(numa).
    type: list
    elements: str
    default: []
  environment:
    description: Variables that mpirun hands on to every rank. Only their names are in the command.
    type: dict
    default: {}
  ranks_per_node:
    description:
      - Processes on each node; by default one a GPU for nccl-tests and PyTorch, and one without GPUs or for OSU.
    type: int
  hostfile:
    description: Hostfile of Open MPI on the first node, instead of the addresses of O(nodes).
    type: str
  max_size:
    description:
      - Bytes of the largest message, also as V(8G).
      - By default 8 GiB, or more where the threshold of the machine type holds from a larger size on. OSU's programs
        decide themselves.
    type: str
  allow_root:
    description: Whether to run Open MPI as root, which it refuses unless it is told so.
    type: bool
    default: false
  port:
    description: Port of the first node where torchrun's processes find each other.
    type: int
    default: 29500
  node_type:
    description: Machine type to judge by, instead of what the nodes say.
    type: str
  thresholds:
    description: Entries that come before those of the collection, as for M(gpuforge.node.benchmark_report).
    type: list
    elements: dict
    default: []
seealso:
  - module: gpuforge.node.benchmark_info
  - module: gpuforge.node.benchmark_run
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: Choose the command
  gpuforge.node.benchmark_plan:
    nodes: "{{ ansible_play_hosts | map('extract', hostvars, 'benchmark') | list }}"
  run_once: true
  register: plan
"""

RETURN = r"""
commands:
  description: The command of each node that runs one, as a list of words.
  returned: success
  type: dict
  sample: {gpu-01: [/usr/bin/mpirun, --np, "16", --map-by, ppr:8:node]}
command:
  description: The command of the first node as a shell would take it.
  returned: success
  type: str
  sample: /usr/bin/mpirun --np 16 --map-by ppr:8:node --host 10.0.0.11:8,10.0.0.12:8 /usr/bin/all_reduce_perf -b 8
first:
  description: The node whose output is the result.
  returned: success
  type: str
  sample: gpu-01
launcher:
  description: What starts the program.
  returned: success
  type: str
  sample: mpirun
program:
  description: Path of the program on the nodes.
  returned: success
  type: str
  sample: /opt/nccl-tests/build/all_reduce_perf
script:
  description: Text of the program where it is one of this collection; otherwise empty.
  returned: success
  type: str
test:
  description: What is measured.
  returned: success
  type: str
  sample: all_reduce
nodes:
  description: Number of nodes.
  returned: success
  type: int
  sample: 2
ranks:
  description: Number of processes.
  returned: success
  type: int
  sample: 16
ranks_per_node:
  description: Number of processes on each node.
  returned: success
  type: int
  sample: 8
node_type:
  description: Machine type of all nodes; V(null) if it is not known or differs.
  returned: success
  type: str
  sample: bm.gpu.h100.8
environment:
  description: Variables for M(gpuforge.node.benchmark_run).
  returned: success
  type: dict
  sample: {NCCL_DEBUG: WARN}
"""
