# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Whether a spec's NVIDIA stack can work, and in which exact versions.

The check is the collection's own, the one that ``gpuforge.node.stack_check`` runs: its package is loaded from where the
collection lies, and asked in JSON. Nothing here knows a version.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpuforge.collection import Collection
from gpuforge.errors import Problem, Refused
from gpuforge.spec import Spec

_PACKAGE: Final = "plugins/plugin_utils/_stack"
_DRIVER_LAYERS: Final = ("nvidia_driver", "cuda")
_OTHER_LAYERS: Final = ("dcgm", "container_toolkit")
# Which key of a spec a rule is about; rules that are not named here are about the driver.
_WHERE: Final[Mapping[str, str]] = {
    "module-not-packaged": "stack.flavour", "open-impossible": "stack.flavour", "open-required": "stack.flavour",
    "open-too-early": "stack.flavour", "gpus-apart": "stack.gpus", "gpu-unknown": "stack.gpus",
    "toolkit-unknown": "stack.cuda", "toolkit-without-driver": "stack.cuda", "toolkit-floor": "stack.cuda",
    "toolkit-gpu": "stack.cuda", "distribution-unknown": "base", "archive-branch": "stack.source",
    "package-trap": "vars.nvidia_driver_extra_packages", "part-branch": "vars.nvidia_driver_imex",
    "compat-broken": "vars.cuda_compat", "component-old": "vars", "component-unknown": "vars",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackAnswer:
    """What the check said: the resolved stack (None if refused or not asked for), refusals and warnings."""

    resolved: Mapping[str, Any] | None = None
    refusals: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def summary(self) -> str:
        """The versions in one line; empty where nothing was resolved."""
        if self.resolved is None:
            return ""
        driver, cuda = self.resolved["driver"], self.resolved["cuda"]
        parts = []
        if driver:
            release = driver["version"] or f"branch {driver['branch']}, the release that the archive has"
            parts.append(f"driver {release} ({driver['class']}, {driver['flavour']} module, from {driver['source']})")
        return ", ".join([*parts, *([f"CUDA {cuda['version']}"] if cuda else [])])


def core(collection: Collection) -> Any:
    """The module ``api`` of the collection's check. Raises Refused where this collection has none."""
    folder = (collection.root / _PACKAGE).resolve()
    name = f"gpuforge_stack_{abs(hash(str(folder)))}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None or not (folder / "api.py").is_file():
            raise Refused(
                f"{folder} is not there", doing="loading the stack check", hint="install the collection of this version"
            )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return importlib.import_module(f"{name}.api")


def load_facts(api: Any, compat: Path | None, releases: Path | None) -> Any:
    """The facts, with the operator's files over them. Raises Refused naming every fault."""
    try:
        return api.load_facts(str(compat) if compat else None, str(releases) if releases else None)
    except api.StackError as exc:
        problems = [Problem("", item) for item in exc.problems]
        raise Refused(str(exc), doing="reading the compatibility facts", problems=problems) from exc


def ask(
    api: Any, request: Mapping[str, Any], facts: Any, today: datetime.date | None = None
) -> tuple[Mapping[str, Any], tuple[Problem, ...]]:
    """The verdict on a request, and its refusals as problems, the nearest combination that works last."""
    try:
        verdict: Mapping[str, Any] = api.stack_check(request, facts, today)
    except api.StackError as exc:
        return {}, tuple(Problem("stack", item) for item in exc.problems)
    return verdict, tuple(_problems(verdict))


def _problems(verdict: Mapping[str, Any]) -> Iterable[Problem]:
    for item in verdict["refusals"]:
        yield Problem(_WHERE.get(item["rule"], "stack.driver"), item["what"], item["why"], item["hint"])
    if verdict["refusals"]:
        near = verdict["nearest"]
        yield Problem(
            "stack", f"the nearest that works: {near['text']}" if near else "nothing near it works on these GPUs"
        )


def warning_text(item: Mapping[str, Any]) -> str:
    """A warning in one line."""
    seen = "" if item["certainty"] == "certain" else " [inferred]"
    return f"{item['what']} ({item['why']}){seen}; {item['hint']}" if item["hint"] else f"{item['what']}{seen}"


def request_of(spec: Spec, layers: Iterable[str], variables: Mapping[str, Any], default_source: str) -> dict[str, Any]:
    """What a spec asks of the stack; *variables* are the role variables that its *layers* get."""
    driver = str(variables.get("nvidia_driver_version") or spec.stack.driver or "")
    if not driver and not set(layers) & set(_DRIVER_LAYERS):
        driver = "none"  # what the layers go with is on the base already, or comes to the node later
    toolkits = variables.get("cuda_toolkits") or []
    asked = {name: str(variables.get(f"{name}_version") or "") for name in _OTHER_LAYERS if name in layers}
    return {
        **asked,
        "parts": {"imex": "yes"} if variables.get("nvidia_driver_imex") else {},
        "cuda_compat": bool(variables.get("cuda_compat")),
        "driver": driver,
        "flavour": str(variables.get("nvidia_driver_flavour") or spec.stack.flavour),
        "origin": str(variables.get("nvidia_driver_source") or default_source),
        "cuda": [
            str(item)
            for item in (
                variables.get("cuda_version") or spec.stack.cuda,
                *(toolkits if isinstance(toolkits, list) else [toolkits]),
            )
            if item
        ],
        "distribution": "" if spec.base.image or not spec.base.release else spec.base.release,
        "gpus": list(spec.stack.gpus or ()),
        "packages": list(variables.get("nvidia_driver_extra_packages") or ()),
        "module_options": list(variables.get("nvidia_driver_module_options") or ()),
        "allow_unknown": bool(spec.stack.allow_unknown),
    }


def check_spec(
    spec: Spec, collection: Collection, layers: Iterable[str], variables: Mapping[str, Any], default_source: str,
    today: datetime.date | None = None,
) -> StackAnswer:  # fmt: skip
    """The check of a spec, if it has a layer of NVIDIA's. Raises Refused where the facts cannot be used."""
    named = set(layers)
    if not named & {*_DRIVER_LAYERS, *_OTHER_LAYERS} or variables.get("nvidia_driver_state") == "absent":
        return StackAnswer()
    api = core(collection)
    files = [spec.resolve(path) if path else None for path in (spec.stack.compat, spec.stack.releases)]
    facts = load_facts(api, *files)
    verdict, problems = ask(api, request_of(spec, named, variables, default_source), facts, today)
    warnings = tuple(warning_text(item) for item in verdict.get("warnings", ()))
    return StackAnswer(verdict.get("resolved"), problems, warnings)


def for_roles(spec: Spec) -> dict[str, Any]:
    """What the spec's roles ask the check with in their turn, as the variables that they know it by."""
    files = {"stack_compat_file": spec.stack.compat, "stack_releases_file": spec.stack.releases}
    return {
        **({"stack_gpus": list(spec.stack.gpus)} if spec.stack.gpus else {}),
        **({"stack_allow_unknown": True} if spec.stack.allow_unknown else {}),
        **{name: str(spec.resolve(path).absolute()) for name, path in files.items() if path},
    }


def exact(variables: Mapping[str, Any], answer: StackAnswer) -> dict[str, Any]:
    """*variables* with words and branches replaced by what they came to; what is exact already stays as it was."""
    if answer.resolved is None:
        return dict(variables)
    found = {"nvidia_driver_version": answer.resolved["driver"], "cuda_version": answer.resolved["cuda"]}
    result = dict(variables)
    for name, part in found.items():
        if result.get(name) and part and part["version"] and part["version"] not in str(result[name]):
            result[name] = part["version"]
    return result
