"""The part of the tuning that is done on the node itself: at boot, and when its values are checked.

An image holds the request, not values of the machine that built it. ``gpuforge-tuning.service`` works them out on each
machine at each boot and remembers them below ``/run``, so that an image moved to another machine type is right there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional

from ._machine import Host
from ._tuning_apply import Outcome, write_values
from ._tuning_facts import read_machine
from ._tuning_model import TuningError
from ._tuning_plan import Plan, plan_writes, refuse_required, section_of
from ._tuning_record import in_force
from ._tuning_resolve import resolve, swaps
from ._tuning_state import BOOT_STATE, STATE, State, knob_entry, load_state, request_from_json
from ._tuning_values import canonical, same


def tune(host: Host, apply: bool = True) -> Dict[str, Any]:
    """Apply what the remembered request put off until boot (``apply=False``: only say what that would change).

    Returns ``changed``, ``values`` ({name: [from, to]}), ``applied``, ``unsupported``, ``left``, ``pending``.
    Raises TuningError when nothing was configured, when the record is damaged, or when a required value is refused;
    values already written by this call are put back then.
    """
    record = load_state(host)
    if record is None:
        raise TuningError("%s is not there: this machine was never tuned (role perf_tuning)" % STATE)
    request = request_from_json(record.request)
    earlier = load_state(host, BOOT_STATE) or State()
    before = {**record.before, **earlier.before}
    resolved = resolve(request, read_machine(host), host, before)
    mine = set(record.deferred)
    resolved.knobs = [
        knob for knob in resolved.knobs if knob.name in mine or section_of(knob.name) in mine or knob.volatile
    ]
    resolved.sysctl = {key: value for key, value in resolved.sysctl.items() if key in mine}
    plan = Plan(request, True, resolved, replace(earlier, sysctl={}), before=before)
    plan_writes(plan, host)
    refuse_required(plan, {write.knob.name for write in plan.writes} if apply else ())
    if "swap" in mine and "swap" not in resolved.left:
        plan.swapoff = swaps(host)
    outcome = write_values(plan, host) if apply else Outcome()
    if apply:
        _remember(plan, host)
    return {
        "changed": bool(outcome.values or outcome.swapoff) if apply else bool(plan.writes or plan.swapoff),
        "values": {name: list(pair) for name, pair in sorted(outcome.values.items())}
        if apply
        else {write.knob.name: [write.current, write.knob.wanted] for write in plan.writes},
        "applied": {name: knob.wanted for name, knob in sorted(in_force(plan).items())},
        "unsupported": dict(sorted(plan.unsupported.items())),
        "left": dict(sorted((name, why) for name, why in resolved.left.items() if name in mine)),
        "pending": dict(sorted(plan.pending.items())),
    }


def _remember(plan: Plan, host: Host) -> None:
    state = State(
        knobs={name: knob_entry(knob) for name, knob in in_force(plan).items()},
        before={name: plan.before[name] for name in sorted(in_force(plan)) if name in plan.before},
        unsupported=dict(plan.unsupported),
        left=dict(plan.resolved.left),
        pending=dict(plan.pending),
    )
    host.write_file(BOOT_STATE, state.text())


@dataclass(frozen=True)
class Finding:
    """One value compared: ``status`` is pass, fail or unknown; ``found`` is None when it can't be read."""

    name: str
    wanted: str
    found: Optional[str]
    status: str
    why: str = ""


def compare(host: Host) -> List[Finding]:
    """Every value the record says is in force against the kernel's, and what was put off until boot with its outcome.

    Raises TuningError when there is no usable record.
    """
    record = load_state(host)
    if record is None:
        raise TuningError("%s is not there: this machine was never tuned" % STATE)
    boot = load_state(host, BOOT_STATE)
    knobs = {knob.name: knob for knob in record.knob_list()}
    pending = dict(record.pending)
    if boot is not None:
        knobs.update({knob.name: knob for knob in boot.knob_list()})
        pending.update(boot.pending)
    found: List[Finding] = []
    for name, knob in sorted(knobs.items()):
        text = host.read(knob.path)
        if text is None:
            found.append(Finding(name, knob.wanted, None, "unknown", "%s cannot be read" % knob.path))
            continue
        value = canonical(text, knob.style)
        if same(value, knob.wanted, knob.style):
            found.append(Finding(name, knob.wanted, value, "pass"))
        else:
            why = "the kernel could not find that many pages" if name in pending else ""
            found.append(Finding(name, knob.wanted, value, "fail", why))
    if record.deferred and boot is None:
        why = "gpuforge-tuning.service has not worked it out on this boot"
        found += [Finding(name, "worked out at boot", None, "unknown", why) for name in record.deferred]
    return found
