# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Exchanges the loaded NVIDIA driver for the installed one without a reboot, or puts everything back."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from ._driver_live import (
    CURRENT,
    LOAD,
    REBOOT,
    SWITCH,
    Decision,
    State,
    blockers,
    decide,
    in_use,
    installed_version,
    order,
    read_state,
)
from ._machine import Host

_ASK_S, _LOAD_S, _UNIT_S = 30.0, 300.0, 180.0  # eight GPUs take a minute to come up


class SwitchError(Exception):
    """A module could not be loaded; the message has the kernel's lines."""


def ensure_running(
    host: Host, module: str, services: Sequence[str], built_for: Sequence[str] = (), check_mode: bool = False
) -> Dict[str, Any]:
    """Make the installed driver the one that runs, where that needs no reboot, and return the module's result.

    :param module: the name that modprobe knows the main module by.
    :raises SwitchError: the driver is not loaded now.
    """
    state = _read(host, module)
    decision = decide(state, services, built_for)
    changed = decision.action in (LOAD, SWITCH)
    if changed and not check_mode:
        if decision.action == LOAD:
            _load(host, ["nvidia"])
        else:
            decision = _switch(host, module, decision, services)
            changed = decision.action == SWITCH
    return {
        "changed": changed,
        "action": decision.action,
        "reasons": list(decision.reasons),
        "before": state.loaded,
        "loaded": state.loaded if check_mode or not changed else state.installed,
        "installed": state.installed,
        "gpus": list(state.gpus),
        "holders": [holder._asdict() for holder in state.holders],
    }


def _read(host: Host, module: str) -> State:
    return read_state(host, installed_version(_modinfo(host, module, "version")), _modinfo(host, module, "srcversion"))


def _modinfo(host: Host, module: str, key: str) -> str:
    code, text = host.run(["modinfo", "-F", key, module], _ASK_S)
    return "" if code else text.strip()


def _switch(host: Host, module: str, decision: Decision, services: Sequence[str]) -> Decision:
    stopped: List[str] = []
    wrong: List[str] = []
    try:
        for unit in services:
            if host.run(["systemctl", "is-active", "--quiet", unit], _ASK_S)[0] == 0:
                stopped.append(unit)
                # One that does not stop still has a GPU open, which is found next.
                host.run(["systemctl", "stop", unit], _UNIT_S)
        decision = _exchange(host, module, decision, services)
    except SwitchError as exc:
        wrong.append(str(exc))
    finally:
        for unit in reversed(stopped):
            code, text = host.run(["systemctl", "start", unit], _UNIT_S)
            if code:
                wrong.append("%s was stopped for it and does not start again: %s" % (unit, text))
    if wrong:
        raise SwitchError("; ".join(wrong))
    return decision


def _exchange(host: Host, module: str, decision: Decision, services: Sequence[str]) -> Decision:
    # Whoever came in the meantime, or did not end with its service.
    now = _read(host, module)
    blocked = blockers(now, ()) or in_use(now) or _unload(host, now)
    if blocked:
        return Decision(REBOOT, (decision.reasons[0], *blocked))
    _load(host, list(reversed(order(now))))
    after = decide(_read(host, module), services)
    if after.action != CURRENT:
        raise SwitchError("after it was exchanged: %s" % "; ".join(after.reasons))
    return decision


def _unload(host: Host, state: State) -> List[str]:
    """Unload NVIDIA's modules. Where one stays, the others come back, and the reason is returned."""
    gone: List[str] = []
    for name in order(state):
        code, text = host.run(["rmmod", name], _ASK_S)
        if code:
            # Those that are gone are of the old driver, and so is what stays: the new ones do not fit it. The kernel
            # refuses them, and a reboot is needed anyway.
            return ["%s cannot be unloaded: %s" % (name, text or "exit code %d" % code), *_gone(gone)]
        gone.append(name)
    return []


def _gone(names: Sequence[str]) -> List[str]:
    return ["until then there is no %s" % ", ".join(names)] if names else []


def _load(host: Host, names: Sequence[str]) -> None:
    for name in names:
        code, text = host.run(["modprobe", name], _LOAD_S)
        if code:
            raise SwitchError("modprobe %s failed: %s" % (name, text or "exit code %d" % code))
