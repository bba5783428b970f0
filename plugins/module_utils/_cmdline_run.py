"""One run of kernel_cmdline: read, compare, write the drop-in, let grub read it, or put it back."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ._cmdline import DROP_IN, CmdlineError, bare_metal_only, check, pending, render
from ._machine import Host
from ._tuning_facts import read_machine
from ._tuning_model import TuningError


def run(options: Mapping[str, Any], check_mode: bool, host: Optional[Host] = None) -> Dict[str, Any]:
    """Make grub's drop-in hold ``present`` and take out ``absent``; returns the module's result.

    With ``live`` the bootloader's configuration is made again by ``update-grub`` after a change, and parameters that
    only bare metal may have are left out on a virtual machine. Raises CmdlineError.
    """
    host = host or Host(options.get("root") or "/")
    present, absent = list(options.get("present") or []), list(options.get("absent") or [])
    check(present, absent)
    live = bool(options.get("live", True))
    left = _left(present, host) if live else {}
    wanted = render([one for one in present if one not in left], absent)
    before = host.read(DROP_IN) or ""
    if wanted and not host.exists("/etc/default/grub"):
        raise CmdlineError(["%s has no /etc/default/grub: only grub as Debian configures it is supported" % host.root])
    changed = wanted != before
    if changed and not check_mode:
        _write(host, wanted, before, live)
    running = host.read("/proc/cmdline") if live else None
    waiting = pending([one for one in present if one not in left], absent, running) if running is not None else {}
    if not live:
        waiting = dict.fromkeys(present + absent, "set when the image boots")
    return {
        "changed": changed,
        "diff": {"before_header": DROP_IN, "after_header": DROP_IN, "before": before, "after": wanted},
        "path": DROP_IN,
        "left": left,
        "pending_reboot": waiting,
        "update_needed": changed and not live,
    }


def _left(present: Sequence[str], host: Host) -> Dict[str, str]:
    wanted: List[str] = [parameter for parameter in present if bare_metal_only(parameter)]
    if not wanted:
        return {}
    try:
        virtual = read_machine(host).virtual
    except TuningError as exc:
        raise CmdlineError([str(exc)]) from exc
    return dict.fromkeys(wanted, "a virtual machine (%s): its host decides this" % virtual) if virtual else {}


def _write(host: Host, wanted: str, before: str, live: bool) -> None:
    try:
        _put(host, wanted)
    except OSError as exc:
        raise CmdlineError(["%s cannot be written: %s; nothing was changed" % (DROP_IN, exc.strerror)]) from exc
    if not live or not host.running:
        return
    code, said = host.run(["update-grub"], timeout_s=300.0)
    if code == 0:
        return
    _put(host, before)
    raise CmdlineError(["update-grub failed with %d, %s is as before: %s" % (code, DROP_IN, said)])


def _put(host: Host, text: str) -> None:
    if text:
        host.write_file(DROP_IN, text)
    else:
        host.remove(DROP_IN)
