"""One whole run from raw options to the result: the module and the on-node program both come through here."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ._machine import Host
from ._tuning_apply import apply_plan
from ._tuning_merge import merge
from ._tuning_model import Problem, Request
from ._tuning_plan import make_plan, refuse_required
from ._tuning_report import report
from ._tuning_state import STATE

SETS = ("sysctl", "thp", "hugepages", "numa_balancing", "governor", "read_ahead", "irq_affinity", "limits") + (
    "systemd_limits",
    "swap",
    "modules",
    "required",
)


def run(options: Mapping[str, Any], check_mode: bool, host: Optional[Host] = None) -> Dict[str, Any]:
    """Make the machine match ``options`` (those of the module), or only say what that would change.

    Raises TuningError: before anything was touched for a set that can't be right, after putting everything back for
    a step that failed.
    """
    host = host or Host(options.get("root") or "/")
    problems: List[Problem] = []
    request = Request()
    if options.get("state", "present") == "present":
        own = {name: options.get(name) for name in SETS}
        request = merge(options.get("profiles") or [], own, problems)
    live = bool(options.get("live", True))
    plan = make_plan(request, host, live, problems)
    state_before = host.read(STATE)
    if check_mode:
        refuse_required(plan)
        return report(plan, host, None, plan.file_changes(), state_before)
    found = dict(plan.found)
    outcome = apply_plan(plan, host)
    wanted = plan.files()
    changes = {path: (found.get(path), wanted.get(path)) for path in outcome.files}
    return report(plan, host, outcome, changes, state_before)
