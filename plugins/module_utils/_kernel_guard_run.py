# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Makes GRUB boot what the kernel guard decided, by one drop-in of /etc/default/grub.d."""

from __future__ import annotations

from dataclasses import dataclass

from ._grub_default import CONFIG, DROP_IN, GRUB, drop_in
from ._kernel_guard import Decision, GuardError
from ._kernel_guard_tree import boot_kernel, read_decision
from ._kernel_modules import Run
from ._machine import Host

_UPDATE_GRUB_S = 300.0


@dataclass(frozen=True)
class Applied:
    """What was decided, and what was done for it."""

    decision: Decision
    changed: bool


def guard(host: Host, *, apply: bool, grub_follows: bool = False) -> Applied:
    """Decide, and write the drop-in (``apply``).

    :param grub_follows: the caller renews grub.cfg afterwards, as the kernel packages' scripts do.
    :raises GuardError: there is no guard here, or GRUB did not take the default.
    """
    run: Run = host.run
    decision = read_decision(host.root, run if host.running else None)
    # Another boot loader's default is not set by a file of GRUB's; the report still says what must wait.
    wanted = drop_in(decision.hold) if decision.hold and host.exists(GRUB) else ""
    changed = wanted != (host.read(DROP_IN) or "")
    if not apply:
        return Applied(decision, changed)
    if changed:
        if wanted:
            host.write_file(DROP_IN, wanted)
        else:
            host.remove(DROP_IN)
    if host.running and not grub_follows and decision.good and host.exists(CONFIG):
        changed = _renew(host, decision, changed) or changed
    return Applied(decision, changed)


def _renew(host: Host, decision: Decision, changed: bool) -> bool:
    """Let GRUB read its settings again where the drop-in changed or a kernel that must wait would boot; whether it had
    to.

    An older kernel that somebody chose in /etc/default/grub stays chosen.
    """
    refused = {release for release, _why in decision.refused}
    if not changed and boot_kernel(host.root) not in refused:
        return False
    code, said = host.run(["update-grub"], _UPDATE_GRUB_S)
    if code:
        raise GuardError("update-grub ended with %d, so the default kernel is not set: %s" % (code, said[-500:]))
    booted = boot_kernel(host.root)
    if booted in refused:
        raise GuardError(
            "GRUB would boot %s, which must wait, instead of %s: something sorts after %s and sets GRUB_DEFAULT"
            % (booted, decision.default, DROP_IN)
        )
    return True
