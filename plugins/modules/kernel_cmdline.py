#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_cmdline
short_description: Own kernel parameters through a drop-in of grub
version_added: 0.1.0
description:
  - Writes C(/etc/default/grub.d/60-gpuforge-cmdline.cfg) and never edits C(/etc/default/grub). The two lists are the
    whole wanted set; empty lists remove the file.
  - Never reboots. What the running kernel doesn't have yet is told in RV(pending_reboot).
author:
  - the gpuforge authors (@gpuforge)
options:
  present:
    description:
      - Parameters to add to the normal boot entries, such as V(iommu=pt); recovery entries stay without them.
      - Parameters about IOMMU, ACS and processor sleep are left out on virtual machines, see RV(left).
    type: list
    elements: str
    default: []
  absent:
    description: Parameters to take out. A bare name takes it out with any value, V(name=value) only with that one.
    type: list
    elements: str
    default: []
  live:
    description:
      - Whether the machine is running. With V(false) nothing of C(/proc) is read and C(update-grub) isn't run, as is
        right in the chroot of an image.
    type: bool
    default: true
  root:
    description: Folder below which everything is read and written. C(update-grub) runs only for V(/).
    type: path
    default: /
attributes:
  check_mode:
    description: Says what would change.
    support: full
  diff_mode:
    description: Shows the drop-in before and after.
    support: full
  platform:
    description: Linux with grub as Debian and Ubuntu configure it.
    support: full
    platforms: debian
seealso:
  - module: gpuforge.node.kernel_tuning
"""

EXAMPLES = r"""
- name: Ensure DMA of GPUs isn't translated and new pages aren't cleared
  gpuforge.node.kernel_cmdline:
    present: [iommu=pt, init_on_alloc=0]
    absent: [quiet, splash]

- name: Ensure none of our parameters is left
  gpuforge.node.kernel_cmdline:
"""

RETURN = r"""
path:
  description: The drop-in.
  returned: success
  type: str
  sample: /etc/default/grub.d/60-gpuforge-cmdline.cfg
pending_reboot:
  description: Parameters the running kernel doesn't have, or still has, and why.
  returned: success
  type: dict
  sample: {iommu=pt: not on the running kernel's command line}
left:
  description: Parameters left out on this machine, and why.
  returned: success
  type: dict
  sample: {iommu=pt: 'a virtual machine (KVM): its host decides this'}
update_needed:
  description: Whether grub's configuration still has to be made from the drop-in (O(live=false)).
  returned: success
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._cmdline import CmdlineError
from ansible_collections.gpuforge.node.plugins.module_utils._cmdline_run import run

ARGUMENTS = {
    "present": {"type": "list", "elements": "str", "default": []},
    "absent": {"type": "list", "elements": "str", "default": []},
    "live": {"type": "bool", "default": True},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module.params, check_mode=module.check_mode)
    except CmdlineError as exc:
        module.fail_json(msg=str(exc), problems=list(exc.problems))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
