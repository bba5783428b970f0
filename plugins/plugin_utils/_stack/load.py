# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads compat.yml, lays the operator's own files over it, and refuses what is not whole, with every fault at once.

How an operator's file is laid over: section by section, row by row. A row whose key is known replaces only the values
that it names; a new key is a new row and has to be whole; ``null`` takes a row out. Each row that is given says its own
``source`` and ``certainty``, as the facts in it are no longer those of the old source.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import yaml

from .model import Compat, Row, Source
from .releases import ReleasesError, from_releases
from .schema import SCHEMA, SECTIONS, date, read_row
from .versions import branch_of, is_version, order

_TOP = ("schema", "date", "sources", *SECTIONS)


class CompatError(Exception):
    """The facts cannot be used. ``faults`` names everything that is wrong, as "where: what"."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def own_file() -> str:
    """The facts that come with the collection."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat.yml")


def load(override: Optional[str] = None, releases: Optional[str] = None) -> Compat:
    """The facts.

    :param override: an operator's file, laid over ours.
    :param releases: NVIDIA's own list of driver releases (releases.json), saved to a file; laid over ours before that.
    :raises CompatError: a file cannot be read or is wrong.
    """
    raw = _read(own_file())
    files = [own_file()]
    faults: List[str] = []
    if releases:
        try:
            layer = from_releases(_text(releases), raw["branches"])
        except ReleasesError as exc:
            raise CompatError([f"{releases}: {fault}" for fault in exc.faults]) from exc
        raw = _lay_over(raw, layer, releases, faults)
        files.append(releases)
    if override:
        raw = _lay_over(raw, _read(override), override, faults)
        files.append(override)
    compat, found = build(raw, tuple(files))
    faults += found
    if faults or compat is None:
        raise CompatError(faults)
    return compat


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as exc:
        raise CompatError([f"{path}: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise CompatError([f"{path}: is not UTF-8 text (byte {exc.start})"]) from exc


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the faster one, where there is one
    """Refuses a key that is there twice: the second would silently win."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [self.construct_object(key, deep=True) for key, _value in node.value]
        for key in keys:
            if keys.count(key) > 1:
                line = node.start_mark.line + 1
                raise CompatError([f"line {line}: {key!r} is there twice"])
        return super().construct_mapping(node, deep)


def _read(path: str) -> Dict[str, Any]:
    try:
        data = yaml.load(_text(path), Loader=_Loader)
    except yaml.YAMLError as exc:
        raise CompatError([f"{path}: is not YAML: {' '.join(str(exc).split())}"]) from exc
    except CompatError as exc:
        raise CompatError([f"{path}: {fault}" for fault in exc.faults]) from exc
    if not isinstance(data, dict):
        raise CompatError([f"{path}: is not a mapping of sections"])
    return data


def _lay_over(below: Mapping[str, Any], above: Mapping[str, Any], name: str, faults: List[str]) -> Dict[str, Any]:
    """*above* over *below*; what cannot be laid over is a fault of the file *name*."""
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in below.items()}
    for section, rows in above.items():
        if section in ("schema", "date"):
            result[section] = rows
            continue
        if section not in _TOP:
            faults.append(f"{name}: {section}: there is no such section")
            continue
        if not isinstance(rows, Mapping):
            faults.append(f"{name}: {section}: is not a mapping of rows")
            continue
        for key, row in rows.items():
            if row is None:
                if result[section].pop(key, None) is None:
                    faults.append(f"{name}: {section}.{key}: there is no such row to take out")
                continue
            old = result[section].get(key)
            if isinstance(old, Mapping) and isinstance(row, Mapping):
                if section != "sources":
                    faults += [
                        f"{name}: {section}.{key}: has no {own}" for own in ("source", "certainty") if own not in row
                    ]
                row = {**{k: v for k, v in old.items() if k != "inferred"}, **row}
            result[section][key] = row
    return result


def build(raw: Mapping[str, Any], files: Tuple[str, ...] = ()) -> Tuple[Optional[Compat], List[str]]:
    """The facts of a decoded file, or None, and everything that is wrong with it."""
    faults: List[str] = []
    if raw.get("schema") != SCHEMA:
        faults.append(f"schema: is {raw.get('schema')!r}; this version reads schema {SCHEMA}")
    day = date(raw.get("date"), "date", faults)
    faults += [f"{key}: there is no such section" for key in raw if key not in _TOP]
    sections: Dict[str, Dict[str, Row]] = {}
    for section in SECTIONS:
        rows = raw.get(section)
        if not isinstance(rows, Mapping) or not rows:
            faults.append(f"{section}: has no rows")
            rows = {}
        sections[section] = {str(key): read_row(section, key, row, faults) for key, row in rows.items()}
    sources = _sources(raw.get("sources"), faults)
    faults = _references(faults, {**{name: set(rows) for name, rows in sections.items()}, "sources": set(sources)})
    if faults:
        return None, faults
    assert day is not None
    facts: Any = {"date": day, "sources": sources, "files": files, **sections}
    compat = Compat(**facts)
    faults = _sense(compat)
    return (None if faults else compat), faults


def _sources(raw: Any, faults: List[str]) -> Dict[str, Source]:
    found = {}
    for key, row in raw.items() if isinstance(raw, Mapping) else ():
        if (
            not isinstance(row, Mapping)
            or set(row) != {"title", "at"}
            or not all(isinstance(v, str) for v in row.values())
        ):
            faults.append(f"sources.{key}: needs a title and an address (at), both text, and nothing else")
        else:
            found[str(key)] = Source(row["title"], row["at"])
    if not found:
        faults.append("sources: has no rows")
    return found


def _references(faults: Sequence[str], keys: Mapping[str, Any]) -> List[str]:
    """The faults, with those references turned into faults that lead nowhere (see schema.one_of)."""
    found = []
    for fault in faults:
        if not fault.startswith("?"):
            found.append(fault)
            continue
        _, section, value, where = fault.split("?", 3)
        if value not in keys[section]:
            found.append(f"{where}: {value} is no row of {section}")
    return found


def _sense(compat: Compat) -> List[str]:
    """What is well formed and yet cannot be: rows that contradict themselves or each other."""
    faults = []
    for key, branch in compat.branches.items():
        for release in (*branch.releases, *filter(None, [branch.newest])):
            if branch_of(release) != key:
                faults.append(f"branches.{key}: {release} is no release of this branch")
            elif branch.newest is None or order(release) > order(branch.newest):
                faults.append(f"branches.{key}: {release} is newer than its newest, {branch.newest}")
        if branch.eol != "unknown" and branch.eol < branch.released:
            faults.append(f"branches.{key}: ends ({branch.eol}) before it begins ({branch.released})")
    for key, toolkit in compat.toolkits.items():
        if not toolkit.releases:
            faults.append(f"toolkits.{key}.releases: is empty")
        faults += [f"toolkits.{key}.releases: {item} is no release of {key}" for item in toolkit.releases
                   if not item.startswith(f"{key}.")]  # fmt: skip
        if key.partition(".")[0] not in compat.cuda_families:
            faults.append(f"toolkits.{key}: cuda_families has no {key.partition('.')[0]}")
        if len(toolkit.builds_for) != 2 or order(toolkit.builds_for[0]) > order(toolkit.builds_for[1]):
            faults.append(f"toolkits.{key}.builds_for: is not a lowest and a highest capability")
    faults += [f"pin.{key}.since: is empty" for key, pin in compat.pin.items() if not pin.since]
    owners: Dict[str, str] = {}
    for key, product in compat.gpus.items():
        for number in product.ids:
            if owners.setdefault(number, key) != key:
                faults.append(f"gpus.{key}.ids: {number} belongs to {owners[number]} already")
        if product.capability not in compat.generations[product.generation].capabilities:
            faults.append(f"gpus.{key}.capability: {product.generation} has no GPU of {product.capability}")
    last = ("", -1)
    for key in sorted(compat.id_ranges):
        low, high = (int(part, 16) for part in key.split("-"))
        if low > high:
            faults.append(f"id_ranges.{key}: ends before it begins")
        if low <= last[1]:
            faults.append(f"id_ranges.{key}: overlaps {last[0]}")
        last = (key, high)
    for key, component in compat.components.items():
        faults += [f"components.{key}: {item} is newer than its newest" for item in component.known
                   if is_version(item) and order(item) > order(component.newest)]  # fmt: skip
    return faults
