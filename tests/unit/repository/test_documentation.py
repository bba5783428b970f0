"""What a module's documentation says is what the module takes."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.action import ActionBase

REPO = Path(__file__).resolve().parents[3]
PLUGINS = "ansible_collections.gpuforge.node.plugins"
MODULES = sorted(path for path in (REPO / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
#: What ansible fills in for an option that says nothing.
PLAIN = {"required": False, "type": "str", "elements": None, "choices": None, "aliases": [], "default": None}


class Captured(Exception):
    """Carries what a module handed to AnsibleModule."""


def documents(path: Path) -> dict[str, Any]:
    """The parsed DOCUMENTATION, EXAMPLES and RETURN of a module file."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
                found[name] = yaml.safe_load(ast.literal_eval(node.value))
    return found


def spec_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the module hands to AnsibleModule, or, for one that runs on the controller, what its action checks with."""
    module = importlib.import_module(f"{PLUGINS}.modules.{path.stem}")

    def capture(*args: object, **kwargs: Any) -> None:
        raise Captured({"argument_spec": args[0]} | kwargs if args else kwargs)

    with pytest.raises(Captured) as caught:
        if hasattr(module, "main"):
            monkeypatch.setattr(module, "AnsibleModule", capture)
            module.main()
        else:
            action = importlib.import_module(f"{PLUGINS}.action.{path.stem}").ActionModule
            monkeypatch.setattr(ActionBase, "run", lambda *_args, **_kwargs: {})
            monkeypatch.setattr(action, "validate_argument_spec", staticmethod(capture))
            action.__new__(action).run(task_vars={})
    captured = caught.value.args[0]
    assert isinstance(captured, dict)
    return captured


def differences(where: str, documented: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    """Compare documented options with an argument spec, sub-options included."""
    found = [f"{where}{name}: documented, not taken" for name in sorted(set(documented) - set(spec))]
    found += [f"{where}{name}: taken, not documented" for name in sorted(set(spec) - set(documented))]
    for name in sorted(set(spec) & set(documented)):
        told, taken = documented[name], spec[name]
        for key, plain in PLAIN.items():
            said, real = told.get(key, plain), taken.get(key, plain)
            if key in ("choices", "aliases") and said is not None and real is not None:
                said, real = list(said), list(real)
            if said != real or (key == "default" and type(said) is not type(real)):
                found.append(f"{where}{name}.{key}: documented {said!r}, taken {real!r}")
        if not told.get("description"):
            found.append(f"{where}{name}: no description")
        found += differences(f"{where}{name}.", told.get("suboptions") or {}, taken.get("options") or {})
    return found


def test_there_are_modules() -> None:
    assert MODULES, "no module found: this file would pass on nothing"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
class TestModule:
    def test_options_are_those_of_the_argument_spec(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        documented = documents(path)["DOCUMENTATION"].get("options") or {}
        assert differences("", documented, spec_of(path, monkeypatch)["argument_spec"]) == []

    def test_check_mode_is_told_truly(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        taken = spec_of(path, monkeypatch)
        told = documents(path)["DOCUMENTATION"].get("attributes", {}).get("check_mode", {}).get("support")
        assert told in ("full", "partial", "none"), "attributes.check_mode.support is not documented"
        if "supports_check_mode" in taken:
            assert taken["supports_check_mode"] == (told != "none")

    def test_it_is_described(self, path: Path) -> None:
        documentation = documents(path)["DOCUMENTATION"]
        assert documentation["module"] == path.stem
        assert documentation.get("short_description")
        assert documentation.get("description")
        assert documentation.get("author")

    def test_examples_are_tasks_with_full_names(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        examples = documents(path)["EXAMPLES"]
        name = f"gpuforge.node.{path.stem}"
        own = [task for task in examples if name in task]
        assert own, f"no example uses {name}"
        known = set(spec_of(path, monkeypatch)["argument_spec"])
        for task in examples:
            assert task.get("name"), "an example without a name"
        for task in own:
            options = task[name] or {}
            if isinstance(options, dict):
                assert set(options) <= known, f"unknown options in an example: {sorted(set(options) - known)}"

    def test_every_result_is_described(self, path: Path) -> None:
        results = documents(path)["RETURN"]
        assert results, "RETURN is empty"
        incomplete = [
            name for name, value in results.items() if not {"description", "type", "returned"} <= set(value or {})
        ]
        assert incomplete == []


def test_an_action_has_a_documented_module() -> None:
    actions = {path.stem for path in (REPO / "plugins" / "action").glob("*.py")} - {"__init__"}
    assert sorted(actions - {path.stem for path in MODULES}) == []


class TestTheCheckItself:
    """The comparison finds what it is there for."""

    def test_missing_and_extra(self) -> None:
        found = differences("", {"a": {"description": "x"}}, {"b": {}})
        assert found == ["a: documented, not taken", "b: taken, not documented"]

    @pytest.mark.parametrize(
        ("told", "taken", "key"),
        [
            ({"type": "int"}, {"type": "str"}, "type"),
            ({"default": 1}, {"default": "1"}, "default"),
            ({"default": True}, {"default": 1}, "default"),
            ({"required": True}, {}, "required"),
            ({"type": "list", "elements": "str"}, {"type": "list"}, "elements"),
            ({"choices": ["a"]}, {"choices": ["a", "b"]}, "choices"),
        ],
    )
    def test_each_property(self, told: dict[str, Any], taken: dict[str, Any], key: str) -> None:
        found = differences("", {"a": {"description": "x", **told}}, {"a": taken})
        assert len(found) == 1
        assert found[0].startswith(f"a.{key}: ")

    def test_sub_options(self) -> None:
        told = {"a": {"description": "x", "type": "dict", "suboptions": {}}}
        assert differences("", told, {"a": {"type": "dict", "options": {"b": {}}}}) == ["a.b: taken, not documented"]
