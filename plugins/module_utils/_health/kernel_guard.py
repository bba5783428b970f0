# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``driver`` about what the kernel guard looks after: the default kernel and the signer."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from .._kernel_guard import REMEDY, GuardError, Settings, objection
from .._kernel_guard_tree import SETTINGS, read_decision, read_settings, read_states, signatures_enforced
from .._kernel_modules import Run
from .driver import where_it_matters
from .kernel import boot_kernel
from .machine import Machine, ProgramError
from .model import CRITICAL, WARNING, Check, Outcome, failed, passed, skipped, unknown

_NO_GUARD = f"no {SETTINGS}: the role nvidia_driver was not told to guard this machine"


def _runner(machine: Machine) -> Optional[Run]:
    if not machine.live:
        return None

    def run(argv: Sequence[str]) -> Tuple[int, str]:
        try:
            ran = machine.run(argv)
        except ProgramError as exc:
            return 127, str(exc)
        return ran.code, ran.out + ran.err

    return run


@where_it_matters
def _guarded(machine: Machine) -> Outcome:
    try:
        if read_settings(machine.tree.root) is None:
            return skipped(_NO_GUARD)
        decision = read_decision(machine.tree.root, _runner(machine))
    except GuardError as exc:
        return unknown(str(exc), "settings of the guard", "Run site.yml with the tag nvidia_driver.")
    if not decision.default:
        return skipped("no kernel is installed, see driver.kernel")
    expected = "the newest kernel is the default and has its driver"
    words = "; ".join(f"{release}: {why}" for release, why in decision.refused)
    if not decision.good:
        return failed(f"no kernel has a driver that may be loaded: {words}", expected)
    boots = boot_kernel(machine)
    if boots in dict(decision.refused):
        return failed(
            f"GRUB boots {boots}, which must wait ({words})",
            expected,
            "`gpuforge-node kernel-guard --apply` makes "
            f"{decision.default} the default; where it says that something else decides, look there.",
        )
    if decision.refused:
        return failed(f"{decision.default} stays the default; held back: {words}", expected)
    return passed(f"{decision.default} is the newest and has its driver", expected)


@where_it_matters
def _signed(machine: Machine) -> Outcome:
    try:
        settings = read_settings(machine.tree.root)
    except GuardError as exc:
        return unknown(str(exc), "settings of the guard", "Run site.yml with the tag nvidia_driver.")
    if settings is None:
        return skipped(_NO_GUARD)
    enforced = machine.live and signatures_enforced(machine.tree.root)
    if settings.signing == "off" and not enforced:
        return skipped("modules are not signed here (nvidia_driver_secure_boot: off)")
    if settings.signing == "auto" and settings.signer is None and not enforced:
        return skipped("no key was given to sign modules with, and the kernel does not ask for signatures")
    release = boot_kernel(machine)
    state = next((one for one in read_states(machine.tree.root, _runner(machine)) if one.release == release), None)
    if state is None or not state.module:
        return skipped("the kernel that boots next has no NVIDIA module, see driver.module")
    wanted = settings.signer.signer if settings.signer else "any key that the machine trusts"
    why = objection(state, Settings("required", settings.signer), True)
    if not why:
        return passed(f"{state.module} signed by {state.signature.signer if state.signature else ''}", wanted)
    if machine.live and not enforced and settings.signing == "auto":
        return skipped(f"{why}; this machine does not ask for signatures (Secure Boot is off)")
    return failed(why, wanted)


CHECKS = (
    Check(
        "driver.kernel_guard", "no kernel is held back for want of its driver", WARNING, f"Remedy: {REMEDY}.", _guarded
    ),
    Check(
        "driver.signature",
        "the module is signed with the key that the machine is meant to trust",
        CRITICAL,
        "With Secure Boot the kernel refuses this module. Rebuild it with the right key (`dkms remove`, `dkms install` "
        "for that kernel), or bake the image anew; `mokutil --list-enrolled` shows the keys that the machine trusts.",
        _signed,
    ),
)
