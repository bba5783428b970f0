# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks on the controller whether a node's NVIDIA stack can work, and says in which exact versions."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import (
    StackError,
    load_facts,
    render,
    stack_check,
)

_TEXT = {"type": "str", "default": ""}
_TEXTS = {"type": "list", "elements": "str", "default": []}
SPEC = {
    "driver": _TEXT,
    "branch": _TEXT,
    "flavour": {"type": "str", "choices": ["auto", "open", "proprietary"], "default": "auto"},
    "source": {"type": "str", "choices": ["nvidia", "distribution"], "default": "nvidia"},
    "cuda": _TEXTS,
    "cuda_compat": {"type": "bool", "default": False},
    "distribution": {"type": "str"},
    "repository": _TEXT,
    "kernel": _TEXT,
    "gpus": _TEXTS,
    "switches": {"type": "bool"},
    "parts": {"type": "dict", "default": {}},
    "dcgm": _TEXT,
    "container_toolkit": _TEXT,
    "engines": {"type": "dict", "default": {}},
    "module_options": _TEXTS,
    "packages": _TEXTS,
    "locks": _TEXTS,
    "precompiled": {"type": "bool", "default": False},
    "allow_unknown": {"type": "bool", "default": False},
    "compat_file": {"type": "path"},
    "releases_file": {"type": "path"},
    "today": {"type": "str"},
}
_OURS = ("compat_file", "releases_file", "today", "source")


class ActionModule(ActionBase):
    """Runs on the controller; nothing goes to the host, and no connection is opened."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The resolved stack, or a failure with every reason."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=SPEC)
        request = {key: value for key, value in options.items() if key not in _OURS}
        request["origin"] = options["source"]
        if request["distribution"] is None:
            request["distribution"] = _distribution((task_vars or {}).get("ansible_facts") or {})
        try:
            facts = load_facts(self._file(options["compat_file"]), self._file(options["releases_file"]))
            verdict = stack_check(request, facts, _day(options["today"]))
        except StackError as exc:
            raise AnsibleActionFail("\n".join([f"{exc}:", *(f"- {item}" for item in exc.problems)])) from exc
        near = verdict["nearest"]
        result.update(
            changed=False,
            stack=verdict["resolved"],
            refusals=verdict["refusals"],
            cautions=verdict["warnings"],
            nearest=near and {"changes": near["changes"], "text": near["text"]},
            facts_date=verdict["date"],
        )
        if verdict["passes"]:
            warnings = [f"{item['what']}: {item['hint']}" for item in verdict["warnings"]]
            result["warnings"] = [*result.get("warnings", []), *warnings]
        else:
            result.update(failed=True, msg=_refusal((task_vars or {}).get("inventory_hostname", ""), verdict))
        return result

    def _file(self, path: str | None) -> str | None:
        """A file of the operator's, relative to the playbook."""
        return str(self._loader.path_dwim(path)) if path else None


def _distribution(facts: dict[str, Any]) -> str:
    """The host's distribution out of the facts that were gathered, empty if they were not."""
    name = str(facts.get("distribution", ""))
    release = facts.get("distribution_version") if name == "Ubuntu" else facts.get("distribution_major_version")
    return f"{name} {release}" if name and release else ""


def _day(text: str | None) -> datetime.date | None:
    if not text:
        return None
    try:
        return datetime.date(*map(int, text.split("-")))
    except (TypeError, ValueError) as exc:
        raise AnsibleActionFail(f'today: is {text!r}; write a day such as "2026-11-22"') from exc


def _refusal(host: str, verdict: dict[str, Any]) -> str:
    """What went wrong, all of it, with what to do."""
    count = len(verdict["refusals"])
    head = f"The NVIDIA stack of {host or 'this node'} cannot work, so nothing was touched"
    return f"{head}: {'one reason' if count == 1 else f'{count} reasons'}.\n{render(verdict)}"
