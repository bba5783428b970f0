"""Carry a plan out, one value at a time, and put everything back if it can't be finished.

Order: remember the values from before, load modules, write live values and read each back, then write the files (so
that no value is kept for the next boot which this kernel refuses), then remember the result. A run killed anywhere is
completed by the next one, which compares again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from ._machine import Host
from ._tuning_files import read_owned
from ._tuning_keys import module_of, proc_path
from ._tuning_keys_kernel import COUNTERPARTS
from ._tuning_model import Knob, OwnedFile, TuningError
from ._tuning_plan import Plan, Write, owned_paths, refuse_required
from ._tuning_record import in_force, own_folders, state_text
from ._tuning_state import BOOT_STATE, STATE, State, knob_entry
from ._tuning_values import canonical, same

SYSTEM_CALL_HINTS = {
    1: "the kernel does not permit it (an immutable file, or a container)",
    13: "no permission",
    22: "the kernel refuses this value",
    28: "no space left on the file system",
    30: "the file system is read-only",
}


@dataclass
class Outcome:
    """What a run did: values written (name → from, to), modules loaded, files changed."""

    values: Dict[str, Tuple[str, str]] = field(default_factory=dict)
    loaded: List[str] = field(default_factory=list)
    files: List[str] = field(default_factory=list)
    swapoff: List[str] = field(default_factory=list)
    state_changed: bool = False

    @property
    def changed(self) -> bool:
        """True if anything on the machine is different now."""
        return bool(self.values or self.loaded or self.files or self.swapoff or self.state_changed)


class _Undo:
    """Steps that take back what was done, last first."""

    def __init__(self) -> None:
        self._steps: List[Tuple[str, Callable[[], None]]] = []

    def add(self, what: str, step: Callable[[], None]) -> None:
        self._steps.append((what, step))

    def run(self) -> List[str]:
        """Take everything back; returns what could not be."""
        stuck: List[str] = []
        while self._steps:
            what, step = self._steps.pop()
            try:
                step()
            except (OSError, TuningError) as exc:
                stuck.append("%s (%s)" % (what, exc))
        return stuck


def explain(exc: OSError) -> str:
    """An operating system error with what it means here."""
    hint = SYSTEM_CALL_HINTS.get(exc.errno or 0, "")
    return "%s%s" % (exc.strerror or str(exc), ": " + hint if hint else "")


def apply_plan(plan: Plan, host: Host) -> Outcome:
    """Carry the plan out. Raises TuningError after everything was put back (or says what could not be)."""

    def steps(undo: _Undo, outcome: Outcome) -> None:
        for folder in sorted(plan.folders):
            undo.add(folder, lambda folder=folder: host.remove_folder(folder))  # type: ignore[misc]
        _remember_before(plan, host, undo)
        _load_modules(plan, host, undo, outcome)
        _write_all(plan, host, undo, outcome)
        for write in plan.restores:
            _restore(plan, host, write, undo, outcome)
        _swap_off(plan, host, undo, outcome)
        replaced = _write_files(plan, host, undo, outcome)
        _remember(plan, host, replaced, undo, outcome)
        for folder in sorted(
            set(plan.old.folders if plan.old is not None else ()) - set(own_folders(plan)), reverse=True
        ):
            host.remove_folder(folder)

    return _all_or_nothing(steps)


def write_values(plan: Plan, host: Host) -> Outcome:
    """Only the live values of the plan, with the same promise."""

    def steps(undo: _Undo, outcome: Outcome) -> None:
        _write_all(plan, host, undo, outcome)
        _swap_off(plan, host, undo, outcome)

    return _all_or_nothing(steps)


def _all_or_nothing(steps: Callable[[_Undo, Outcome], None]) -> Outcome:
    undo = _Undo()
    outcome = Outcome()
    try:
        steps(undo, outcome)
    except BaseException as exc:
        stuck = undo.run()
        what = explain(exc) if isinstance(exc, OSError) else str(exc)
        where = " at %s" % exc.filename if isinstance(exc, OSError) and exc.filename else ""
        tail = "; everything was put back" if not stuck else "; could NOT be put back: " + ", ".join(stuck)
        if isinstance(exc, (OSError, TuningError)):
            raise TuningError("%s%s%s" % (what, where, tail)) from exc
        raise
    return outcome


def _write_all(plan: Plan, host: Host, undo: _Undo, outcome: Outcome) -> None:
    for write in plan.writes:
        _write(plan, host, write, undo, outcome)
    refuse_required(plan)


def _put_text(host: Host, path: str, text: Optional[str]) -> None:
    if host.read(path) == text:
        return
    if text is None:
        host.remove(path)
    else:
        host.write_file(path, text)


def _remember_before(plan: Plan, host: Host, undo: _Undo) -> None:
    """Values from before must be on disk before the first of them is overwritten."""
    old = plan.old or State()
    known = all(name in old.before for name in plan.before) and plan.folders <= set(old.folders)
    if not plan.live or known or plan.request.empty:
        return
    text = host.read(STATE)
    intent = State(**{**vars(old), "before": {**plan.before}, "folders": sorted(plan.folders | set(old.folders))})
    undo.add(STATE, lambda: _put_text(host, STATE, text))
    host.write_file(STATE, intent.text())


def _load_modules(plan: Plan, host: Host, undo: _Undo, outcome: Outcome) -> None:
    for name in plan.loads:
        code, said = host.run(["modprobe", name])
        if code == 0:
            outcome.loaded.append(name)
            undo.add("module " + name, lambda name=name: _unload(host, name))  # type: ignore[misc]
            continue
        reason = "the module %s cannot be loaded: %s" % (name, said or "modprobe exit %d" % code)
        plan.modules.remove(name)
        plan.unsupported["modules." + name] = reason


def _unload(host: Host, name: str) -> None:
    code, said = host.run(["modprobe", "-r", name])
    if code != 0:
        raise TuningError(said)


def _write(plan: Plan, host: Host, write: Write, undo: _Undo, outcome: Outcome) -> None:
    """Write one value and read it back; a refusal is a reason, not an end."""
    knob = write.knob
    missing = plan.unsupported.get("modules." + module_of(knob.name, knob.wanted))
    if missing is not None:
        plan.unsupported[knob.name] = missing
        return
    try:
        host.write_value(knob.path, knob.wanted)
    except OSError as exc:
        plan.unsupported[knob.name] = "the kernel answered %s" % explain(exc)
        return
    undo.add(knob.name, lambda: put_back(host, plan.before, knob, write.current))
    found = canonical(host.read(knob.path) or "", knob.style)
    if same(found, knob.wanted, knob.style):
        plan.unsupported.pop(knob.name, None)
        plan.pending.pop(knob.name, None)
        outcome.values[knob.name] = (write.current, found)
    elif knob.style == "pages" and found.isdecimal():
        plan.pending[knob.name] = found
        if found != write.current:
            outcome.values[knob.name] = (write.current, found)
    else:
        plan.unsupported[knob.name] = "written without an error, but the kernel holds %s instead of %s" % (
            found,
            knob.wanted,
        )
        if found != write.current:
            put_back(host, plan.before, knob, write.current)


def put_back(host: Host, before: Mapping[str, str], knob: Knob, value: str) -> None:
    """Write an earlier value; where 0 can't be written because its counterpart ruled, write the counterpart's."""
    other = COUNTERPARTS.get(knob.name)
    if other is not None and value == "0" and before.get(other):
        host.write_value(proc_path(other), before[other])
    else:
        host.write_value(knob.path, value)


def _restore(plan: Plan, host: Host, write: Write, undo: _Undo, outcome: Outcome) -> None:
    """Give a released value back; where the kernel refuses, say so and go on."""
    try:
        put_back(host, plan.before, write.knob, write.knob.wanted)
    except OSError as exc:
        plan.released[write.knob.name] = "stays at %s until reboot: %s" % (write.current, explain(exc))
        return
    undo.add(write.knob.name, lambda: host.write_value(write.knob.path, write.current))
    outcome.values[write.knob.name] = (write.current, write.knob.wanted)


def _swap_off(plan: Plan, host: Host, undo: _Undo, outcome: Outcome) -> None:
    for device in plan.swapoff:
        if not host.running:
            plan.unsupported["swap"] = "swap of another root cannot be turned off"
            return
        code, said = host.run(["swapoff", device], timeout_s=600.0)
        if code != 0:
            plan.unsupported["swap"] = "swapoff %s: %s" % (device, said)
            continue
        undo.add("swap " + device, lambda device=device: _swap_on(host, device))  # type: ignore[misc]
        outcome.swapoff.append(device)


def _swap_on(host: Host, device: str) -> None:
    code, said = host.run(["swapon", device])
    if code != 0:
        raise TuningError(said)


def _write_files(plan: Plan, host: Host, undo: _Undo, outcome: Outcome) -> Dict[str, str]:
    """Write what differs; returns texts of files that were somebody else's before, by path."""
    replaced = dict(plan.old.replaced) if plan.old is not None else {}
    owned = owned_paths(plan.old)
    for path, (found, wanted) in plan.file_changes().items():
        if found is not None and not found.link and path not in owned and wanted is not None:
            replaced[path] = found.text
        undo.add(path, lambda path=path, found=found: _put(host, path, found))  # type: ignore[misc]
        _put(host, path, wanted)
        outcome.files.append(path)
    return replaced


def _put(host: Host, path: str, owned: Optional[OwnedFile]) -> None:
    if read_owned(host, path) == owned:
        return
    if owned is None:
        host.remove(path)
    elif owned.link:
        host.write_link(path, owned.text)
    else:
        if host.readlink(path) is not None:
            host.remove(path)
        host.write_file(path, owned.text)


def _remember(plan: Plan, host: Host, replaced: Mapping[str, str], undo: _Undo, outcome: Outcome) -> None:
    text = state_text(plan, replaced)
    found = host.read(STATE)
    if text != found:
        undo.add(STATE, lambda: _put_text(host, STATE, found))
        _put_text(host, STATE, text)
        outcome.state_changed = True
    volatile = State(knobs={name: knob_entry(knob) for name, knob in in_force(plan).items() if knob.volatile})
    if volatile.knobs:
        host.write_file(BOOT_STATE, volatile.text())
    elif plan.live:
        host.remove(BOOT_STATE)
