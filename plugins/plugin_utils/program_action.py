# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Packs a program on the controller and leaves check, diff and modes to ansible.builtin.copy."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.plugin_utils._zipapp import PackError, pack_once


class ProgramAction(ActionBase):
    """The action that installs one program; ``ENTRY`` is its file in module_utils, ``DEST`` where it goes."""

    ENTRY = ""
    DEST = ""
    #: Nothing is put on the host by this action itself: a temporary folder there would cost three round trips.
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Copy the program to the host; the result is that of ansible.builtin.copy."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "dest": {"type": "path", "default": self.DEST},
                "owner": {"type": "str", "default": "root"},
                "group": {"type": "str", "default": "root"},
                "mode": {"type": "str", "default": "0755"},
            }
        )
        try:
            program = pack_once(constants.DEFAULT_LOCAL_TMP, self.ENTRY)
        except PackError as exc:
            raise AnsibleActionFail(f"Failed to pack the program {self.ENTRY}: {exc}") from exc
        checksum = hashlib.sha1(program, usedforsecurity=False).hexdigest()  # as ansible.builtin.stat gives it
        if self._is_there(options, checksum, task_vars or {}):
            result.update(changed=False, dest=options["dest"], checksum=checksum)
            return result
        with tempfile.TemporaryDirectory(prefix="gpuforge-node-") as folder:
            source = os.path.join(folder, os.path.basename(options["dest"]))
            with open(source, "wb") as file:
                file.write(program)
            task = self._task.copy()
            task.args = {**options, "src": source}
            copy = self._shared_loader_obj.action_loader.get(
                "ansible.builtin.copy",
                task=task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            result.update(copy.run(task_vars=task_vars))
        return result

    def _is_there(self, options: dict[str, Any], checksum: str, task_vars: dict[str, Any]) -> bool:
        """Whether the host has exactly this already: one round trip, where copy makes two."""
        if not re.fullmatch(r"0[0-7]{3}", options["mode"]):
            return False
        found = self._execute_remote_stat(options["dest"], all_vars=task_vars, follow=False)
        wanted = {
            "checksum": checksum,
            "mode": options["mode"],
            "pw_name": options["owner"],
            "gr_name": options["group"],
        }
        return bool(found.get("isreg")) and {name: found.get(name) for name in wanted} == wanted
