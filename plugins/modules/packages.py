# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/packages.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Ensure packages of the distribution are installed, and ask cheaply whether they are
version_added: "0.1.0"
description:
  - Asks C(apt-cache policy) for all packages in one round trip. Where all are there, that was all.
    Where one is missing, M(gpuforge.node.apt_set) installs what is missing, without what is only recommended.
  - What it brought is remembered under the name of the set. M(gpuforge.node.apt_set) takes away the set of that name,
    but for what something else needs by then.
  - Opening apt's whole cache with M(ansible.builtin.apt) to find that nothing is to do takes about ten times as long.
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
  platform:
    description: Operating systems that the action works on.
    support: full
    platforms: debian
options:
  set:
    description: Under which name it is remembered what was brought. Lower-case letters, digits and C(-).
    type: str
    required: true
  name:
    description: Packages that must be installed. Names alone, without version, pattern or path.
    type: list
    elements: str
    default: []
  optional:
    description: Packages that are installed where apt knows them, such as those of a vendor's repository.
    type: list
    elements: str
    default: []
  require_optional:
    description: Whether to fail when apt knows none of O(optional).
    type: bool
    default: false
  update_cache:
    description: Whether apt reads its sources anew before it installs something, when its index is older than a day.
    type: bool
    default: true
  lock_timeout:
    description: How many seconds to wait for another program that holds dpkg's lock.
    type: int
    default: 300
seealso:
  - module: gpuforge.node.apt_set
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: RDMA and, where the vendor's repository has it, SHARP are installed
  gpuforge.node.packages:
    set: rdma
    name: [rdma-core, ibverbs-utils]
    optional: [sharp]

- name: What came with them is gone
  gpuforge.node.apt_set:
    name: rdma
    state: absent
"""

RETURN = r"""
installed:
  description: The packages that were missing and were installed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [rdma-core]
packages:
  description: What apt did or would do, dependencies and versions included, as M(gpuforge.node.apt_set) returns it.
  returned: when something was missing
  type: list
  elements: dict
  sample: [{name: rdma-core, before: "", after: "44.0-2"}]
unknown:
  description: The optional packages that apt does not know.
  returned: when it succeeds
  type: list
  elements: str
  sample: [sharp]
"""
