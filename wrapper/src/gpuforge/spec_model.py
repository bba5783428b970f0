# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The YAML boundary: names and types of every key, by pydantic.

What belongs together or not is in ``gpuforge.spec_rules``; both are asked, so that a user hears of everything at once.
Imported only when a spec is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from gpuforge import spec_rules as rules
from gpuforge import spec_types as s
from gpuforge.errors import Problem
from gpuforge.spec_yaml import Document, Path

Text = Annotated[str, StringConstraints(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Base(_Strict):
    distribution: Text = "debian"
    release: Text = "bookworm"
    kernel: s.Kernel = "cloud"
    mirror: Text | None = None
    security_mirror: Text | None = None
    image: Text | None = None
    max_age_days: int = 7
    family: Text | None = None
    project: Text | None = None
    ami: Text | None = None
    owner: Text | None = None
    name: Text | None = None
    ssm: Text | None = None


class _Stack(_Strict):
    driver: Text | None = None
    cuda: Text | None = None
    source: s.Source = "nvidia"
    flavour: s.Flavour = "auto"
    gpus: list[Text] | None = None
    compat: Text | None = None
    releases: Text | None = None
    allow_unknown: bool | None = None


class _Disk(_Strict):
    size_gib: int = 10
    formats: list[s.Format] = ["qcow2"]


class _Verify(_Strict):
    boot: bool = True
    firmware: list[s.Firmware] = ["bios", "uefi"]
    expect: dict[str, Any] = {}
    timeout_s: int = 900


class _Gcp(_Strict):
    project: Text
    zone: Text | None = None
    zones: list[Text] | None = None
    machine_type: Text | None = None
    network: Text | None = None
    subnetwork: Text | None = None
    ssh_user: Text | None = None


class _Aws(_Strict):
    region: Text
    subnet: Text | None = None
    instance_type: Text | None = None
    instance_types: list[Text] | None = None
    ssh_user: Text | None = None


class _Spec(_Strict):
    name: Text
    description: str = ""
    provider: s.Provider = "local"
    base: _Base = Field(default_factory=_Base)
    stack: _Stack = Field(default_factory=_Stack)
    layers: dict[str, bool] = {}
    vars: dict[str, Any] = {}
    disk: _Disk = Field(default_factory=_Disk)
    verify: _Verify = Field(default_factory=_Verify)
    gcp: _Gcp | None = None
    aws: _Aws | None = None


_SECTIONS: Mapping[str, type[BaseModel]] = {
    "base": _Base, "stack": _Stack, "disk": _Disk, "verify": _Verify, "gcp": _Gcp, "aws": _Aws,
}  # fmt: skip

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
}


def validate(data: Mapping[str, Any], document: Document) -> tuple[Mapping[str, Any], list[Problem]]:
    """All values with defaults filled in, and every problem. The values count only without problems."""
    found: list[tuple[Path, Problem]] = []
    values: Mapping[str, Any] = {}
    try:
        values = _Spec.model_validate(dict(data)).model_dump()
    except ValidationError as exc:
        found = [_translate(error, document) for error in exc.errors(include_url=False)]
    wrong = {path for path, _ in found}
    for rule in rules.check(data):
        if rule.path not in wrong:
            found.append((rule.path, document.problem(*rule[:4], key=rule.key)))
    found.sort(key=lambda item: document.place(item[0]))
    return _without_none(values), [problem for _, problem in found]


def _without_none(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cloud blocks without the keys that were not given."""
    result = dict(values)
    for key in ("gcp", "aws"):
        if result.get(key) is not None:
            result[key] = {name: value for name, value in result[key].items() if value is not None}
    return result


def _translate(error: ErrorDetails, document: Document) -> tuple[Path, Problem]:
    """Pydantic's finding in our words."""
    path: Path = tuple(error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        hint = rules.suggest(str(path[-1]), _known_keys(path[:-1]))
        return path, document.problem(path, "is not a known key", hint=hint, key=True)
    if kind == "missing":
        what, hint = "is missing", _missing_hint(path)
    elif kind == "literal_error":
        what, hint = f"is {rules.show(value)}", rules.suggest(str(value), _choices(path))
    elif kind == "string_too_short":
        what, hint = "is empty", "write a value or remove the key"
    elif value is None:
        what, hint = "has no value", "write a value or remove the key"
    else:
        shown = document.raw.get(path, "") if not isinstance(value, str) else ""
        what = f"is {shown or rules.show(value)}, not {_WANTED.get(kind, error['msg'])}"
        hint = f'put it in quotes: "{document.raw[path]}"' if kind == "string_type" and path in document.raw else ""
    return path, document.problem(path, what, hint=hint)


def _known_keys(parents: Path) -> list[str]:
    model = _SECTIONS[str(parents[0])] if parents else _Spec
    return list(model.model_fields)


def _missing_hint(path: Path) -> str:
    return {
        ("name",): 'add it, for example "name: gpu-train"',
        ("gcp", "project"): "add the id of the project to build in",
        ("aws", "region"): 'add the region to build in, for example "region: eu-central-1"',
    }.get(tuple(str(part) for part in path), "")


def _choices(path: Path) -> list[str]:
    key = ".".join(str(part) for part in path if isinstance(part, str))
    known: Mapping[str, Any] = {
        "provider": s.Provider, "base.kernel": s.Kernel, "stack.source": s.Source, "stack.flavour": s.Flavour,
        "disk.formats": s.Format, "verify.firmware": s.Firmware,
    }  # fmt: skip
    return list(get_args(known.get(key, Literal[""])))
