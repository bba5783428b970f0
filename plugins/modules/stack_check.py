# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/stack_check.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_check
short_description: Check whether driver, CUDA and what goes with them can work together
version_added: "0.1.0"
description:
  - Turns a request such as "the long-term driver for a V100" into exact versions, or refuses it with every reason at
    once, each with what to do, and with the nearest combination that works.
  - Runs on the controller and opens no connection. It knows what the collection's own file of facts
    (C(plugins/plugin_utils/compat.yml)) says, every fact with its source.
  - What is certain refuses. What is only inferred, and a branch that has ended, warns.
  - What nobody knows anything about (a release that is newer than the facts, say) is refused too, unless
    O(allow_unknown=true).
options:
  driver:
    description:
      - A version (V(595.91.07)), a branch (V(595)), V(production), V(lts), V(new_feature), V(newest), or V(none) for a
        node without a driver. Empty takes the best that suits the rest.
      - V(newest for H100 on Debian 12) is understood too.
    type: str
    default: ""
  branch:
    description: The branch that O(driver) is meant to be of. Refused where the two disagree.
    type: str
    default: ""
  flavour:
    description: The kernel module. V(auto) takes the one that the branch and the GPUs ask for.
    type: str
    choices: [auto, open, proprietary]
    default: auto
  source:
    description: Where the driver comes from, NVIDIA's repository or the archive of the distribution.
    type: str
    choices: [nvidia, distribution]
    default: nvidia
  cuda:
    description: Toolkits, each a release (V(13.2.1)), a toolkit (V(13.2)), a major (V(13.x)) or V(newest).
    type: list
    elements: str
    default: []
  cuda_compat:
    description: Whether C(cuda-compat) is installed, so that a toolkit runs on an older driver.
    type: bool
    default: false
  precompiled:
    description: Whether the modules are to be those that Canonical built and signed, of Ubuntu's archive.
    type: bool
    default: false
  distribution:
    description:
      - The distribution, such as V(debian12), V(bookworm) or V(Debian 12). By default that of the host's facts; where
        none were gathered, nothing about distributions is checked.
    type: str
  repository:
    description: Directory of NVIDIA's repository, where it is not the distribution's own.
    type: str
    default: ""
  kernel:
    description: The kernel of the node. By default the one that the distribution came with.
    type: str
    default: ""
  gpus:
    description: GPUs by product (V(H100)), generation (V(hopper)) or PCI id (V(10de:2330)).
    type: list
    elements: str
    default: []
  switches:
    description: Whether the node has NVSwitches. Unknown by default.
    type: bool
  parts:
    description:
      - What must be of the driver's version. Keys are V(fabricmanager), V(nscq), V(nvsdm) and V(imex), values a version
        or V(yes).
    type: dict
    default: {}
  dcgm:
    description: A version of DCGM, or V(newest). Empty leaves DCGM out of the check.
    type: str
    default: ""
  container_toolkit:
    description: A version of the NVIDIA Container Toolkit, or V(newest). Empty leaves it out of the check.
    type: str
    default: ""
  engines:
    description: Container engines (V(containerd), V(docker), V(podman), V(crio)) and their versions.
    type: dict
    default: {}
  module_options:
    description: Names of parameters that the kernel module is given.
    type: list
    elements: str
    default: []
  packages:
    description: Further packages of the stack, by name or as C(name=version).
    type: list
    elements: str
    default: []
  locks:
    description: Locked Python environments that the node gets.
    type: list
    elements: str
    default: []
  allow_unknown:
    description: Let what nobody knows anything about pass with a warning.
    type: bool
    default: false
  compat_file:
    description:
      - A file of facts of your own, laid over the collection's, row by row. Rows that are known keep the values that
        yours do not name; a new row has to be whole; V(null) takes a row out.
    type: path
  releases_file:
    description: NVIDIA's list of data centre driver releases (C(releases.json)), saved to a file.
    type: path
  today:
    description: The day that ends of branches are judged by, such as V(2026-11-22). By default today.
    type: str
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
  platform:
    description: Runs on the controller.
    support: full
    platforms: posix
seealso:
  - module: gpuforge.node.gpu_info
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: The stack can work, on every node, before anything is touched
  gpuforge.node.stack_check:
    driver: production
    cuda: ["13.x"]
    gpus: [H100]
    dcgm: newest
  register: stack
  any_errors_fatal: true

- name: Say what would be installed
  ansible.builtin.debug:
    msg: "driver {{ stack.stack.driver.version }}, CUDA {{ stack.stack.cuda.version }}"

- name: A newer release than the collection knows, by NVIDIA's own list
  gpuforge.node.stack_check:
    driver: "595"
    releases_file: files/releases.json
"""

RETURN = r"""
stack:
  description: What the request comes to; V(null) if it was refused.
  returned: always
  type: dict
  contains:
    driver:
      description:
        - The driver with C(version) (empty where the archive decides on the release), C(branch), C(class), C(eol),
          C(cuda), C(flavour), C(source), C(packages) as apt takes them, and C(pin), the package to install first.
        - V(null) for a node without one.
      type: dict
      returned: when passed
    cuda:
      description: The newest toolkit with C(version), C(toolkit), C(major) and C(packages); V(null) if there is none.
      type: dict
      returned: when passed
    toolkits: {description: All toolkits., type: list, elements: dict, returned: when passed}
    fabricmanager:
      description: Fabric Manager with C(version), C(packages) and C(wanted); V(null) where the branch has none.
      type: dict
      returned: when passed
    nscq: {description: The same for NSCQ., type: dict, returned: when passed}
    nvsdm: {description: The same for NVSDM., type: dict, returned: when passed}
    imex: {description: The same for IMEX., type: dict, returned: when passed}
    fabric_plane:
      description: Packages that the GPUs' boards need beside Fabric Manager.
      type: list
      elements: str
      returned: when passed
    dcgm:
      description: DCGM with C(version), C(cuda_majors) and C(packages); V(null) if it was not asked for.
      type: dict
      returned: when passed
    container_toolkit:
      description: The container toolkit with C(version) and C(packages); V(null) if it was not asked for.
      type: dict
      returned: when passed
    distribution:
      description: The distribution with C(id), C(family), C(repository) and C(key); V(null) if it is not known.
      type: dict
      returned: when passed
    gpus:
      description: The GPUs with what was C(said), C(name) and C(generation).
      type: list
      elements: dict
      returned: when passed
    locks: {description: Environments with their version of torch., type: dict, returned: when passed}
  sample:
    driver: {version: 595.91.07, branch: "595", class: production, eol: 2027-03, cuda: "13.2", flavour: open,
             source: nvidia, packages: [nvidia-driver-cuda=595.91.07-*, nvidia-kernel-open-dkms=595.91.07-*],
             pin: nvidia-driver-pinning-595.91.07}
    cuda: {version: 13.2.2, toolkit: "13.2", major: "13", packages: [cuda-toolkit-13-2=13.2.2-*]}
refusals:
  description: Every reason against the request, with C(rule), C(what), C(why), C(hint), C(certainty) and C(source).
  returned: always
  type: list
  elements: dict
  sample: []
cautions:
  description: What should be known although it passes, in the same form. They are shown as warnings.
  returned: always
  type: list
  elements: dict
  sample: []
nearest:
  description:
    - The nearest combination that works, with C(changes) and C(text); V(null) if the request passed, or if nothing
      works on this hardware.
  returned: always
  type: dict
  sample: {text: driver 580.178.04 instead of 595.91.07}
facts_date:
  description: The day of the facts.
  returned: always
  type: str
  sample: "2026-11-22"
"""
