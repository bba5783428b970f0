"""Who may import whom: arrows point one way, and only a provider knows its cloud.

cli → bake → {plan, layers, provision, providers} → {spec, journal, manifest} → errors
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[3]
WRAPPER = REPO / "wrapper" / "src"
PLUGINS = REPO / "plugins"
#: The floors of the house. A module that is named here imports from its own floor or a lower one; helpers that are not
#: named stand where their imports put them.
FLOORS = (
    {"gpuforge.errors"},
    {"gpuforge.spec", "gpuforge.journal", "gpuforge.manifest"},
    {"gpuforge.plan", "gpuforge.layers", "gpuforge.provision", "gpuforge.providers"},
    {"gpuforge.bake"},
    {"gpuforge.cli"},
)
CLOUD_SDKS = {"boto3": "aws", "botocore": "aws", "google": "gcp"}


@dataclass(frozen=True)
class Import:
    """One import: the module it stands in, what it names, and its line."""

    source: str
    target: str
    line: int


def module_name(path: Path, top: Path) -> str:
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which never run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from runtime_nodes(node)


def imports_of(text: str, name: str, *, package: bool) -> list[Import]:
    """All imports of a module's text, relative ones resolved; `from a import b` names a.b, which may be a module."""
    found = []
    for node in runtime_nodes(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [Import(name, alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = name.split(".")
                parents = parents[: len(parents) - node.level + (1 if package else 0)]
                base = ".".join([*parents, *([base] if base else [])])
            found += [Import(name, f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return found


def graph(top: Path) -> dict[str, list[Import]]:
    """Every module below a directory with its imports."""
    return {
        module_name(path, top): imports_of(
            path.read_text(encoding="utf-8"), module_name(path, top), package=path.name == "__init__.py"
        )
        for path in sorted(top.rglob("*.py"))
    }


def inner(modules: Mapping[str, Iterable[Import]]) -> dict[str, set[str]]:
    """The arrows between those modules themselves."""
    arrows: dict[str, set[str]] = {name: set() for name in modules}
    for name, imports in modules.items():
        for item in imports:
            target = item.target if item.target in modules else item.target.rpartition(".")[0]
            if target in modules and target != name:
                arrows[name].add(target)
    return arrows


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """A path that comes back to where it began, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for target in sorted(arrows[name]):
            found = walk(target, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    for start in sorted(arrows):
        found = walk(start, [])
        if found:
            return found
    return []


def floor_of(name: str) -> int | None:
    for number, floor in enumerate(FLOORS):
        if any(name == room or name.startswith(f"{room}.") for room in floor):
            return number
    return None


def upward(arrows: Mapping[str, set[str]]) -> list[str]:
    """Arrows from a named room to one on a higher floor, also by way of rooms that have no name."""
    found = []
    for start in arrows:
        floor = floor_of(start)
        if floor is None:
            continue
        seen, todo = {start}, [start]
        while todo:
            for target in arrows[todo.pop()] - seen:
                seen.add(target)
                other = floor_of(target)
                if other is None:
                    todo.append(target)
                elif other > floor:
                    found.append(f"{start} → {target}")
    return sorted(set(found))


def provider_of(name: str) -> str:
    """The provider that a module belongs to, "" for what they share and for all others."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["gpuforge", "providers"] and len(parts) > 2 and parts[2] != "base" else ""


def plain(name: str) -> str:
    """A distribution's name in the form in which two spellings of it are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def wrapper() -> dict[str, list[Import]]:
    modules = graph(WRAPPER)
    assert "gpuforge.errors" in modules, "the wrapper was not found: this file would pass on nothing"
    return modules


@pytest.fixture(scope="module")
def plugins() -> dict[str, list[Import]]:
    modules = graph(PLUGINS)
    assert any(name.startswith("module_utils.") for name in modules), "no plugin found"
    return modules


def test_no_circle_in_the_wrapper(wrapper: dict[str, list[Import]]) -> None:
    assert circle(inner(wrapper)) == []


def test_no_circle_in_the_plugins(plugins: dict[str, list[Import]]) -> None:
    assert circle(inner(plugins)) == []


def test_no_arrow_points_up(wrapper: dict[str, list[Import]]) -> None:
    assert upward(inner(wrapper)) == []


def test_no_provider_imports_another(wrapper: dict[str, list[Import]]) -> None:
    found = [
        f"{name} → {target}"
        for name, targets in inner(wrapper).items()
        for target in targets
        if provider_of(name) and provider_of(target) and provider_of(name) != provider_of(target)
    ]
    assert found == []


def test_a_cloud_is_known_only_to_its_provider(wrapper: dict[str, list[Import]]) -> None:
    found = [
        f"{item.source}:{item.line} imports {item.target}"
        for imports in wrapper.values()
        for item in imports
        if CLOUD_SDKS.get(item.target.partition(".")[0], provider_of(item.source)) != provider_of(item.source)
    ]
    assert found == []


def test_what_the_wrapper_imports_it_also_asks_for(wrapper: dict[str, list[Import]]) -> None:
    project = tomllib.loads((REPO / "wrapper" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {plain(re.split(r"[<>=~! ]", wish)[0]) for wish in project["dependencies"]}
    owners = packages_distributions()
    found = {
        f"{item.source}:{item.line} imports {name}"
        for imports in wrapper.values()
        for item in imports
        for name in [item.target.partition(".")[0]]
        if name != "gpuforge" and name not in sys.stdlib_module_names
        if not asked & {plain(owner) for owner in owners.get(name, [])}
    }
    assert sorted(found) == []


def test_the_wrapper_and_the_collection_do_not_import_each_other(
    wrapper: dict[str, list[Import]], plugins: dict[str, list[Import]]
) -> None:
    found = [item for imports in wrapper.values() for item in imports if item.target.startswith("ansible_collections")]
    found += [item for imports in plugins.values() for item in imports if item.target.split(".")[0] == "gpuforge"]
    assert found == []


def test_cores_need_nothing_but_python(plugins: dict[str, list[Import]]) -> None:
    cores = {name: imports for name, imports in plugins.items() if name.startswith("module_utils.")}
    found = [
        f"{item.source}:{item.line} imports {item.target}"
        for imports in cores.values()
        for item in imports
        if item.target.split(".")[0] not in sys.stdlib_module_names and not item.target.startswith("module_utils.")
    ]
    assert found == []


def test_cores_are_private(plugins: dict[str, list[Import]]) -> None:
    public = [name for name in plugins if name.startswith("module_utils.") and not name.split(".")[1].startswith("_")]
    assert public == []


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: path.relative_to(PLUGINS).as_posix())
def test_plugins_are_readable_by_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


class TestTheChecksThemselves:
    """Each rule finds what it forbids."""

    def test_relative_imports_are_resolved(self) -> None:
        found = imports_of("from ..errors import X\nfrom . import y\n", "gpuforge.providers.base", package=False)
        assert [item.target for item in found] == ["gpuforge.errors.X", "gpuforge.providers.y"]
        found = imports_of("from .base import X\n", "gpuforge.providers", package=True)
        assert [item.target for item in found] == ["gpuforge.providers.base.X"]

    def test_imports_in_functions_count_and_those_for_types_do_not(self) -> None:
        text = "def f():\n    import a\nif TYPE_CHECKING:\n    import b\n"
        assert [item.target for item in imports_of(text, "m", package=False)] == ["a"]

    def test_circle(self) -> None:
        assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
        assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []

    def test_upward_also_through_a_helper(self) -> None:
        arrows = {"gpuforge.spec": {"gpuforge.helper"}, "gpuforge.helper": {"gpuforge.plan"}, "gpuforge.plan": set()}
        assert upward(arrows) == ["gpuforge.spec → gpuforge.plan"]
        assert upward({"gpuforge.plan": {"gpuforge.spec"}, "gpuforge.spec": set()}) == []

    def test_provider_names(self) -> None:
        assert provider_of("gpuforge.providers.local.disk") == "local"
        assert provider_of("gpuforge.providers.base") == ""
        assert provider_of("gpuforge.plan") == ""
