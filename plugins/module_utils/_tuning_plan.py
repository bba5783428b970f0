"""Compare what is wanted with what is there, and say every step that leads from one to the other.

Planning only reads. Check mode stops after it; a real run hands the plan to ``_tuning_apply``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Collection, Dict, List, Optional, Set, Tuple

from ._machine import Host
from ._sysctl_d import winners
from ._tuning_check import check
from ._tuning_facts import read_machine
from ._tuning_files import SYSCTL, file_digest, read_owned, render
from ._tuning_keys import lookup, module_of, proc_path
from ._tuning_keys_kernel import COUNTERPARTS
from ._tuning_model import Knob, Machine, OwnedFile, Problem, Request, Resolved, TuningError
from ._tuning_modules import available, kernel_release, loaded
from ._tuning_resolve import resolve, swaps
from ._tuning_state import BOOT_STATE, STATE, State, load_state
from ._tuning_values import canonical, choices, same

#: Where a frequency driver says which words it takes.
_OFFERS = (
    ("governor.", "scaling_available_governors"),
    ("epp.", "energy_performance_available_preferences"),
)


@dataclass(frozen=True)
class Write:
    """One live value to be written. ``retry``: the kernel refused the same value last time."""

    knob: Knob
    current: str
    retry: bool = False


@dataclass
class Plan:
    """Every step from the machine's state to the wanted one."""

    request: Request
    live: bool
    resolved: Resolved
    old: Optional[State]
    modules: List[str] = field(default_factory=list)
    loads: List[str] = field(default_factory=list)
    writes: List[Write] = field(default_factory=list)
    restores: List[Write] = field(default_factory=list)
    swapoff: List[str] = field(default_factory=list)
    unsupported: Dict[str, str] = field(default_factory=dict)
    released: Dict[str, str] = field(default_factory=dict)
    overridden: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    pending: Dict[str, str] = field(default_factory=dict)
    before: Dict[str, str] = field(default_factory=dict)
    #: Folders to be made, and made by earlier runs.
    folders: Set[str] = field(default_factory=set)
    #: What lies at each path that is or was owned; None when nothing does.
    found: Dict[str, Optional[OwnedFile]] = field(default_factory=dict)

    def files(self) -> Dict[str, OwnedFile]:
        """The owned files as wanted, with what is known of unsupported values by now."""
        return render(self.request, self.resolved, self.unsupported, self.modules)

    def file_changes(self) -> Dict[str, Tuple[Optional[OwnedFile], Optional[OwnedFile]]]:
        """Paths whose content has to change: (what is there, what shall be; None is nothing)."""
        wanted: Dict[str, Optional[OwnedFile]] = dict(self.files())
        for path in self.found:
            if path not in wanted:
                replaced = self.old.replaced.get(path) if self.old is not None else None
                wanted[path] = OwnedFile(path, replaced) if replaced is not None else None
        return {
            path: (self.found.get(path), new) for path, new in sorted(wanted.items()) if self.found.get(path) != new
        }

    def drifted(self) -> List[str]:
        """Owned files somebody else changed since the last run."""
        if self.old is None:
            return []
        edited = [path for path, digest in self.old.files.items() if file_digest(self.found.get(path)) != digest]
        for path, target in self.old.links.items():
            if self.found.get(path) != OwnedFile(path, target, link=True):
                edited.append(path)
        return sorted(edited)


def make_plan(request: Request, host: Host, live: bool, problems: List[Problem]) -> Plan:
    """The plan for one machine or tree. Raises TuningError with every problem, before anything is touched."""
    machine: Optional[Machine] = read_machine(host) if live else None
    check(request, machine, problems, host.exists)
    if problems:
        raise TuningError("the tuning set is refused, nothing was changed:", problems)
    old = load_state(host)
    if live:
        old = _with_boot_values(old, load_state(host, BOOT_STATE))
    before = dict(old.before) if old is not None else {}
    plan = Plan(request, live, resolve(request, machine, host, before), old, before=before)
    for key in plan.resolved.sysctl:
        entry = lookup(key)
        if entry is not None and entry.kind == "gone":
            plan.unsupported[key] = entry.hint
    _plan_modules(plan, host)
    if live:
        plan_writes(plan, host)
    _plan_release(plan, host)
    if request.swap == "off" and live and "swap" not in plan.resolved.left:
        plan.swapoff = swaps(host)
    static = {key: value for key, value in plan.resolved.sysctl.items() if key not in plan.unsupported}
    plan.overridden = winners(host, SYSCTL, static)
    for path in sorted(set(plan.files()) | owned_paths(old)):
        plan.found[path] = read_owned(host, path)
    for path in [*plan.files(), *([] if request.empty else [STATE])]:
        plan.folders.update(host.missing_folders(path))
    # A value refused by an earlier run is tried again: only after that is it known to be missing.
    refuse_required(plan, {write.knob.name for write in plan.writes})
    return plan


def _with_boot_values(old: Optional[State], boot: Optional[State]) -> Optional[State]:
    """The record with what ``gpuforge-tuning.service`` did at this boot: those values are ours too."""
    if old is None or boot is None:
        return old
    return replace(old, knobs={**boot.knobs, **old.knobs}, before={**boot.before, **old.before})


