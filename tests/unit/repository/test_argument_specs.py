"""Every role says what it takes: its argument spec and its defaults agree in names, values and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

REPO = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (REPO / "roles").iterdir() if path.is_dir()) if (REPO / "roles").is_dir() else []
#: `common` is no layer: other roles depend on it, and it only looks.
LAYERS = [role for role in ROLES if role.name != "common"]
PHASES = ("install", "configure", "runtime", "verify")
TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
    "raw": object,
}


def load(path: Path) -> Any:
    """Read a YAML file; an empty or missing one is an empty mapping."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def entry_points(role: Path) -> dict[str, Any]:
    specs = load(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    assert isinstance(specs, dict)
    return specs


def is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def typed_problems(where: str, option: dict[str, Any], value: Any) -> list[str]:
    """Say what is wrong with a default of an option, sub-options included."""
    kind = option.get("type", "str")
    if value is None or is_template(value):
        return []
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind in ("int", "float")):
        return [f"{where}: default {value!r} is not of type {kind}"]
    found = []
    choices = option.get("choices")
    for item in value if kind == "list" else [value]:
        if choices and item not in choices:
            found.append(f"{where}: default {item!r} is none of its choices")
    if kind == "list":
        inner = {key: option[key] for key in ("options",) if key in option} | {"type": option.get("elements", "str")}
        for number, item in enumerate(value):
            found += typed_problems(f"{where}[{number}]", inner, item)
    if kind == "dict" and "options" in option:
        found += [f"{where}.{key}: unknown" for key in value if key not in option["options"]]
        for key, item in value.items():
            found += typed_problems(f"{where}.{key}", option["options"].get(key, {"type": "raw"}), item)
    return found


def described_problems(where: str, options: dict[str, Any]) -> list[str]:
    """Say which options lack a description, a known type, or the elements of a list."""
    found = []
    for name, option in options.items():
        here = f"{where}{name}"
        if not option.get("description"):
            found.append(f"{here}: no description")
        if option.get("type") not in TYPES:
            found.append(f"{here}: type {option.get('type')!r} is not named or not known")
        if option.get("type") == "list" and "elements" not in option:
            found.append(f"{here}: a list without elements")
        found += described_problems(f"{here}.", option.get("options", {}))
    return found


def test_there_are_roles() -> None:
    assert ROLES, "no role found: this file would pass on nothing"


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_spec_names_every_default_and_no_other(self, role: Path) -> None:
        options = entry_points(role).get("main", {}).get("options", {})
        defaults = load(role / "defaults" / "main.yml")
        optional = {name for name, option in options.items() if not option.get("required")}
        undefaulted = sorted(name for name in optional if "default" in options[name] and name not in defaults)
        assert sorted(set(defaults) - set(options)) == [], "in defaults/main.yml, not in the spec"
        assert undefaulted == [], "with a default in the spec, not in defaults/main.yml"

    def test_values_are_equal(self, role: Path) -> None:
        options = entry_points(role).get("main", {}).get("options", {})
        defaults = load(role / "defaults" / "main.yml")
        different = {
            name: (value, options[name].get("default"))
            for name, value in defaults.items()
            if name in options
            and (value != options[name].get("default") or type(value) is not type(options[name].get("default")))
        }
        assert different == {}, "name: (defaults/main.yml, spec)"

    def test_defaults_have_their_types(self, role: Path) -> None:
        problems = [
            problem
            for entry in entry_points(role).values()
            for name, option in entry.get("options", {}).items()
            if "default" in option
            for problem in typed_problems(name, option, option["default"])
        ]
        assert problems == []

    def test_everything_is_described(self, role: Path) -> None:
        problems = []
        for name, entry in entry_points(role).items():
            if not entry.get("short_description"):
                problems.append(f"{name}: no short_description")
            problems += described_problems(f"{name}: ", entry.get("options", {}))
            if not (role / "tasks" / f"{name}.yml").is_file():
                problems.append(f"{name}: there is no tasks/{name}.yml")
        assert problems == []

    def test_variables_bear_the_roles_name(self, role: Path) -> None:
        public = {name for entry in entry_points(role).values() for name in entry.get("options", {})}
        # gpuforge_live belongs to all roles: it tells a bake from a booted machine.
        strangers = sorted(name for name in public if not name.startswith(f"{role.name}_") and name != "gpuforge_live")
        assert strangers == []

    def test_it_has_a_main_entry_point_and_metadata(self, role: Path) -> None:
        assert "main" in entry_points(role)
        assert load(role / "meta" / "main.yml").get("galaxy_info"), "meta/main.yml lacks galaxy_info"

    def test_it_has_a_readme(self, role: Path) -> None:
        assert (role / "README.md").is_file(), "run `make docs`"


