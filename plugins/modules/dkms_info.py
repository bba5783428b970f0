#!/usr/bin/python
# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Read the installed kernels and what DKMS built for them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dkms_info
short_description: Read the installed kernels and what DKMS built for them
version_added: "0.1.0"
description:
  - Reads the kernels that are installed, whether modules can be compiled for them, and what DKMS built for each.
  - Reads files only, so it tells the truth about an image in a directory, whose kernel is not the running one.
  - For a build that failed it gives the compiler's own lines out of the log.
author:
  - the gpuforge authors
options:
  root:
    description: Directory below which everything is read.
    type: path
    default: /
  name:
    description: Report only this DKMS module; all of them if empty.
    type: str
    default: ""
  sources:
    description: Source packages, or patterns with C(*), whose installed packages are reported in RV(packages).
    type: list
    elements: str
    default: []
  module:
    description: Kernel module of which RV(module) tells what the newest kernel would load; none if empty.
    type: str
    default: ""
  settings:
    description: File of module settings that every initramfs has to have as it is, see RV(initramfs); none if empty.
    type: str
    default: ""
attributes:
  check_mode:
    description: Only reads.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Read what DKMS built
  gpuforge.node.dkms_info:
    name: nvidia-current
  register: dkms

- name: Stop if the newest kernel has no driver
  ansible.builtin.assert:
    that: dkms.pending | selectattr('kernel', '==', dkms.newest_kernel) | length == 0
"""

RETURN = r"""
kernels:
  description: The installed kernels, oldest first.
  returned: always
  type: list
  elements: dict
  sample: [{"release": "6.1.0-56-cloud-amd64", "headers": true}]
newest_kernel:
  description: The release of the newest installed kernel, or an empty text if there is none.
  returned: always
  type: str
  sample: 6.1.0-56-cloud-amd64
header_packages:
  description: The header packages that belong to the installed kernel packages, meta packages included.
  returned: always
  type: list
  elements: str
  sample: ["linux-headers-6.1.0-56-cloud-amd64", "linux-headers-cloud-amd64"]
builds:
  description: Each version of each DKMS module for each installed kernel.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: The module's name for DKMS., type: str, returned: always}
    version: {description: Its version., type: str, returned: always}
    kernel: {description: The kernel's release., type: str, returned: always}
    status: {description: "V(installed), V(built), V(added) or V(failed).", type: str, returned: always}
    log: {description: Path of the make log below O(root), type: str, returned: always}
    errors: {description: The compiler's own lines of a failed build., type: list, elements: str, returned: always}
pending:
  description: Those of RV(builds) that are not installed.
  returned: always
  type: list
  elements: dict
packages:
  description: The version of each installed package that was built from one of O(sources), by source and name.
  returned: always
  type: dict
  sample: {"nvidia-graphics-drivers": {"libcuda1": "535.309.01-0+deb12u1"}}
installed_packages:
  description: The names of all installed packages, to tell afterwards what a transaction brought.
  returned: always
  type: list
  elements: str
module:
  description: What O(module) of the newest kernel says about itself.
  returned: when O(module) is set
  type: dict
  contains:
    version: {description: Its version; empty where there is no such module., type: str, returned: always}
    parameters: {description: The names of its parameters., type: list, elements: str, returned: always}
    error: {description: What modinfo said where it failed., type: str, returned: always}
initramfs:
  description: The initramfs images, and what is odd about each.
  returned: when O(settings) is set
  type: list
  elements: dict
  contains:
    path: {description: The image., type: str, returned: always}
    odd: {description: Why it lacks O(settings) as the file is now; empty where it has it., type: str, returned: always}
foreign_driver:
  description:
    - An NVIDIA driver that no package brought (the C(.run) installer), with its C(version), C(files), and the command
      that removes it, C(remove). Empty for none.
  returned: always
  type: dict
  sample: {"version": "570.86.15", "files": ["/usr/bin/nvidia-uninstall"], "remove": "/usr/bin/nvidia-uninstall -s"}
boot_space:
  description: Bytes that are C(free) in /boot, and that an initramfs made anew needs beside the old one, C(needed).
  returned: always
  type: dict
  sample: {"free": 314572800, "needed": 41943040}
signing_key:
  description: Whether DKMS left its private signing key in /var/lib/dkms.
  returned: always
  type: bool
"""

import fnmatch
import os
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gpuforge.node.plugins.module_utils._dkms import TREE, builds, kernels, wanted_headers
from ansible_collections.gpuforge.node.plugins.module_utils._dpkg import read_packages
from ansible_collections.gpuforge.node.plugins.module_utils._driver_foreign import boot_space, foreign_driver
from ansible_collections.gpuforge.node.plugins.module_utils._module_state import initramfs_state, module_state
from ansible_collections.gpuforge.node.plugins.module_utils._rootfs import inside


def by_source(packages, sources):
    """Return the versions of the installed packages of each source package that has any and fits a name or pattern."""
    found = {}
    for package in packages.values():
        if package.installed and any(fnmatch.fnmatchcase(package.source, pattern) for pattern in sources):
            found.setdefault(package.source, {})[package.name] = package.version
    return found


def runner(module):
    """Return a function that runs a program and gives its exit status and all it said."""

    def run(argv):
        code, out, err = module.run_command(list(argv), environ_update={"LC_ALL": "C"})
        return code, out + (err if code else "")

    return run


def main():
    """Read and report."""
    module = AnsibleModule(
        argument_spec=dict(
            root=dict(type="path", default="/"),
            name=dict(type="str", default=""),
            sources=dict(type="list", elements="str", default=[]),
            module=dict(type="str", default=""),
            settings=dict(type="str", default=""),
        ),
        supports_check_mode=True,
    )
    root = module.params["root"]
    try:
        packages = read_packages(root)
        found_kernels = kernels(root)
        found_builds = builds(root, module.params["name"])
        key = os.path.exists(inside(root, TREE + "/mok.key"))
        foreign, space = foreign_driver(root), boot_space(root)
        newest = found_kernels[-1].release if found_kernels else ""
        more = {}
        if module.params["module"]:
            more["module"] = module_state(runner(module), root, newest, module.params["module"])
        if module.params["settings"]:
            more["initramfs"] = initramfs_state(runner(module), root, module.params["settings"])
    except OSError as exc:
        module.fail_json(msg="Reading what DKMS built below %s failed: %s" % (root, exc))
    module.exit_json(
        changed=False,
        kernels=[asdict(kernel) for kernel in found_kernels],
        newest_kernel=newest,
        header_packages=wanted_headers(packages),
        builds=[asdict(build) for build in found_builds],
        pending=[asdict(build) for build in found_builds if build.status != "installed"],
        packages=by_source(packages, module.params["sources"]),
        installed_packages=sorted(package.name for package in packages.values() if package.installed),
        foreign_driver=foreign,
        boot_space=space,
        signing_key=key,
        **more,
    )


if __name__ == "__main__":
    main()
