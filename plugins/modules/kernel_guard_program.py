# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/kernel_guard_program.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_guard_program
short_description: Install the kernel guard's program
version_added: "0.1.0"
description:
  - Packs the kernel guard into one executable file and installs it. The hooks of the package manager run it; a person
    runs C(gpuforge-node kernel-guard), which is the same code.
  - The program needs nothing but Python 3.9 or newer on the node.
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
    platforms: posix
options:
  dest:
    description: Where the program goes.
    type: path
    default: /usr/local/sbin/gpuforge-kernel-guard
  owner:
    description: User that owns the program.
    type: str
    default: root
  group:
    description: Group that owns the program.
    type: str
    default: root
  mode:
    description: Permissions of the program, octal or symbolic, in quotes.
    type: str
    default: "0755"
seealso:
  - module: gpuforge.node.node_program
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: The kernel guard is installed
  gpuforge.node.kernel_guard_program:
"""

RETURN = r"""
dest:
  description: Where the program is.
  returned: always
  type: str
  sample: /usr/local/sbin/gpuforge-kernel-guard
checksum:
  description: SHA-1 of the program, as M(ansible.builtin.copy) gives it.
  returned: always
  type: str
  sample: 6e642bb8dd5c2e027bf21dd923337cbb4214f827
"""