@pytest.mark.parametrize("role", LAYERS, ids=lambda role: role.name)
class TestLayer:
    def test_it_has_its_phases_in_order(self, role: Path) -> None:
        missing = [name for name in (*PHASES, "main") if not (role / "tasks" / f"{name}.yml").is_file()]
        assert missing == []
        imported = [task["ansible.builtin.import_tasks"] for task in flat(load(role / "tasks" / "main.yml"))]
        assert [name.removesuffix(".yml") for name in imported if name.removesuffix(".yml") in PHASES] == list(PHASES)

    def test_each_phase_has_its_tags(self, role: Path) -> None:
        wrong = {}
        for task in flat(load(role / "tasks" / "main.yml")):
            phase = task["ansible.builtin.import_tasks"].removesuffix(".yml")
            tags = task.get("tags", [])
            if phase in PHASES and f"{role.name}_{phase}" not in ([tags] if isinstance(tags, str) else tags):
                wrong[phase] = tags
        assert wrong == {}

    def test_it_depends_on_the_common_checks(self, role: Path) -> None:
        names = [
            item if isinstance(item, str) else item.get("role")
            for item in load(role / "meta" / "main.yml").get("dependencies", [])
        ]
        assert "gpuforge.node.common" in names

    def test_it_knows_its_systems(self, role: Path) -> None:
        named = {path.stem for path in (role / "vars").glob("*_*.yml")}
        assert not named or {"Debian_12", "Debian_13"} <= named

    def test_it_can_be_undone(self, role: Path) -> None:
        if role.name == "image_seal":
            return  # sealing forgets: there is nothing to put back
        state = entry_points(role)["main"]["options"].get(f"{role.name}_state", {})
        assert sorted(state.get("choices", [])) == ["absent", "present"]
        assert state.get("default") == "present"


def flat(tasks: Any) -> list[dict[str, Any]]:
    """The tasks that import other files, those in blocks too, in order."""
    found = []
    for task in tasks:
        found += flat(task.get("block", []))
        if "ansible.builtin.import_tasks" in task:
            found.append(task)
    return found


class TestTheCheckItself:
    """The comparison finds what it is there for."""

    def test_wrong_type(self) -> None:
        assert typed_problems("x", {"type": "int"}, "1") == ["x: default '1' is not of type int"]
        assert typed_problems("x", {"type": "int"}, True) == ["x: default True is not of type int"]

    def test_list_written_as_text(self) -> None:
        assert typed_problems("x", {"type": "list", "elements": "str"}, "[]")

    def test_items_and_sub_options(self) -> None:
        option = {"type": "list", "elements": "dict", "options": {"name": {"type": "str"}}}
        assert typed_problems("x", option, [{"name": "a"}]) == []
        assert typed_problems("x", option, [{"nam": "a"}]) == ["x[0].nam: unknown"]

    def test_choices(self) -> None:
        assert typed_problems("x", {"type": "str", "choices": ["a"]}, "b") == ["x: default 'b' is none of its choices"]

    def test_missing_description_of_a_sub_option(self) -> None:
        options = {"a": {"type": "dict", "description": "d", "options": {"b": {"type": "str"}}}}
        assert described_problems("", options) == ["a.b: no description"]
