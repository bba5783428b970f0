"""The text of every file a tuning set owns: one drop-in a kind, so that removing a key is leaving it out."""

from __future__ import annotations

import hashlib
from typing import Dict, List, Mapping, Optional

from ._machine import Host
from ._tuning_limits import limits_lines
from ._tuning_model import OwnedFile, Request, Resolved, Setting

SYSCTL = "/etc/sysctl.d/90-gpuforge.conf"
MODULES = "/etc/modules-load.d/90-gpuforge.conf"
TMPFILES = "/etc/tmpfiles.d/90-gpuforge.conf"
UDEV = "/etc/udev/rules.d/90-gpuforge.rules"
LIMITS = "/etc/security/limits.d/90-gpuforge.conf"
SYSTEM = "/etc/systemd/system.conf.d/90-gpuforge.conf"
USER = "/etc/systemd/user.conf.d/90-gpuforge.conf"
UNIT = "/etc/systemd/system/gpuforge-tuning.service"
UNIT_WANTED = "/etc/systemd/system/multi-user.target.wants/gpuforge-tuning.service"
SWAP_TARGET = "/etc/systemd/system/swap.target"
PROGRAM = "/usr/local/bin/gpuforge-node"

HEADER = "# Written by gpuforge (gpuforge.node.kernel_tuning). Edits here are undone by its next run.\n"

#: An NFS mount's backing device is found by its number in the kernel's list; ``$$`` is udev's way to write ``$``.
_NFS_RULE = (
    'SUBSYSTEM=="bdi", ACTION=="add", '
    "PROGRAM=\"/usr/bin/awk -v id=$kernel '$$4 == id {found = 1} END {exit !found}' /proc/fs/nfsfs/volumes\", "
    'ATTR{read_ahead_kb}="%s"'
)
_DISK_RULE = (
    'ACTION=="add|change", SUBSYSTEM=="block", ENV{DEVTYPE}=="disk", '
    'KERNEL=="nvme[0-9]*n[0-9]*|sd[a-z]*|vd[a-z]*|xvd[a-z]*", ATTR{queue/read_ahead_kb}="%s"'
)
_UNIT_TEXT = """[Unit]
Description=Apply the kernel tuning that depends on this machine
ConditionPathExists={program}
After=systemd-modules-load.service systemd-sysctl.service network-online.target
Before=docker.service containerd.service slurmd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} tune --apply

[Install]
WantedBy=multi-user.target
"""


def render(
    request: Request, resolved: Resolved, unsupported: Mapping[str, str], modules: List[str]
) -> Dict[str, OwnedFile]:
    """Every owned file by path. Values the machine refused are left out, with the reason in a comment."""
    found: List[OwnedFile] = []
    for path, lines in (
        (SYSCTL, _sysctl(request, resolved, unsupported)),
        (MODULES, modules),
        (TMPFILES, _tmpfiles(request, resolved, unsupported)),
        (UDEV, _udev(request)),
        (LIMITS, limits_lines(request.limits)),
        (SYSTEM, _manager(request.systemd_limits)),
        (USER, _manager(request.systemd_limits)),
    ):
        if lines:
            found.append(OwnedFile(path, HEADER + "\n".join(lines) + "\n"))
    if needs_boot_unit(resolved):
        found.append(OwnedFile(UNIT, HEADER + _UNIT_TEXT.format(program=PROGRAM)))
        found.append(OwnedFile(UNIT_WANTED, UNIT, link=True))
    if request.swap == "off" and "swap" not in resolved.left and "swap" not in resolved.deferred:
        found.append(OwnedFile(SWAP_TARGET, "/dev/null", link=True))
    return {owned.path: owned for owned in found}


def needs_boot_unit(resolved: Resolved) -> bool:
    """True if something has to be worked out or written again at each boot."""
    return bool(resolved.deferred) or any(knob.volatile for knob in resolved.knobs)


def _why(setting: Setting) -> str:
    source = " [%s]" % setting.source if setting.source else ""
    return " ".join((setting.reason + source).split())


def _rule_text(setting: Setting) -> str:
    if isinstance(setting.value, str):
        return setting.value
    return ", ".join("%s %s" % pair for pair in sorted(setting.value.items()))


def _sysctl(request: Request, resolved: Resolved, unsupported: Mapping[str, str]) -> List[str]:
    lines: List[str] = []
    for key, setting in sorted(request.sysctl.items()):
        if _why(setting):
            lines.append("# " + _why(setting))
        if key in resolved.deferred:
            lines.append("# %s: worked out at boot (%s)" % (key, _rule_text(setting)))
        elif key in resolved.left:
            lines.append("# %s: left as it is: %s" % (key, resolved.left[key]))
        elif key in unsupported:
            lines.append("# %s = %s is not set: %s" % (key, resolved.sysctl[key], _one_line(unsupported[key])))
        else:
            lines.append("%s = %s" % (key, resolved.sysctl[key]))
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _tmpfiles(request: Request, resolved: Resolved, unsupported: Mapping[str, str]) -> List[str]:
    """``w!`` lines: written at boot only, never when a package's installation runs systemd-tmpfiles in a chroot."""
    lines: List[str] = []
    folder = "/sys/kernel/mm/transparent_hugepage/"
    for name, setting in sorted(request.thp.items()):
        path = folder + name.replace("khugepaged_", "khugepaged/")
        if "thp." + name in unsupported:
            lines.append("# %s is not set: %s" % (path, _one_line(unsupported["thp." + name])))
            continue
        if _why(setting):
            lines.append("# " + _why(setting))
        lines.append("w! %s - - - - %s" % (path, setting.value))
    for knob in resolved.knobs:
        if knob.name.split(".")[0] == "hugepages" and knob.name not in unsupported:
            lines.append("w! %s - - - - %s" % (knob.path, knob.wanted))
    for kind, file in (("governor", "scaling_governor"), ("epp", "energy_performance_preference")):
        knobs = [knob for knob in resolved.knobs if knob.name.startswith(kind + ".") and knob.name not in unsupported]
        if knobs:
            lines.append("w! /sys/devices/system/cpu/cpufreq/policy*/%s - - - - %s" % (file, knobs[0].wanted))
    return lines


def _udev(request: Request) -> List[str]:
    lines: List[str] = []
    for name, rule in (("disks_kib", _DISK_RULE), ("nfs_kib", _NFS_RULE)):
        setting = request.read_ahead.get(name)
        if setting is None:
            continue
        if _why(setting):
            lines.append("# " + _why(setting))
        lines.append(rule % setting.value)
    return lines


def _manager(limits: Mapping[str, Setting]) -> List[str]:
    if not limits:
        return []
    return ["[Manager]"] + [
        "DefaultLimit%s=%s" % (name.upper(), setting.value) for name, setting in sorted(limits.items())
    ]


def file_digest(owned: Optional[OwnedFile]) -> str:
    """SHA-256 of a file's text; empty for nothing and for a link."""
    return hashlib.sha256(owned.text.encode()).hexdigest() if owned is not None and not owned.link else ""


def read_owned(host: Host, path: str) -> Optional[OwnedFile]:
    """What lies at the path of an owned file."""
    target = host.readlink(path)
    if target is not None:
        return OwnedFile(path, target, link=True)
    text = host.read(path)
    return OwnedFile(path, text) if text is not None else None
