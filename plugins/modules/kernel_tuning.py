#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_tuning
short_description: Tune a host's kernel with one declarative set
version_added: 0.1.0
description:
  - Takes the B(whole) wanted set in one call, checks all of it first, then writes one drop-in file a kind and the live
    values, reading each one back. What is no longer in the set is released.
  - A value that this kernel or machine can't take is reported in RV(unsupported) with the reason; it fails the task
    only when O(required) names it.
  - When a run fails half-way, files and live values are put back. When it is killed, the next run completes it.
author:
  - the gpuforge authors (@gpuforge)
options:
  state:
    description:
      - V(present) makes the machine match the set.
      - V(absent) releases everything this module owns and puts the values from before back.
    type: str
    choices: [present, absent]
    default: present
  live:
    description:
      - Whether the machine is running on the kernel to tune. With V(false) only files are written, and nothing of
        C(/proc) and C(/sys) is read, as is right in the chroot of an image.
      - Values that depend on the machine are then worked out at each boot by C(gpuforge-tuning.service).
    type: bool
    default: true
  root:
    description: Folder below which everything is read and written.
    type: path
    default: /
  profiles:
    description:
      - Sets merged in this order before the other options, key by key. Each is a mapping with the names of the options
        below (and C(description)). A value of null takes a key of an earlier set out.
      - A value may be written as a mapping of C(value), C(reason) and C(source); the files then carry them as comments.
    type: list
    elements: dict
    default: []
  sysctl:
    description:
      - Keys and values. A value is a number or text, or depends on the machine.
      - "C({at_least: N}) raises the kernel's own value to N and never lowers it."
      - "C({rule: NAME}) is worked out from the machine; rules are V(socket_buffer), V(tcp_buffer), V(min_free_kbytes),
        V(swappiness), V(dirty_bytes), V(dirty_background_bytes), V(numa_balancing_off), V(zone_reclaim)."
    type: dict
    default: {}
  thp:
    description:
      - Transparent huge pages, with the keys V(enabled), V(defrag), V(shmem_enabled), V(khugepaged_defrag).
    type: dict
    default: {}
  hugepages:
    description:
      - Huge pages as a share of memory, never a constant, as C(percent) of all memory or C(nodes) (percent of the
        memory of each NUMA node, by its id); C(size_kib) of a page (V(2048)); C(min_ram_gib) below which none are
        taken (V(64)).
    type: dict
  numa_balancing:
    description: Automatic NUMA balancing, as for the key C(kernel.numa_balancing) of O(sysctl).
    type: raw
  governor:
    description:
      - Frequency control, with the keys V(governor) and V(epp) (energy performance preference). Left alone on virtual
        machines.
    type: dict
    default: {}
  read_ahead:
    description:
      - Read-ahead in KiB, with the keys V(disks_kib) (NVMe, SCSI and virtual disks) and V(nfs_kib) (NFS mounts).
    type: dict
    default: {}
  irq_affinity:
    description:
      - Kinds of PCI devices whose interrupts stay on the CPUs of their own NUMA node. Left alone on virtual machines,
        with one node, and where irqbalance runs.
      - The kinds are V(gpu), V(nic) and V(nvme).
    type: list
    elements: str
  limits:
    description: Limits for logins (pam_limits).
    type: list
    elements: dict
    default: []
    suboptions:
      domain:
        description: User, C(@group) or C(*). A line for C(*) is written for root too.
        type: str
        default: '*'
      type:
        description: V(soft), V(hard), or V(-) for both.
        type: str
        default: '-'
      item:
        description: Name of the limit as in limits.conf(5).
        type: str
        required: true
      value:
        description: A number or V(unlimited).
        type: str
        required: true
  systemd_limits:
    description: "Default limits of services, of the system and of users, such as C({memlock: infinity})."
    type: dict
    default: {}
  swap:
    description: V(off) turns swap off and keeps it off, on machines with at least 16 GiB of memory.
    type: str
  modules:
    description: Kernel modules to load at boot besides those that keys of O(sysctl) need.
    type: list
    elements: str
    default: []
  required:
    description:
      - Names (as in RV(applied), or their first part such as V(thp)) that must be in force; the task fails otherwise.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Says what would change, from reading alone.
    support: full
  diff_mode:
    description: Shows every file and every live value.
    support: full
  platform:
    description: Linux.
    support: full
    platforms: linux
seealso:
  - module: gpuforge.node.kernel_cmdline