def owned_paths(state: Optional[State]) -> Set[str]:
    """Every path a state owns, files and links."""
    return set() if state is None else set(state.files) | set(state.links)


def refuse_required(plan: Plan, but: Collection[str] = ()) -> None:
    """Raise TuningError if a value marked required can't be had; names in ``but`` are not judged yet."""
    missing = [
        Problem(name, plan.unsupported[name])
        for name in sorted(set(plan.unsupported) - set(but))
        if name in plan.request.required or name.split(".")[0] in plan.request.required
    ]
    if missing:
        raise TuningError("required settings can't be applied:", missing)


def _plan_modules(plan: Plan, host: Host) -> None:
    needed: Dict[str, List[str]] = {name: [] for name in plan.request.modules}
    for key, value in plan.resolved.sysctl.items():
        module = module_of(key, value)
        if module:
            needed.setdefault(module, []).append(key)
    release = kernel_release(host, plan.live)
    for name, keys in sorted(needed.items()):
        if plan.live and loaded(host, name):
            plan.modules.append(name)
        elif (plan.live or release) and not available(host, name, release):
            reason = "needs the module %s, which kernel %s does not have" % (name, release or "(unknown)")
            plan.unsupported.update(dict.fromkeys(keys or ["modules." + name], reason))
        elif plan.live and not host.running:
            reason = "needs the module %s, which cannot be loaded for another root" % name
            plan.unsupported.update(dict.fromkeys(keys or ["modules." + name], reason))
        else:
            plan.modules.append(name)
            plan.loads += [name] if plan.live else []


def plan_writes(plan: Plan, host: Host) -> None:
    """Add a write for each live value that differs, and the reason for each that can't be written."""
    for knob in plan.resolved.knobs:
        if knob.name in plan.unsupported:
            continue
        current = host.read(knob.path)
        reason = why_not(host, knob, plan.loads)
        if reason:
            plan.unsupported[knob.name] = reason
            continue
        found = canonical(current or "", knob.style)
        if not knob.volatile:
            plan.before.setdefault(knob.name, found)
            other = COUNTERPARTS.get(knob.name)
            if other is not None:
                plan.before.setdefault(other, canonical(host.read(proc_path(other)) or ""))
        if same(found, knob.wanted, knob.style):
            continue
        old = plan.old
        known = old is not None and (
            old.refused.get(knob.name) == knob.wanted
            or (old.pending.get(knob.name) == found and old.knobs.get(knob.name, {}).get("value") == knob.wanted)
        )
        if known and old is not None and knob.name in old.refused:
            plan.unsupported[knob.name] = old.unsupported.get(knob.name, "the kernel refused it before")
        elif known:
            plan.pending[knob.name] = found
        plan.writes.append(Write(knob, found, retry=known))


def why_not(host: Host, knob: Knob, loads: List[str]) -> str:
    """Why this machine can't take the value, as far as reading tells; empty when it can."""
    module = module_of(knob.name, knob.wanted)
    if module and module in loads:
        return ""  # the key or the value appears with the module
    writable, reason = host.writable(knob.path)
    if not writable:
        hidden = knob.name.startswith("net.") and not host.exists(knob.path)
        return reason + (", or hides it in this network namespace" if hidden else "")
    if knob.style == "choice":
        offered = choices(host.read(knob.path) or "")
        if len(offered) > 1 and knob.wanted not in offered:
            return "this kernel offers only %s" % ", ".join(sorted(offered))
    for kind, file in _OFFERS:
        if knob.name.startswith(kind):
            offered = choices(host.read(knob.path.rsplit("/", 1)[0] + "/" + file) or "")
            if offered and knob.wanted not in offered:
                return "the driver offers only %s" % ", ".join(sorted(offered))
    return ""


def section_of(name: str) -> str:
    """The option a knob belongs to: ``epp.policy0`` to governor, ``irq.40`` to irq_affinity."""
    first = name.split(".")[0]
    return {"epp": "governor", "irq": "irq_affinity"}.get(first, first)


def _plan_release(plan: Plan, host: Host) -> None:
    """Names owned so far and no longer wanted: put the value from before back, unless somebody changed it since."""
    if plan.old is None:
        return
    wanted = {knob.name for knob in plan.resolved.knobs}
    for knob in plan.old.knob_list():
        if knob.name in wanted or {knob.name, section_of(knob.name)} & set(plan.resolved.deferred):
            continue
        before = plan.before.get(knob.name)
        if not plan.live or before is None:
            plan.released[knob.name] = "the kernel's own value comes back with the next boot"
            continue
        now = canonical(host.read(knob.path) or "", knob.style)
        if not same(now, knob.wanted, knob.style):
            plan.released[knob.name] = "left at %s: somebody else changed it" % now if now else "gone from this kernel"
        elif same(before, now, knob.style):
            plan.released[knob.name] = "stays at %s, its value from before" % now
        else:
            plan.released[knob.name] = "put back to %s" % before
            plan.restores.append(Write(replace(knob, wanted=before), now))
