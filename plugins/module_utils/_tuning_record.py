"""From a plan to the record of it: what is in force when the plan is done."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from ._tuning_files import file_digest
from ._tuning_keys_kernel import COUNTERPARTS
from ._tuning_model import Knob
from ._tuning_plan import Plan
from ._tuning_state import STATE, State, knob_entry, request_to_json


def in_force(plan: Plan) -> Dict[str, Knob]:
    """Values the kernel holds when the plan is done, or will hold at boot, by name."""
    return {knob.name: knob for knob in plan.resolved.knobs if knob.name not in plan.unsupported}


def own_folders(plan: Plan) -> List[str]:
    """Folders that were not there before us and hold one of our files when the plan is done."""
    made = plan.folders | set(plan.old.folders if plan.old is not None else ())
    held = [] if plan.request.empty else [*plan.files(), STATE]
    return sorted(folder for folder in made if any(path.startswith(folder + "/") for path in held))


def state_text(plan: Plan, replaced: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """Text of the state file when the plan is done; None when nothing is owned any more."""
    if plan.request.empty:
        return None
    kept = plan.old.replaced if replaced is None and plan.old is not None else replaced
    return _new_state(plan, in_force(plan), kept or {}).text()


def _new_state(plan: Plan, holding: Mapping[str, Knob], replaced: Mapping[str, str]) -> State:
    static = {key: value for key, value in plan.resolved.sysctl.items() if key not in plan.unsupported}
    names = set(holding)
    kept = names | {COUNTERPARTS[name] for name in names if name in COUNTERPARTS}
    files = plan.files()
    return State(
        sysctl=static,
        thp={
            name.replace("khugepaged_", "khugepaged/"): str(value.value)
            for name, value in plan.request.thp.items()
            if "thp." + name not in plan.unsupported
        },
        hugepages={name: knob.wanted for name, knob in holding.items() if name.startswith("hugepages")},
        governor=next((knob.wanted for name, knob in holding.items() if name.startswith("governor.")), ""),
        limits=[vars(limit).copy() for limit in plan.request.limits],
        files={path: file_digest(owned) for path, owned in files.items() if not owned.link},
        folders=own_folders(plan),
        links={path: owned.text for path, owned in files.items() if owned.link},
        unsupported=dict(plan.unsupported),
        left=dict(plan.resolved.left),
        knobs={name: knob_entry(knob) for name, knob in holding.items() if not knob.volatile},
        before={name: value for name, value in plan.before.items() if name in kept},
        replaced={path: text for path, text in replaced.items() if path in files},
        refused={write.knob.name: write.knob.wanted for write in plan.writes if write.knob.name in plan.unsupported},
        pending=dict(plan.pending),
        deferred=list(plan.resolved.deferred),
        request=request_to_json(plan.request),
    )
