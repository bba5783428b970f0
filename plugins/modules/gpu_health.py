# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Shell around the health checks: options in, one run, answers out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_health
short_description: Check whether a GPU node is well
version_added: "0.1.0"
description:
  - Asks the node a list of questions about its system, driver, tuning, network, packages and GPUs, and says for each
    whether it passed, failed, could not be told or did not apply, with what was seen, what was expected and what to do.
  - A question that could not be answered is V(unknown) and never counts as passed.
  - The module changes nothing and does not fail when a check does; judge RV(verdict), RV(ok) or RV(checks).
  - The program C(gpuforge-node) gives the same answers on the node itself.
attributes:
  check_mode:
    description: Can run in check mode and return what it would return otherwise.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
    details: The module changes nothing.
  platform:
    description: Operating systems that the module works on.
    support: full
    platforms: linux
options:
  root:
    description:
      - Directory that stands for V(/), an unpacked image or a captured tree.
      - Questions that only the booted machine can answer are skipped when this is not V(/).
    type: path
    default: /
  expect:
    description:
      - What the node is expected to be.
      - When not given, C(/etc/gpuforge/expect.json) below O(root) is read if it is there.
    type: dict
    suboptions:
      count:
        description: Number of GPUs.
        type: int
      model:
        description: Text in the name of each GPU, upper and lower case alike, such as V(H100).
        type: str
      driver:
        description: Version of the driver, whole such as V(535.309.01), or a branch such as V(535).
        type: str
      image:
        description: Whether the node was made from an image with a manifest; V(false) says that it may lack one.
        type: bool
      ecc:
        description: Whether ECC is on.
        type: bool
      mig:
        description: Whether MIG is on.
        type: bool
      persistence:
        description: Whether persistence mode is on.
        type: bool
      nvlinks:
        description: Number of active NVLinks of each GPU.
        type: int
      pcie_width:
        description:
          - Least number of PCIe lanes of each GPU.
          - When not given, GPUs of one model are compared with each other.
        type: int
  thresholds:
    description:
      - Numbers that replace the built-in ones, by name.
      - The names are V(ecc_uncorrected_volatile) (0), V(ecc_uncorrected_aggregate) (not judged),
        V(rows_remapped_uncorrected) (512) and V(temperature_c) (not judged).
      - They win over those of the file that O(expect) stands in for.
    type: dict
    default: {}
  checks:
    description:
      - Groups or single checks to run, such as V(driver) or V(gpu.count).
      - When empty, all groups but V(hygiene), which means something only in an image that has not been in use.
    type: list
    elements: str
    default: []
  skip:
    description: Groups or single checks to leave out.
    type: list
    elements: str
    default: []
  nvidia_smi:
    description: The nvidia-smi to ask; by default the one in C(PATH), and only when O(root) is V(/).
    type: path
seealso:
  - module: gpuforge.node.node_program
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: Ask how the node is
  gpuforge.node.gpu_health:
    expect:
      count: 8
      model: H100
      driver: "535"
  register: health

- name: Nothing is wrong with the node
  ansible.builtin.assert:
    that: health.ok
    fail_msg: "{{ health.checks | rejectattr('status', 'in', ['pass', 'skipped']) | to_nice_yaml }}"

- name: An unpacked image carries no secret
  gpuforge.node.gpu_health:
    root: /srv/unpacked
    checks: [hygiene]
"""

RETURN = r"""
verdict:
  description:
    - What to do with the node, the harshest that any check asks for - V(ok), V(monitor), V(reset) the GPU,
      V(reboot) or V(isolate) it.
    - An unknown check asks for V(monitor).
  returned: success
  type: str
  sample: ok
ok:
  description: Whether no check failed and none is unknown.
  returned: success
  type: bool
  sample: true
summary:
  description: How many checks ended in each state.
  returned: success
  type: dict
  sample: {"pass": 12, "fail": 0, "unknown": 0, "skipped": 29}
checks:
  description: Every check that was asked, in order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Name of the check, its group first.
      type: str
      sample: driver.module
    group:
      description: Group of the check.
      type: str
      sample: driver
    status:
      description: One of V(pass), V(fail), V(unknown) and V(skipped).
      type: str
      sample: pass
    severity:
      description: How bad a failure is, V(critical) or V(warning).
      type: str
      sample: critical
    observed:
      description: What was seen, or why the check was skipped.
      type: str
      sample: /lib/modules/6.1.0-56-cloud-amd64/updates/dkms/nvidia-current.ko 535.309.01
    expected:
      description: What should have been seen.
      type: str
      sample: NVIDIA's module in modules.dep of 6.1.0-56-cloud-amd64, built for it
    remedy:
      description: What to do when it failed.
      type: str
      sample: Install linux-headers of that kernel, then `dkms autoinstall -k KERNEL`.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._gpu import read_gpus
from ansible_collections.gpuforge.node.plugins.module_utils._health.expect import read_expect
from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Machine
from ansible_collections.gpuforge.node.plugins.module_utils._health.model import EXIT_OK, HealthError
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import choose, run_checks
from ansible_collections.gpuforge.node.plugins.module_utils._health.tree import Tree

ARGUMENT_SPEC = {
    "root": {"type": "path", "default": "/"},
    "expect": {
        "type": "dict",
        "options": {
            "count": {"type": "int"},
            "model": {"type": "str"},
            "driver": {"type": "str"},
            "image": {"type": "bool"},
            "ecc": {"type": "bool"},
            "mig": {"type": "bool"},
            "persistence": {"type": "bool"},
            "nvlinks": {"type": "int"},
            "pcie_width": {"type": "int"},
        },
    },
    "thresholds": {"type": "dict", "default": {}},
    "checks": {"type": "list", "elements": "str", "default": []},
    "skip": {"type": "list", "elements": "str", "default": []},
    "nvidia_smi": {"type": "path"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    options = module.params
    try:
        checks = choose(options["checks"], options["skip"])
        tree = Tree(options["root"])
        if not tree.is_dir("/"):
            raise HealthError(f"root: {options['root']} is not a folder")
        machine = Machine(
            tree,
            live=tree.root == "/",
            expect=read_expect(tree, options["expect"], options["thresholds"]),
            gpu_facts=lambda: read_gpus(tree.root, options["nvidia_smi"]),
        )
        report = run_checks(machine, checks)
    except (HealthError, OSError) as exc:
        module.fail_json(msg=f"Failed to check the node: {exc}")
    module.exit_json(changed=False, ok=report.exit_code == EXIT_OK, **report.to_dict())


if __name__ == "__main__":
    main()
