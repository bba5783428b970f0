# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Documentation of an action; what runs is plugins/action/node_program.py on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_program
short_description: Install the program gpuforge-node
version_added: "0.1.0"
description:
  - Packs the collection's own cores into one executable Python file and installs it.
    On the node it answers the same questions as the modules of this collection, with the same code,
    for a timer, for a scheduler's prolog or for a person.
  - The program needs nothing but Python 3.9 or newer on the node.
  - Packing is reproducible, so that a second run changes nothing unless the collection did.
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
    default: /usr/local/bin/gpuforge-node
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
  - module: gpuforge.node.gpu_health
author:
  - the gpuforge authors (@gpuforge)
"""

EXAMPLES = r"""
- name: The on-node checker is installed
  gpuforge.node.node_program:

- name: The on-node checker is installed in another place
  gpuforge.node.node_program:
    dest: /opt/site/bin/gpuforge-node
"""

RETURN = r"""
dest:
  description: Where the program is.
  returned: always
  type: str
  sample: /usr/local/bin/gpuforge-node
checksum:
  description: SHA-1 of the program, as M(ansible.builtin.copy) gives it.
  returned: always
  type: str
  sample: 6e642bb8dd5c2e027bf21dd923337cbb4214f827
"""
