"""Work the request out for one machine: every rule becomes a value, a reason to leave things, or waits for boot."""

from __future__ import annotations

import re
from typing import List, Mapping, Optional, Union

from ._machine import Host
from ._tuning_check import THP
from ._tuning_keys import proc_path
from ._tuning_model import Knob, Machine, Request, Resolved
from ._tuning_rules import GIB, Left, hugepages, work_out
from ._tuning_values import canonical, cpu_set

#: What one option comes to on this machine.
Knobs = Union[List[Knob], Left]

_THP_FOLDER = "/sys/kernel/mm/transparent_hugepage/"
_CPUFREQ = "/sys/devices/system/cpu/cpufreq/policy*"
#: Kernel names of whole disks the read-ahead is for; mapped and RAID devices carry their own.
DISKS = re.compile(r"^(nvme\d+n\d+|sd[a-z]+|vd[a-z]+|xvd[a-z]+)$")
#: Drivers whose EPP can't be written while the governor is ``performance`` (Documentation/admin-guide/pm).
_EPP_FIXED = ("intel_pstate", "amd-pstate-epp")
#: PCI class prefixes: display and 3D controllers, Ethernet and InfiniBand, NVM Express.
IRQ_CLASSES = {"gpu": ("0x0300", "0x0302"), "nic": ("0x0200", "0x0207"), "nvme": ("0x0108",)}
NO_VALUE = "the running kernel has no such value"
#: Turning swap off below this much memory (KiB) invites the out-of-memory killer.
SWAP_LEAST = 16 * GIB


def resolve(request: Request, machine: Optional[Machine], host: Host, before: Mapping[str, str]) -> Resolved:
    """Everything wanted on this machine. With no machine (an image) only constants are worked out.

    ``before``: values the kernel had before gpuforge changed them, by name.
    """
    done = Resolved()
    for key, setting in sorted(request.sysctl.items()):
        if isinstance(setting.value, str):
            done.sysctl[key] = setting.value
        elif machine is None:
            done.deferred.append(key)
        else:
            current = before.get(key) or canonical(host.read(proc_path(key)) or "")
            value = work_out(setting.value, machine, current) if current else Left(NO_VALUE)
            if isinstance(value, Left):
                done.left[key] = value.reason
            else:
                done.sysctl[key] = value
    done.knobs += [Knob(key, proc_path(key), value) for key, value in done.sysctl.items()]
    done.knobs += thp_knobs(request)
    if machine is not None:
        done.knobs += _read_ahead(request, host)
    for name, wanted, work in (
        ("hugepages", request.hugepages, _hugepages),
        ("governor", request.governor, _governor),
        ("irq_affinity", request.irq_affinity, _irq),
        ("swap", request.swap == "off", _swap),
    ):
        if not wanted:
            continue
        if machine is None:
            done.deferred.append(name)
            continue
        outcome = work(request, machine, host)
        if isinstance(outcome, Left):
            done.left[name] = outcome.reason
        else:
            done.knobs += outcome
    return done


def thp_knobs(request: Request) -> List[Knob]:
    """Transparent huge pages: one file each."""
    assert set(request.thp) <= set(THP)
    return [
        Knob("thp." + name, _THP_FOLDER + name.replace("khugepaged_", "khugepaged/"), str(setting.value), "choice")
        for name, setting in sorted(request.thp.items())
    ]


def _hugepages(request: Request, machine: Machine, _host: Host) -> Knobs:
    pages = hugepages(request.hugepages, machine)
    if isinstance(pages, Left):
        return pages
    size = "hugepages-%dkB/nr_hugepages" % request.hugepages["size_kib"]
    knobs = []
    for node, count in sorted(pages.items()):
        folder = "/sys/kernel/mm/hugepages/" if node < 0 else "/sys/devices/system/node/node%d/hugepages/" % node
        knobs.append(Knob("hugepages" if node < 0 else "hugepages.node%d" % node, folder + size, str(count), "pages"))
    return knobs


def _governor(request: Request, machine: Machine, host: Host) -> Knobs:
    if machine.virtual:
        return Left("a virtual machine (%s): its host rules the frequency" % machine.virtual)
    policies = host.glob(_CPUFREQ)
    if not policies:
        return Left("this kernel has no frequency control")
    governor, epp = request.governor.get("governor"), request.governor.get("epp")
    knobs = []
    for policy in policies:
        name = policy.rsplit("/", 1)[1]
        if governor is not None:
            knobs.append(Knob("governor." + name, policy + "/scaling_governor", str(governor.value)))
        fixed = governor is not None and governor.value == "performance"
        if epp is not None and not (fixed and canonical(host.read(policy + "/scaling_driver") or "") in _EPP_FIXED):
            knobs.append(Knob("epp." + name, policy + "/energy_performance_preference", str(epp.value)))
    return knobs


def _read_ahead(request: Request, host: Host) -> List[Knob]:
    wanted = request.read_ahead.get("disks_kib")
    if wanted is None:
        return []
    names = [path.rsplit("/", 1)[1] for path in host.glob("/sys/block/*")]
    return [
        Knob("read_ahead." + name, "/sys/block/%s/queue/read_ahead_kb" % name, str(wanted.value))
        for name in names
        if DISKS.match(name)
    ]


def _irq(request: Request, machine: Machine, host: Host) -> Knobs:
    if machine.virtual:
        return Left("a virtual machine (%s)" % machine.virtual)
    if machine.numa < 2:
        return Left("one NUMA node: every CPU is equally near")
    if host.exists("/run/irqbalance"):
        return Left("irqbalance runs here and keeps interrupts on their node by itself")
    classes = tuple(prefix for kind in request.irq_affinity for prefix in IRQ_CLASSES[kind])
    knobs = []
    for device in host.glob("/sys/bus/pci/devices/*"):
        if not canonical(host.read(device + "/class") or "").startswith(classes):
            continue
        node = canonical(host.read(device + "/numa_node") or "-1")
        near = canonical(host.read(device + "/local_cpulist") or "")
        if node.startswith("-") or not near or not cpu_set(near):
            continue
        for irq in host.glob(device + "/msi_irqs/*"):
            number = irq.rsplit("/", 1)[1]
            path = "/proc/irq/%s/smp_affinity_list" % number
            if host.exists(path):
                knobs.append(Knob("irq." + number, path, near, "cpulist", volatile=True))
    return knobs


def _swap(_request: Request, machine: Machine, _host: Host) -> Knobs:
    if machine.ram_kib < SWAP_LEAST:
        return Left("less than 16 GiB of memory: without swap the first peak kills processes")
    return []


def swaps(host: Host) -> List[str]:
    """Swap devices and files in use."""
    return [line.split()[0] for line in (host.read("/proc/swaps") or "").splitlines()[1:] if line.strip()]
