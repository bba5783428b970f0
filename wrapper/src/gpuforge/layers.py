"""Which layers there are, in which order, and what each one depends on.

``playbooks/site.yml`` owns the order. A layer's digest covers everything that can change its result: the digest below
it, the files of its role, of the roles that one depends on and of every plugin they use, the values of the variables
that it reads, and the version of ansible-core that applies it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import yaml

from gpuforge.collection import Collection
from gpuforge.errors import Refused
from gpuforge.files import canonical, sha256

_PREFIX: Final = "gpuforge.node."
_CONDITION: Final = re.compile(r"\benable_[a-z_]+\b")
_PLUGIN: Final = re.compile(r"\bgpuforge\.node\.([a-z_]+)\b")
_PACKAGE: Final = "ansible_collections.gpuforge.node.plugins."
SEAL: Final = "image_seal"


@dataclass(frozen=True, slots=True)
class Layer:
    """A role as a layer. ``condition`` is the variable that switches it on (empty: always on)."""

    name: str
    condition: str


def site_layers(collection: Collection) -> tuple[Layer, ...]:
    """The layers of site.yml, in its order. Raises Refused where the file is not what the wrapper can read."""
    plays = yaml.safe_load(collection.site.read_text(encoding="utf-8"))
    layers = []
    for entry in (entry for play in plays for entry in play.get("roles", ())):
        name = str(entry["role"]).removeprefix(_PREFIX)
        switches = sorted(set(_CONDITION.findall(str(entry.get("when", "")))))
        if len(switches) > 1 or name not in (entry.get("tags") or ()):
            raise Refused(f"{collection.site}: the role {name} has no tag of its name or more than one switch")
        layers.append(Layer(name, switches[0] if switches else ""))
    return tuple(layers)


def switch(collection: Collection, name: str) -> dict[str, bool]:
    """The variable that turns the layer *name* on in site.yml; nothing for a layer that is always on."""
    return {layer.condition: True for layer in site_layers(collection) if layer.name == name and layer.condition}


@cache
def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def role_options(collection: Collection, role: str) -> Mapping[str, Mapping[str, Any]]:
    """The variables that *role* documents (every entry point), by name."""
    specs = (_yaml(collection.role(role) / "meta/argument_specs.yml") or {}).get("argument_specs", {})
    return {name: option for entry in specs.values() for name, option in (entry.get("options") or {}).items()}


def role_closure(collection: Collection, role: str) -> list[str]:
    """*role* and the roles it depends on, by short name."""
    found = [role]
    for name in found:
        meta = _yaml(collection.role(name) / "meta/main.yml") or {}
        for item in meta.get("dependencies") or ():
            short = str(item["role"] if isinstance(item, Mapping) else item).removeprefix(_PREFIX)
            if short not in found:
                found.append(short)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.name != "README.md":
            yield path


def _imports(path: Path, plugins: Path) -> Iterator[Path]:
    """The plugin files that the Python file *path* imports."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                folder = path.parents[node.level - 1].relative_to(plugins).as_posix()
                parts = [] if folder == "." else folder.split("/")
                base = ".".join([*parts, *filter(None, [node.module])])
            elif (node.module or "").startswith(_PACKAGE):
                base = (node.module or "").removeprefix(_PACKAGE)
            else:
                continue
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            target = plugins / name.removeprefix(_PACKAGE).replace(".", "/")
            packages = [folder / "__init__.py" for folder in (target, *target.parents) if plugins in folder.parents]
            yield from filter(Path.is_file, [target.with_suffix(".py"), *packages])


def plugin_closure(collection: Collection, texts: Iterable[str]) -> list[Path]:
    """Every plugin file that tasks in *texts* use, with all that those import."""
    plugins = collection.root / "plugins"
    names = {name for text in texts for name in _PLUGIN.findall(text)}
    found = [
        path
        for folder in ("modules", "action", "filter", "lookup", "test")
        for name in sorted(names)
        if (path := plugins / folder / f"{name}.py").is_file()
    ]
    for path in found:
        found.extend(sorted(set(_imports(path, plugins)) - set(found)))
    return sorted(found)


def role_digest(collection: Collection, role: str) -> str:
    """Digest over the files of *role*, of its dependencies and of the plugins that they use."""
    files = [path for name in role_closure(collection, role) for path in _files(collection.role(name))]
    texts = [
        path.read_text(encoding="utf-8", errors="replace") for path in files if path.suffix in {".yml", ".yaml", ".j2"}
    ]
    files += plugin_closure(collection, texts)
    return sha256(
        canonical(
            [(path.relative_to(collection.root).as_posix(), sha256(path.read_bytes())) for path in sorted(set(files))]
        )
    )


def role_variables(collection: Collection, role: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Those of *variables* that *role* or a role it depends on reads."""
    known = {name for item in role_closure(collection, role) for name in role_options(collection, item)}
    known.add("stack_gpus")  # decides on packages; what else the check is asked with only says whether it passes
    return {name: value for name, value in variables.items() if name in known}


def layer_digest(collection: Collection, role: str, parent: str, variables: Mapping[str, Any]) -> str:
    """The digest of the layer that *role* makes on *parent* with *variables*."""
    return sha256(
        canonical(
            {
                "parent": parent,
                "role": role,
                "files": role_digest(collection, role),
                "variables": role_variables(collection, role, variables),
                "ansible_core": version("ansible-core"),
            }
        )
    )
