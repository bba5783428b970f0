"""What a run tells its caller: one form for check mode and for real runs."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ._cmdline import DROP_IN
from ._machine import Host
from ._tuning_apply import Outcome
from ._tuning_files import SYSTEM, USER
from ._tuning_model import OwnedFile
from ._tuning_plan import Plan
from ._tuning_record import in_force, state_text
from ._tuning_state import STATE


def shown(owned: Optional[OwnedFile]) -> str:
    """A file's text for a diff; a link as an arrow to its target."""
    if owned is None:
        return ""
    return "-> %s\n" % owned.text if owned.link else owned.text


def predicted(plan: Plan) -> Dict[str, Any]:
    """Live values, modules, swap and files that a run would change."""
    values = {write.knob.name: (write.current, write.knob.wanted) for write in plan.writes if not write.retry}
    values.update({write.knob.name: (write.current, write.knob.wanted) for write in plan.restores})
    return {"values": values, "modules": list(plan.loads), "swapoff": list(plan.swapoff)}


def report(
    plan: Plan, host: Host, outcome: Optional[Outcome], changes: Dict[str, Any], state_before: Optional[str]
) -> Dict[str, Any]:
    """The module's result. ``outcome`` is None in check mode, ``changes`` are the file changes planned or done."""
    done = predicted(plan)
    if outcome is not None:
        done = {"values": outcome.values, "modules": outcome.loaded, "swapoff": outcome.swapoff}
    state_after = state_text(plan) if outcome is None else host.read(STATE)
    state_differs = state_after != state_before
    diff = [
        {"before_header": path, "after_header": path, "before": shown(old), "after": shown(new)}
        for path, (old, new) in sorted(changes.items())
    ]
    live_diff = _live_diff(done)
    if live_diff:
        diff.append(live_diff)
    if state_differs:
        diff.append(
            {
                "before_header": STATE,
                "after_header": STATE,
                "before": "" if state_before is None else "(remembered state)\n",
                "after": "" if state_after is None else "(remembered state, new)\n",
            }
        )
    return {
        "changed": bool(diff),
        "diff": diff,
        "applied": _applied(plan),
        "pending_reboot": _pending(plan),
        "unsupported": dict(sorted(plan.unsupported.items())),
        "released": dict(sorted(plan.released.items())),
        "left": dict(sorted(plan.resolved.left.items())),
        "deferred": list(plan.resolved.deferred),
        "overridden": {key: {"file": file, "value": value} for key, (file, value) in sorted(plan.overridden.items())},
        "drifted": plan.drifted(),
        "files": sorted(changes),
        "cmdline_owned": host.exists(DROP_IN),
        "reexec": bool({SYSTEM, USER} & set(changes)),
    }


def _live_diff(done: Dict[str, Any]) -> Dict[str, str]:
    before: List[str] = ["%s = %s" % (name, pair[0]) for name, pair in sorted(done["values"].items())]
    after: List[str] = ["%s = %s" % (name, pair[1]) for name, pair in sorted(done["values"].items())]
    after += ["module %s loaded" % name for name in done["modules"]]
    before += ["swap on %s" % device for device in done["swapoff"]]
    if not before and not after:
        return {}
    return {
        "before_header": "live values",
        "after_header": "live values",
        "before": "".join(line + "\n" for line in before),
        "after": "".join(line + "\n" for line in after),
    }


def _applied(plan: Plan) -> Dict[str, str]:
    found = {name: knob.wanted for name, knob in in_force(plan).items()}
    found.update({"limits.%s.%s.%s" % (one.domain, one.type, one.item): one.value for one in plan.request.limits})
    found.update({"systemd_limits." + name: str(one.value) for name, one in plan.request.systemd_limits.items()})
    found.update({"read_ahead." + name: str(one.value) for name, one in plan.request.read_ahead.items()})
    found.update({"modules." + name: "loaded at boot" for name in plan.modules})
    return dict(sorted(found.items()))


def _pending(plan: Plan) -> Dict[str, str]:
    """What needs a reboot, and why."""
    if not plan.live:
        return dict.fromkeys(sorted([*in_force(plan), *plan.resolved.deferred]), "set when the image boots")
    found = {
        name: "%s of %s pages now; memory is in pieces, at boot it is not" % (now, in_force(plan)[name].wanted)
        for name, now in plan.pending.items()
    }
    found.update({name: why for name, why in plan.released.items() if "boot" in why})
    return dict(sorted(found.items()))
