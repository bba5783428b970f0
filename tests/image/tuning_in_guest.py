"""Run inside the guest as root: the tuning on a kernel of its own, told as JSON on standard output.

    PYTHONPATH=/opt/gpuforge-test python3 tuning_in_guest.py steps|small PROFILES.json

``cores`` are the collection's module_utils files of the tuning, put beside this file by the test.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from cores._machine import Host
from cores._tuning_boot import compare
from cores._tuning_model import TuningError
from cores._tuning_run import run

LIVE = {
    "sysctl": {
        "vm.swappiness": 7,
        "vm.dirty_bytes": 8388608,
        "kernel.numa_balancing": 0,
        "net.core.rmem_max": 4194304,
        "net.ipv4.tcp_congestion_control": "bbr",
        "sunrpc.tcp_max_slot_table_entries": 100,
        "vm.mmap_rnd_bits": 99,  # the kernel takes 28 to 32
        "vm.legacy_va_layout": 1,
    },
    "thp": {"enabled": "never"},
    "hugepages": {"nodes": {"0": 2.0, "1": 4.0}, "min_ram_gib": 1},
    "governor": {"governor": "performance"},
    "irq_affinity": ["nic", "nvme"],
}
KEYS = [*LIVE["sysctl"], "vm.dirty_ratio"]


def text(path):
    return " ".join((Host().read(path) or "(none)").split())


def values():
    """Live values by themselves, read without the code that is being tested."""
    found = {key: text("/proc/sys/" + key.replace(".", "/")) for key in KEYS}
    found["thp"] = text("/sys/kernel/mm/transparent_hugepage/enabled")
    for node in (0, 1):
        folder = "/sys/devices/system/node/node%d/" % node
        found["pages%d" % node] = text(folder + "hugepages/hugepages-2048kB/nr_hugepages")
        found["kib%d" % node] = re.search(r"MemTotal:\s+(\d+)", text(folder + "meminfo")).group(1)
    return found


def tune(options, check_mode=False):
    try:
        return run(options, check_mode, Host())
    except TuningError as exc:
        return {"failed": str(exc)}


def available_kib():
    return int(re.search(r"MemAvailable:\s+(\d+)", Host().read("/proc/meminfo")).group(1))


def steps():
    """As baked; then tuned live, twice; then as a boot would set it from the files; then absent."""
    told = {"booted": [vars(found) for found in compare(Host())], "cmdline": text("/proc/cmdline")}
    told["before"] = values()
    told["first"] = tune(LIVE)
    told["after_first"] = values()
    told["again"] = tune(LIVE)
    told["compare"] = [vars(found) for found in compare(Host()) if found.status != "pass"]
    told["refused"] = tune({**LIVE, "required": ["vm.mmap_rnd_bits"], "sysctl": {**LIVE["sysctl"], "vm.swappiness": 9}})
    told["after_refused"] = values()
    for key, value in (("vm/swappiness", "60"), ("net/core/rmem_max", "212992")):
        Host().write_value("/proc/sys/" + key, value)
    Host().write_value("/sys/kernel/mm/transparent_hugepage/enabled", "madvise")
    told["programs"] = [
        subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
        for argv in (["/lib/systemd/systemd-sysctl"], ["systemd-tmpfiles", "--create", "--boot", "--prefix=/sys"])
    ]
    told["as_after_a_boot"] = values()
    told["absent"] = tune({"state": "absent"})
    told["after_absent"] = values()
    return told


def small(profiles):
    """Each profile by itself on this machine: what it took, and the memory left."""
    told = {}
    for name, profile in profiles.items():
        before = available_kib()
        done = tune({"profiles": [profile]})
        told[name] = {"before": before, "after": available_kib(), "result": done}
        tune({"state": "absent"})
    return told


if __name__ == "__main__":
    if sys.argv[1] == "steps":
        json.dump(steps(), sys.stdout)
    else:
        json.dump(small(json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))), sys.stdout)
