"""Turn raw options (profiles in order, the user's own values last) into one merged request.

Only shapes are judged here; whether a value makes sense is ``_tuning_check``'s matter. Both add to one list of
problems, so that a user sees all of them at once.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ._tuning_keys import normalise
from ._tuning_model import Limit, Problem, Request, Setting
from ._tuning_values import canonical

_KEYED = ("sysctl", "thp", "governor", "read_ahead", "systemd_limits")
_LISTS = ("modules", "required")
_OTHER = ("hugepages", "irq_affinity", "limits", "swap", "numa_balancing")
#: Keys a profile may hold; ``description`` is for the reader.
SECTIONS = _KEYED + _LISTS + _OTHER + ("description",)

NUMA_BALANCING = "kernel.numa_balancing"


def merge(profiles: Sequence[Mapping[str, Any]], own: Mapping[str, Any], problems: List[Problem]) -> Request:
    """Merge key by key, later ones win; a value of null takes an earlier one out again."""
    keyed: Dict[str, Dict[str, Setting]] = {section: {} for section in _KEYED}
    limits: Dict[Tuple[str, str, str], Limit] = {}
    lists: Dict[str, List[str]] = {section: [] for section in _LISTS}
    single: Dict[str, Any] = {"hugepages": {}, "irq_affinity": (), "swap": "keep"}
    named = [("profiles[%d]." % place, profile) for place, profile in enumerate(profiles)] + [("", own)]
    for prefix, source in named:
        for section in source:
            if section not in SECTIONS:
                problems.append(Problem(prefix + str(section), "no such section", "one of " + ", ".join(SECTIONS)))
        for section in _KEYED:
            _merge_keyed(keyed[section], source.get(section), prefix + section, section == "sysctl", problems)
        if source.get("numa_balancing") is not None:
            wanted = {NUMA_BALANCING: source["numa_balancing"]}
            if NUMA_BALANCING in {normalise(str(key)) for key in source.get("sysctl") or {}}:
                problems.append(Problem(prefix + "numa_balancing", "also given as sysctl %s" % NUMA_BALANCING))
            _merge_keyed(keyed["sysctl"], wanted, prefix + "numa_balancing", True, problems)
        for section in _LISTS:
            lists[section] += [str(item) for item in _listed(source, section, prefix, problems)]
        for place, item in enumerate(_listed(source, "limits", prefix, problems)):
            _merge_limit(limits, item, "%slimits[%d]" % (prefix, place), problems)
        if source.get("irq_affinity") is not None:
            single["irq_affinity"] = tuple(str(item) for item in _listed(source, "irq_affinity", prefix, problems))
        for section, kind in (("hugepages", Mapping), ("swap", str)):
            if source.get(section) is not None:
                if isinstance(source[section], kind):
                    single[section] = source[section]
                else:
                    problems.append(Problem(prefix + section, "has the wrong type"))
    if single["hugepages"]:
        single["hugepages"] = _hugepages(single["hugepages"], problems)
    return Request(
        limits=tuple(limits[key] for key in sorted(limits)),
        modules=tuple(sorted(set(lists["modules"]))),
        required=tuple(sorted({_required_name(name) for name in lists["required"]})),
        sysctl=keyed["sysctl"],
        thp=keyed["thp"],
        governor=keyed["governor"],
        read_ahead=keyed["read_ahead"],
        systemd_limits=keyed["systemd_limits"],
        hugepages=single["hugepages"],
        irq_affinity=single["irq_affinity"],
        swap=single["swap"],
    )


def _hugepages(raw: Mapping[str, Any], problems: List[Problem]) -> Dict[str, Any]:
    """With the defaults filled in, and node ids as numbers (JSON and YAML may have made them texts)."""
    for name in raw:
        if name not in ("percent", "nodes", "size_kib", "min_ram_gib"):
            problems.append(Problem("hugepages.%s" % name, "no such setting"))
    given = {name: value for name, value in raw.items() if value is not None}
    nodes: Dict[int, Any] = {}
    for number, share in (given.get("nodes") or {}).items():
        if str(number).isdecimal():
            nodes[int(str(number))] = share
        else:
            problems.append(Problem("hugepages.nodes", "%r is no node id" % (number,)))
    return {"size_kib": 2048, "min_ram_gib": 64, **given, "nodes": nodes}


def _required_name(name: str) -> str:
    return normalise(name) if "/" in name else name


def _listed(source: Mapping[str, Any], section: str, prefix: str, problems: List[Problem]) -> Sequence[Any]:
    found = source.get(section)
    if found is None:
        return ()
    if isinstance(found, (list, tuple)):
        return found
    problems.append(Problem(prefix + section, "must be a list"))
    return ()


def _merge_keyed(into: Dict[str, Setting], source: Any, where: str, dotted: bool, problems: List[Problem]) -> None:
    if source is None:
        return
    if not isinstance(source, Mapping):
        problems.append(Problem(where, "must be a mapping of names to values"))
        return
    seen: Dict[str, str] = {}
    for raw, value in source.items():
        name = normalise(str(raw)) if dotted else str(raw)
        if name in seen:
            problems.append(Problem("%s.%s" % (where, raw), "the same key as %s" % seen[name]))
        seen[name] = str(raw)
        if value is None:
            into.pop(name, None)
            continue
        setting = _setting(value, "%s.%s" % (where, name), problems)
        if setting is not None:
            into[name] = setting


def _setting(raw: Any, where: str, problems: List[Problem]) -> Any:
    reason = source = ""
    if isinstance(raw, Mapping) and "value" in raw:
        unknown = set(raw) - {"value", "reason", "source"}
        if unknown:
            problems.append(Problem(where, "unknown field %s" % ", ".join(sorted(map(str, unknown)))))
        reason, source, raw = str(raw.get("reason", "")), str(raw.get("source", "")), raw["value"]
    if isinstance(raw, Mapping):
        if len(raw) != 1 or not set(raw) <= {"rule", "at_least"}:
            problems.append(Problem(where, "a computed value is {rule: NAME} or {at_least: NUMBER}"))
            return None
        return Setting({str(key): value for key, value in raw.items()}, reason, source)
    if isinstance(raw, bool):
        return Setting("1" if raw else "0", reason, source)
    if isinstance(raw, (int, str)):
        if "\n" in str(raw) or "\0" in str(raw):
            problems.append(Problem(where, "must be one line"))
            return None
        return Setting(canonical(str(raw)), reason, source)
    problems.append(Problem(where, "must be a number or a text, not %s" % type(raw).__name__))
    return None


def _merge_limit(into: Dict[Tuple[str, str, str], Limit], raw: Any, where: str, problems: List[Problem]) -> None:
    fields = ("domain", "type", "item", "value")
    if not isinstance(raw, Mapping) or not {"item", "value"} <= set(raw) or not set(raw) <= set(fields):
        problems.append(Problem(where, "needs item and value, and may have domain and type"))
        return
    limit = Limit(
        str(raw.get("domain") or "*"), str(raw.get("type") or "-"), str(raw["item"]), canonical(str(raw["value"]))
    )
    both = ("soft", "hard", "-") if limit.type == "-" else (limit.type,)
    for kind in both:
        into.pop((limit.domain, kind, limit.item), None)
    into[(limit.domain, limit.type, limit.item)] = limit
