# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""From the variables of the original Packer builder to an image spec."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gpuforge.errors import Problem, SpecError
from gpuforge.pkrvars import Assignment, read_pkrvars
from gpuforge.spec import parse_spec

_DOING: Final = "importing Packer variables"
_NUMBER: Final = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Variable:
    """Where a variable of the original builder goes in a spec, and its type there."""

    target: tuple[str, ...]
    kind: Literal["text", "number", "bool"] = "text"


# All variables that the original builder declares. image_family and image_project_id name its *source* image.
VARIABLES: Final[Mapping[str, Variable]] = {
    "image_name": Variable(("name",)),
    "image_description": Variable(("description",)),
    "project_id": Variable(("gcp", "project")),
    "image_family": Variable(("base", "family")),
    "image_project_id": Variable(("base", "project")),
    "zone": Variable(("gcp", "zone")),
    "machine_type": Variable(("gcp", "machine_type")),
    "ssh_username": Variable(("gcp", "ssh_user")),
    "disk_size": Variable(("disk", "size_gib"), "number"),
    "driver_version": Variable(("stack", "driver")),
    "cuda_version": Variable(("stack", "cuda")),
    "pytorch_version": Variable(("vars", "training_pytorch_version")),
    "enable_training": Variable(("layers", "training"), "bool"),
    "enable_inference": Variable(("layers", "inference"), "bool"),
    "enable_multinode": Variable(("layers", "multinode"), "bool"),
}

# What the original builder takes where the file says nothing.
DEFAULTS: Final[Mapping[str, str]] = {"driver_version": "590.48.01", "cuda_version": "13.1"}

_ORDER: Final = ("name", "description", "provider", "base", "stack", "layers", "vars", "disk", "gcp")


@dataclass(frozen=True, slots=True)
class Imported:
    """A spec as YAML text, and what the user should know about it."""

    text: str
    notes: tuple[str, ...]


def import_pkrvars(path: Path) -> Imported:
    """The spec for a Packer variables file.

    Raises:
        SpecError: the file cannot be read or has something wrong in it; ``problems`` names every variable.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        what = exc.strerror if isinstance(exc, OSError) else "not UTF-8 text"
        raise SpecError(
            f"{path}: {what}", doing=_DOING, hint="give the path of a file such as my.pkrvars.hcl"
        ) from None
    return convert(text, str(path))


def convert(text: str, file: str) -> Imported:
    """As ``import_pkrvars``, from the text of *file*."""
    given, problems = read_pkrvars(text, file)
    notes: list[str] = []
    spec: dict[str, Any] = {"provider": "gcp"}
    for name, assignment in given.items():
        if name in VARIABLES:
            value, problem = _typed(assignment, VARIABLES[name].kind)
            problems += [problem] if problem is not None else []
            _put(spec, VARIABLES[name].target, value)
        elif near := difflib.get_close_matches(name, VARIABLES, n=1):
            hint = f'did you mean "{near[0]}"?'
            problems.append(Problem(name, "is not a variable of the original builder", hint=hint, at=assignment.at))
        else:
            notes.append(f"{name} is not a variable of the original builder and was left out")
    for name, default in DEFAULTS.items():
        if name not in given:
            _put(spec, VARIABLES[name].target, default)
            notes.append(f"{name} is not given: {default}, the original builder's default")
    if spec.get("vars"):
        notes.append("pytorch_version became a variable of the layer training")
    result = _render(spec, file, notes)
    problems += _check(result, given, file, {problem.where for problem in problems})
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        problems.sort(key=lambda problem: _place(problem.at))
        raise SpecError(f"{file} has {count}", doing=_DOING, problems=problems)
    return Imported(result, tuple(notes))


def _typed(assignment: Assignment, kind: str) -> tuple[Any, Problem | None]:
    """The value in the type that the spec wants. As Packer does, text that reads as the type is taken for it."""
    text = assignment.text
    if assignment.kind != "other":
        # A version written as a number keeps its written form: 13.10 is not 13.1.
        if kind == "text":
            return text, None
        if kind == "number" and _NUMBER.fullmatch(text):
            return int(text), None
        if kind == "bool" and text in ("true", "false"):
            return text == "true", None
    wanted = {"text": 'text, such as "gpu-train"', "number": "a whole number", "bool": "true or false"}[kind]
    shown = f'"{text}"' if assignment.kind == "text" else text or "a list, a reference or another expression"
    return None, Problem(assignment.name, f"is {shown}", hint=f"write {wanted}", at=assignment.at)


def _put(spec: dict[str, Any], target: tuple[str, ...], value: Any) -> None:
    for key in target[:-1]:
        spec = spec.setdefault(key, {})
    spec[target[-1]] = value


def _render(spec: Mapping[str, Any], file: str, notes: list[str]) -> str:
    import yaml

    ordered = {key: spec[key] for key in _ORDER if key in spec}
    head = [f"# From {Path(file).name}, the variables of a Packer build.", *(f"# {note}" for note in notes)]
    body = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)
    return "\n".join(head) + "\n" + body


def _check(text: str, given: Mapping[str, Assignment], file: str, known: set[str]) -> list[Problem]:
    """What a spec refuses, said of the variable that it came from; variables in *known* have been spoken of."""
    names = {".".join(variable.target): name for name, variable in VARIABLES.items()}
    missing = {"gcp": "zone"}  # the spec speaks of the block, the user knows the variable
    found: dict[str, Problem] = {}
    try:
        parse_spec(text, Path(file))
    except SpecError as exc:
        for problem in exc.problems:
            name = names.get(problem.where) or missing.get(problem.where, "")
            if problem.where == "gcp" and "project_id" not in given and "zone" not in given:
                found["project_id"] = Problem("project_id", "is missing", hint="add it", at=file)
            if name in known:
                continue
            at = given[name].at if name in given else file
            what, hint = (problem.what, problem.hint) if name in given else ("is missing", "add it")
            found[name] = Problem(name or problem.where, what, problem.why, hint, at)
    return list(found.values())


def _place(at: str) -> tuple[int, int]:
    """Line and column in FILE:LINE:COLUMN; what has no place comes last."""
    parts = at.rsplit(":", 2)
    return (int(parts[1]), int(parts[2])) if len(parts) == 3 and parts[1].isdigit() else (1 << 30, 0)
