# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What each section of compat.yml may hold, and the check that names every fault of a file at once."""

from __future__ import annotations

import datetime
import re
from difflib import get_close_matches
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple, Type

from . import model as m
from .versions import is_branch, is_version

#: A check: the value, where it stands, and the faults to add to. Returns the value in the type that the model wants.
Kind = Callable[[Any, str, List[str]], Any]

SCHEMA = 1
MODULES = ("open", "proprietary")
ORIGINS = ("nvidia", "distribution")
CERTAINTIES = ("certain", "inferred")
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_DATE = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_ID = re.compile(r"[0-9a-f]{4}")
_RANGE = re.compile(r"[0-9a-f]{4}-[0-9a-f]{4}")


def _plain(test: Callable[[Any], bool], words: str) -> Kind:
    def check(value: Any, where: str, faults: List[str]) -> Any:
        if not test(value):
            faults.append(f"{where}: is {value!r}, not {words}")
        return value

    return check


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_expression(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError):
        return False
    return True


text = _plain(_is_text, "text")
anything = _plain(lambda value: isinstance(value, str), "text")
whole = _plain(lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number")
flag = _plain(lambda value: isinstance(value, bool), "true or false")
version = _plain(is_version, 'a version in quotes such as "13.2"')
branch = _plain(is_branch, 'a driver branch in quotes such as "580"')
month = _plain(lambda value: isinstance(value, str) and bool(_MONTH.fullmatch(value)), 'a month such as "2026-11"')
ending = _plain(
    lambda value: value == "unknown" or (isinstance(value, str) and bool(_MONTH.fullmatch(value))),
    'a month such as "2026-11", or unknown',
)
pci_id = _plain(
    lambda value: isinstance(value, str) and bool(_ID.fullmatch(value)),
    'four small hexadecimal digits in quotes, "20b0"',
)
id_range = _plain(
    lambda value: isinstance(value, str) and bool(_RANGE.fullmatch(value)), 'a range of ids such as "2300-233f"'
)
expression = _plain(_is_expression, "a regular expression")


def choice(*allowed: str) -> Kind:
    """One of some words."""
    return _plain(lambda value: value in allowed, "one of " + ", ".join(allowed))


def template(*names: str) -> Kind:
    """A package's name, which may have placeholders of these names."""

    def fits(value: Any) -> bool:
        try:
            return _is_text(value.format(**dict.fromkeys(names, "1")))
        except (AttributeError, IndexError, KeyError, ValueError):
            return False

    return _plain(fits, "a name with no placeholder but " + ", ".join("{%s}" % name for name in names))


def maybe(kind: Kind) -> Kind:
    """A value or null."""
    return lambda value, where, faults: None if value is None else kind(value, where, faults)


def many(kind: Kind) -> Kind:
    """A list; becomes a tuple."""

    def check(value: Any, where: str, faults: List[str]) -> Tuple[Any, ...]:
        if not isinstance(value, list):
            faults.append(f"{where}: is {value!r}, not a list")
            return ()
        return tuple(kind(item, f"{where}[{index}]", faults) for index, item in enumerate(value))

    return check


def mapping(key: Kind, kind: Kind) -> Kind:
    """A mapping whose keys and values are checked."""

    def check(value: Any, where: str, faults: List[str]) -> Dict[str, Any]:
        if not isinstance(value, Mapping):
            faults.append(f"{where}: is {value!r}, not a mapping")
            return {}
        for name in value:
            key(name, f"{where}.{name}", faults)
        return {str(name): kind(item, f"{where}.{name}", faults) for name, item in value.items()}

    return check


def one_of(section: str) -> Kind:
    """A key of another section; looked up when all sections have been read."""

    def check(value: Any, where: str, faults: List[str]) -> Any:
        text(value, where, faults)
        faults.append(f"?{section}?{value}?{where}")
        return value

    return check


def _archive(value: Any, where: str, faults: List[str]) -> m.Archive:
    fields: Dict[str, Field] = {
        "branches": Field(many(one_of("branches"))),
        "module": Field(choice(*MODULES)),
        "last_kernel": Field(maybe(version), default=None),
    }
    return m.Archive(**_fields(value, fields, where, faults))


class Field(NamedTuple):
    """A key of a row. Without a default it has to be there. ``name`` is what the model calls it."""

    kind: Kind
    default: Any = ...
    name: str = ""


_BOUNDS = {"first_branch": Field(maybe(branch), default=None)}
#: Section → its type, the form of its keys, its keys.
SECTIONS: Mapping[str, Tuple[Type[m.Row], Kind, Mapping[str, Field]]] = {
    "branches": (m.Branch, branch, {
        "class": Field(choice("lts", "production", "new_feature", "developer", "unknown"), name="kind"),
        "cuda": Field(maybe(version)), "released": Field(month), "eol": Field(ending), "newest": Field(maybe(version)),
        "releases": Field(many(version), default=()), "modules": Field(many(choice(*MODULES))),
    }),
    "cuda_families": (m.Family, version, {"floor": Field(version)}),
    "toolkits": (m.Toolkit, version, {
        "branch": Field(one_of("branches")), "builds_for": Field(many(version)), "gcc": Field(whole),
        "releases": Field(mapping(version, maybe(version))),
    }),
    "forward_compat": (m.ForwardCompat, version, {
        name: Field(many(one_of("branches"))) for name in ("useful", "needless", "broken")
    }),
    "generations": (m.Generation, text, {
        "capabilities": Field(many(version)), "first_branch": Field(maybe(branch)), "last_branch": Field(maybe(branch)),
        "modules": Field(many(choice(*MODULES))), "open_from": Field(maybe(branch)), "first_toolkit": Field(version),
        "last_major": Field(maybe(version)),
    }),
    "gpus": (m.Product, text, {
        "ids": Field(many(pci_id)), "generation": Field(one_of("generations")), "capability": Field(version),
        "form": Field(choice("sxm", "pcie", "superchip", "board")), **_BOUNDS,
        "first_driver": Field(maybe(version), default=None),
    }),
    "id_ranges": (m.IdRange, id_range, {"generation": Field(one_of("generations"))}),
    "distributions": (m.Distribution, text, {
        "names": Field(many(text)), "family": Field(choice("debian", "ubuntu", "rhel")), "repository": Field(text),
        "key": Field(text), "accepts": Field(many(text)), "archive": Field(maybe(_archive), default=None),
        "kernel": Field(version), "gcc": Field(whole), "glibc": Field(version), "oldest_toolkit": Field(maybe(version)),
        "dcgm": Field(flag), "containers": Field(flag),
    }),
    "parts": (m.Part, text, {
        "first_branch": Field(branch), "unversioned_from": Field(branch), "package": Field(text),
        "with_branch": Field(template("branch")),
    }),
    "switch_boards": (m.Board, one_of("generations"), {
        "first_branch": Field(branch), "plane": Field(many(text)), "kernel": Field(maybe(version)),
    }),
    "components": (m.Component, choice("dcgm", "container_toolkit"), {
        "newest": Field(version), "known": Field(many(version)), "usable_from": Field(version), "lacking": Field(text),
        "harm": Field(choice("refuse", "warn")),
        "floor_driver": Field(maybe(version)), "epoch": Field(anything), "packages": Field(many(template("major"))),
        "also_for": Field(mapping(version, many(one_of("generations")))),
    }),
    "bad_versions": (m.BadVersion, text, {
        "component": Field(choice("dcgm", "container_toolkit", "driver", "cuda")), "versions": Field(many(version)),
        "harm": Field(choice("refuse", "warn")), "why": Field(text),
    }),
    "engines": (m.Engine, text, {"first_version": Field(version)}),
    "driver_packages": (m.DriverPackages, text, {
        "from": Field(maybe(branch), name="first"), "until": Field(maybe(branch), name="last"),
        "origin": Field(choice(*ORIGINS)), "family": Field(text), "open": Field(many(template("branch"))),
        "proprietary": Field(many(template("branch"))),
    }),
    "pin": (m.Pin, text, {"package": Field(template("version", "branch")), "since": Field(mapping(branch, version))}),
    "package_traps": (m.Trap, text, {
        "match": Field(expression), "origin": Field(maybe(choice(*ORIGINS))), "why": Field(text),
        "instead": Field(text),
    }),
    "module_parameters": (m.Parameter, text, {**_BOUNDS, "module": Field(maybe(choice(*MODULES)), default=None)}),
    "locks": (m.Lock, text, {
        "torch": Field(version), "cuda": Field(version), "python": Field(version), "glibc": Field(version),
        "capabilities": Field(many(version)),
    }),
    "cautions": (m.Caution, text, {
        "gpus": Field(many(one_of("gpus"))), "first_branch": Field(branch), "why": Field(text),
    }),
    "rules": (m.Rule, text, {"harm": Field(choice("refuse", "warn")), "why": Field(text)}),
}  # fmt: skip
_EVERY_ROW = ("source", "certainty", "inferred")


def _unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f'is not known (did you mean "{near[0]}"?)' if near else f"is not known (known: {', '.join(known)})"


def _fields(value: Any, fields: Mapping[str, Field], where: str, faults: List[str]) -> Dict[str, Any]:
    if not isinstance(value, Mapping):
        faults.append(f"{where}: is {value!r}, not a mapping")
        value = {}
    faults += [f"{where}.{key}: {_unknown(str(key), fields)}" for key in value if key not in fields]
    found = {}
    for key, field in fields.items():
        if key in value:
            found[field.name or key] = field.kind(value[key], f"{where}.{key}", faults)
        else:
            if field.default is ...:
                faults.append(f"{where}: has no {key}")
            found[field.name or key] = None if field.default is ... else field.default
    return found


def read_row(section: str, key: str, value: Any, faults: List[str]) -> m.Row:
    """One row, its faults added to *faults*."""
    kind, key_kind, own = SECTIONS[section]
    where = f"{section}.{key}"
    key_kind(key, where, faults)
    nested = ["archive_last_kernel"] if section == "distributions" else []
    fields = {
        **own,
        "source": Field(many(one_of("sources"))),
        "certainty": Field(choice(*CERTAINTIES)),
        "inferred": Field(many(choice(*own, *nested)), default=()),
    }
    found = _fields(value, fields, where, faults)
    if isinstance(value, Mapping):
        if value.get("source") == []:
            faults.append(f"{where}.source: is empty; say where the fact was read")
        if value.get("inferred") and value.get("certainty") == "inferred":
            faults.append(f"{where}.inferred: says nothing new, as the whole row is inferred")
    return kind(id=key, **found)


def _is_day(value: str) -> bool:
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def date(value: Any, where: str, faults: List[str]) -> Optional[str]:
    """A day."""
    if not (isinstance(value, str) and _DATE.fullmatch(value) and _is_day(value)):
        faults.append(f'{where}: is {value!r}, not a day in quotes such as "2026-11-22"')
        return None
    return value


__all__ = ["SCHEMA", "SECTIONS", "Field", "date", "read_row"]
