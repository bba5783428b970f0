# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What changed between two manifests. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gpuforge.versions import compare_debian, compare_python

Direction = Literal["added", "removed", "upgraded", "downgraded", "changed"]
Compare = Callable[[str, str], int | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: in which part, of what, in which direction, from what to what (None: not there)."""

    part: str
    name: str
    direction: Direction
    old: Any
    new: Any

    def render(self) -> str:
        """The change as one line."""
        if self.direction == "added":
            return f"+ {self.name} {_show(self.new)}".rstrip()
        if self.direction == "removed":
            return f"- {self.name} {_show(self.old)}".rstrip()
        sign = {"upgraded": "↑", "downgraded": "↓"}.get(self.direction, "~")
        return f"{sign} {self.name} {_show(self.old)} → {_show(self.new)}"


@dataclass(frozen=True, slots=True)
class ManifestDiff:
    """All differences, in the order of the manifest's parts."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form: ``{"same": ..., "changes": [...]}``."""
        return {"same": not self.changes, "changes": [asdict(change) for change in self.changes]}

    def render(self) -> str:
        """Text for people: a heading for each part, a line for each change."""
        if not self.changes:
            return "no difference"
        lines: list[str] = []
        for part in dict.fromkeys(change.part for change in self.changes):
            found = [change for change in self.changes if change.part == part]
            lines.append(f"{part} ({len(found)})")
            lines += [f"  {change.render()}" for change in found]
        return "\n".join(lines)


def diff_manifests(old: Mapping[str, Any], new: Mapping[str, Any]) -> ManifestDiff:
    """What changed from *old* to *new*: base, layers, versions, spec, variables, packages, checks, tools.

    The time of a manifest and the seconds and bytes of its layers are no differences.
    """
    return ManifestDiff(
        (
            *_values("base", _part(old, "base"), _part(new, "base")),
            *_layers(old.get("layers", ()), new.get("layers", ())),
            *_versions("versions", _part(old, "versions"), _part(new, "versions"), compare_debian),
            *_spec(_part(old, "spec"), _part(new, "spec")),
            *_packages(_part(old, "packages"), _part(new, "packages")),
            *_checks(old.get("checks", ()), new.get("checks", ())),
            *_versions("tools", _part(old, "tools"), _part(new, "tools"), compare_python),
        )
    )


def _part(manifest: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = manifest.get(key)
    return value if isinstance(value, Mapping) else {}


def _show(value: Any) -> str:
    return "true" if value is True else "false" if value is False else "" if value is None else str(value)


def _values(part: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Differences of two mappings, nested ones by their dotted paths."""
    olds, news = dict(_flat(old)), dict(_flat(new))
    for name in sorted({*olds, *news}):
        before, after = olds.get(name), news.get(name)
        if before != after or type(before) is not type(after):
            direction: Direction = "added" if name not in olds else "removed" if name not in news else "changed"
            yield Change(part, name, direction, before, after)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _layers(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Layers by name; a layer is the same where its digest is."""
    olds, news = ({str(layer["name"]): str(layer["digest"])[:12] for layer in layers} for layers in (old, new))
    for name in dict.fromkeys([*olds, *news]):
        if olds.get(name) != news.get(name):
            direction: Direction = "added" if name not in olds else "removed" if name not in news else "changed"
            yield Change("layers", name, direction, olds.get(name), news.get(name))
    kept_old, kept_new = ([name for name in one if name in other] for one, other in ((olds, news), (news, olds)))
    if kept_old != kept_new:
        yield Change("layers", "order", "changed", ", ".join(kept_old), ", ".join(kept_new))


def _versions(part: str, old: Mapping[str, Any], new: Mapping[str, Any], compare: Compare) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if before is None or after is None:
            yield Change(part, name, "added" if before is None else "removed", before, after)
            continue
        order = compare(str(before), str(after))
        yield Change(part, name, "changed" if not order else "upgraded" if order < 0 else "downgraded", before, after)


def _spec(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The variables as a part of their own, everything else under "spec"."""
    yield from _values("spec", *({key: item for key, item in spec.items() if key != "vars"} for spec in (old, new)))
    yield from _values("vars", _part(old, "vars"), _part(new, "vars"))


def _packages(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    yield from _versions("packages", _part(old, "dpkg"), _part(new, "dpkg"), compare_debian)
    olds, news = _part(old, "python"), _part(new, "python")
    for environment in sorted({*olds, *news}):
        part = f"Python in {environment}"
        yield from _versions(part, _part(olds, environment), _part(news, environment), compare_python)


def _checks(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Checks by their id, compared by status."""
    olds, news = ({str(check.get("id")): check.get("status") for check in checks} for checks in (old, new))
    yield from _values("checks", olds, news)