notes:
  - Owns C(90-gpuforge.conf) in C(/etc/sysctl.d), C(/etc/modules-load.d), C(/etc/tmpfiles.d), C(/etc/security/limits.d),
    C(/etc/systemd/system.conf.d) and C(/etc/systemd/user.conf.d), C(/etc/udev/rules.d/90-gpuforge.rules),
    C(gpuforge-tuning.service) and C(/etc/gpuforge/kernel-tuning.json).
  - Limits hold for new logins, and for services after C(systemctl daemon-reexec) and their own restart.
"""

EXAMPLES = r"""
- name: Ensure a training node is tuned
  gpuforge.node.kernel_tuning:
    sysctl:
      vm.swappiness: {rule: swappiness}
      vm.max_map_count: {at_least: 262144}
      net.core.somaxconn: 4096
    thp:
      enabled: madvise
    limits:
      - {item: memlock, value: unlimited}
    systemd_limits:
      memlock: infinity

- name: Ensure an image holds the files, with nothing of the build machine in them
  gpuforge.node.kernel_tuning:
    live: false
    hugepages: {percent: 1.0}
    governor: {governor: performance}

- name: Ensure nothing of it is left
  gpuforge.node.kernel_tuning:
    state: absent
"""

RETURN = r"""
applied:
  description: Names in force and their values.
  returned: success
  type: dict
  sample: {vm.swappiness: '10', thp.enabled: madvise, 'limits.*.-.memlock': unlimited}
unsupported:
  description: Names this kernel or machine can't take, and why.
  returned: success
  type: dict
  sample: {sunrpc.tcp_max_slot_table_entries: 'needs the module sunrpc, which kernel 6.1.0-13 does not have'}
left:
  description: Names a rule decided not to touch, and why.
  returned: success
  type: dict
  sample: {governor: 'a virtual machine (KVM): its host rules the frequency'}
pending_reboot:
  description: Names that are in force only after a reboot, and why.
  returned: success
  type: dict
  sample: {hugepages.node0: '900 of 1024 pages now; memory is in pieces, at boot it is not'}
released:
  description: Names it wrote before and no longer owns, and what became of their values.
  returned: success
  type: dict
  sample: {vm.dirty_ratio: put back to 20}
deferred:
  description: Names worked out at each boot of the image, when O(live=false).
  returned: success
  type: list
  elements: str
  sample: [vm.min_free_kbytes, governor]
overridden:
  description: Keys that a file read later at boot sets to another value, with the file that wins.
  returned: success
  type: dict
  sample: {vm.swappiness: {file: /etc/sysctl.d/99-local.conf, value: '60'}}
drifted:
  description: Owned files somebody else had changed since the last run.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/90-gpuforge.conf]
files:
  description: Files changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/90-gpuforge.conf]
cmdline_owned:
  description: Whether M(gpuforge.node.kernel_cmdline) has its drop-in here; spares asking the machine once more.
  returned: success
  type: bool
  sample: false
reexec:
  description: Whether systemd has to be told of new default limits.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import TuningError
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_run import run

LIMIT = {
    "domain": {"type": "str", "default": "*"},
    "type": {"type": "str", "default": "-"},
    "item": {"type": "str", "required": True},
    "value": {"type": "str", "required": True},
}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "live": {"type": "bool", "default": True},
    "root": {"type": "path", "default": "/"},
    "profiles": {"type": "list", "elements": "dict", "default": []},
    "sysctl": {"type": "dict", "default": {}},
    "thp": {"type": "dict", "default": {}},
    "hugepages": {"type": "dict"},
    "numa_balancing": {"type": "raw"},
    "governor": {"type": "dict", "default": {}},
    "read_ahead": {"type": "dict", "default": {}},
    "irq_affinity": {"type": "list", "elements": "str"},
    "limits": {"type": "list", "elements": "dict", "default": [], "options": LIMIT},
    "systemd_limits": {"type": "dict", "default": {}},
    "swap": {"type": "str"},
    "modules": {"type": "list", "elements": "str", "default": []},
    "required": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module.params, check_mode=module.check_mode)
    except TuningError as exc:
        module.fail_json(msg=str(exc), problems=[str(problem) for problem in exc.problems])
    for key, winner in result["overridden"].items():
        module.warn("%s: %s sets it to %s after our file" % (key, winner["file"], winner["value"]))
    for path in result["drifted"]:
        module.warn("%s was changed by somebody else since the last run" % path)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
