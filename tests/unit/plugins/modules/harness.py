"""Run a module's main() as Ansible does: arguments in, what it says out."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common.text.converters import to_bytes


class Ended(Exception):
    """A module called exit_json or fail_json; carries what it said."""


def run(monkeypatch: pytest.MonkeyPatch, name: str, /, **arguments: Any) -> dict[str, Any]:
    """What the module of that name says; ``failed`` is in it when it refused."""
    module = importlib.import_module(f"ansible_collections.gpuforge.node.plugins.modules.{name}")

    def end(_self: object, **result: Any) -> None:
        raise Ended(result)

    monkeypatch.setattr(basic.AnsibleModule, "exit_json", end)
    monkeypatch.setattr(
        basic.AnsibleModule, "fail_json", lambda self, msg, **more: end(self, failed=True, msg=msg, **more)
    )
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", to_bytes(json.dumps({"ANSIBLE_MODULE_ARGS": arguments})))
    if hasattr(basic, "_ANSIBLE_PROFILE"):
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy")
    with pytest.raises(Ended) as ended:
        module.main()
    result = ended.value.args[0]
    assert isinstance(result, dict)
    return result
