# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Asks apt's own reader first, and leaves all work to apt_set, which remembers what it brought."""

from __future__ import annotations

import shlex
from typing import Any, Dict, List, Sequence

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.plugin_utils import _apt_policy


class ActionModule(ActionBase):
    """Runs on the controller in place of the module of the same name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Nothing more than one question where all is there; else the result of apt_set."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "set": {"type": "str", "required": True},
                "name": {"type": "list", "elements": "str", "default": []},
                "optional": {"type": "list", "elements": "str", "default": []},
                "require_optional": {"type": "bool", "default": False},
                "update_cache": {"type": "bool", "default": True},
                "lock_timeout": {"type": "int", "default": 300},
            }
        )
        required, optional = options["name"], options["optional"]
        if odd := [name for name in [*required, *optional] if not _apt_policy.PLAIN_NAME.fullmatch(name)]:
            raise AnsibleActionFail(f"Names of packages are wanted, without version, pattern or path: {', '.join(odd)}")
        result.update(changed=False, installed=[], unknown=[])
        if not required and not optional:
            return result
        known = self._known([*required, *optional])
        for _attempt in (1, 2):
            missing = _apt_policy.to_install(known, required, optional)
            if not missing:
                break
            unknown = _apt_policy.unknown(known, optional)
            wanted = [*required, *(name for name in optional if name not in unknown)]
            result.update(self._install(wanted, options, task_vars or {}))
            result["installed"] += missing
            if result.get("failed"):
                return result
            if self._task.check_mode:
                break
            # apt may have read its sources anew: what it did not know before, it may know now.
            known = self._known([*required, *optional])
        result["unknown"] = _apt_policy.unknown(known, optional)
        if options["require_optional"] and len(result["unknown"]) == len(optional):
            raise AnsibleActionFail(
                f"apt knows none of {', '.join(optional) or 'no packages'}, of which one is required. "
                "Add the repository of their vendor to the machine, or name other packages."
            )
        return result

    def _known(self, names: Sequence[str]) -> Dict[str, _apt_policy.Known]:
        answer = self._low_level_execute_command(shlex.join(_apt_policy.command(names)))
        if answer["rc"] != 0:
            raise AnsibleActionFail(f"apt-cache failed on the node: {answer['stderr'] or answer['stdout']}")
        return _apt_policy.parse(answer["stdout"].replace("\r\n", "\n"))

    def _install(self, names: List[str], options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "name": options["set"],
            "packages": [{"name": name} for name in dict.fromkeys(names)],
            "hold": False,  # the distribution's updates are welcome
            "update": options["update_cache"],
            "lock_timeout": options["lock_timeout"],
        }
        found: dict[str, Any] = self._execute_module(
            module_name="gpuforge.node.apt_set", module_args=arguments, task_vars=task_vars
        )
        return found
