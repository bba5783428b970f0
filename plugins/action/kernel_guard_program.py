# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Installs the kernel guard's program."""

from __future__ import annotations

from ansible_collections.gpuforge.node.plugins.module_utils import _kernel_guard_cli as entry
from ansible_collections.gpuforge.node.plugins.plugin_utils.program_action import ProgramAction


class ActionModule(ProgramAction):
    """Runs on the controller in place of the module of the same name."""

    # The entry is imported so that what is packed is what this file imports: an image's layer is made of that.
    ENTRY = entry.__name__.rpartition(".")[2]
    DEST = "/usr/local/sbin/gpuforge-kernel-guard"
