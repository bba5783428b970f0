"""Our topology beside that of independent readers: lscpu --sysroot and hwloc-ls --input.

Each disagreement must be of a kind explained in docs/facts-disagreements.md; each kind told there must still occur.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._sysfs import format_cpulist, parse_cpulist, parse_cpumask
from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    REPO,
    captures,
    known,
    unpacked,
)

PAGE = REPO / "docs" / "facts-disagreements.md"
KINDS = {
    "no-cpuinfo",
    "no-cpu-lists",
    "no-proc",
    "stale-cpulist",
    "no-numa",
    "no-meminfo",
    "memory-only",
    "shared-cpus",
}


def lscpu(root: Path) -> tuple[dict[int, str], str] | None:
    """Return node -> CPUs and the online CPUs, or None when lscpu cannot read the tree."""
    done = subprocess.run(
        ["lscpu", "--sysroot", str(root)], capture_output=True, text=True, env=dict(os.environ, LC_ALL="C"), check=False
    )
    if done.returncode:
        return None
    nodes = {
        int(number): format_cpulist(parse_cpulist(cpus))
        for number, cpus in re.findall(r"^NUMA node(\d+) CPU\(s\):[ \t]*([\d,-]*)$", done.stdout, re.MULTILINE)
    }
    online = re.search(r"^On-line CPU\(s\) list:\s*(\S+)", done.stdout, re.MULTILINE)
    return nodes, format_cpulist(parse_cpulist(online.group(1))) if online else ""


def hwloc(root: Path) -> tuple[dict[int, tuple[str, int]], set[str]] | None:
    """Return node -> (CPUs, MiB) and the network adapters, or None when hwloc cannot read the tree."""
    done = subprocess.run(
        ["hwloc-ls", "--input", str(root), "--whole-io", "--disallowed", "--of", "xml"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, HWLOC_COMPONENTS="linux,stop"),
    )
    if done.returncode or not done.stdout:
        return None
    nodes, nics = {}, set()
    for element in ET.fromstring(done.stdout).iter("object"):
        if element.get("type") == "NUMANode":
            cpus = parse_cpumask(
                ",".join(word or "0" for word in element.get("cpuset", "0").replace("0x", "").split(","))
            )
            nodes[int(element.get("os_index", -1))] = format_cpulist(cpus), int(element.get("local_memory") or 0) >> 20
        elif element.get("type") == "PCIDev" and re.match(r"02|0c06", element.get("pci_type", "")):
            nics.add(element.get("pci_busid", ""))
    return nodes, nics


def disagreements(root: Path) -> list[tuple[str, str, str]]:
    """Return (kind, reader, detail) for each point where a reader and we differ; an unexplained one has kind ''."""
    facts = read_topology(str(root))
    ours = {node["id"]: node for node in facts["numa_nodes"]}
    found: list[tuple[str, str, str]] = []
    theirs = lscpu(root)
    if theirs is None:
        kind = (
            "no-cpuinfo"
            if not (root / "proc/cpuinfo").exists()
            else ("no-cpu-lists" if not (root / "sys/devices/system/cpu/possible").exists() else "")
        )
        found.append((kind, "lscpu", "does not read the tree"))
    else:
        for number in sorted(set(theirs[0]) | set(ours)):
            node = ours.get(number)
            cpus = node["cpus"] if node else None
            if cpus != theirs[0].get(number):
                stale = any(
                    problem["id"] == "offline-cpus" and problem["subject"] == f"node{number}"
                    for problem in facts["problems"]
                )
                found.append(
                    ("stale-cpulist" if stale else "", "lscpu", f"node {number}: {theirs[0].get(number)}, we {cpus}")
                )
        if theirs[1] and theirs[1] != facts["cpus_online"]:
            found.append(("", "lscpu", f"online {theirs[1]}, we {facts['cpus_online']}"))
    return found + _against_hwloc(root, facts, ours)


def _against_hwloc(root: Path, facts: Any, ours: dict[int, Any]) -> list[tuple[str, str, str]]:
    theirs = hwloc(root)
    if theirs is None:
        # hwloc knows a root folder by its proc/ and sys/.
        return [("no-proc" if not (root / "proc").is_dir() else "", "hwloc", "does not read the tree")]
    found = []
    nodes, nics = theirs
    owners: dict[int, int] = {}
    for node in ours.values():
        for cpu in parse_cpulist(node["cpus"]):
            owners[cpu] = owners.get(cpu, 0) + 1
    for number in sorted(set(nodes) | set(ours)):
        node = ours.get(number)
        if node is None:
            found.append(("no-numa" if not ours else "", "hwloc", f"node {number}: {nodes[number]}, we have none"))
            continue
        if number not in nodes:
            shared = any(owners[cpu] > 1 for cpu in parse_cpulist(node["cpus"]))
            found.append(("shared-cpus" if shared else "", "hwloc", f"node {number}: none, we {node['cpus']}"))
            continue
        cpus, mib = nodes[number]
        if cpus != node["cpus"]:
            found.append(
                ("memory-only" if not node["cpus"] else "", "hwloc", f"node {number}: CPUs {cpus}, we {node['cpus']}")
            )
        if mib != node["memory_mib"]:
            found.append(
                (
                    "no-meminfo" if node["memory_mib"] is None and mib == 0 else "",
                    "hwloc",
                    f"node {number}: {mib} MiB, we {node['memory_mib']}",
                )
            )
    if (root / "sys/bus/pci/devices").is_dir() and nics != {nic["pci_bus_id"] for nic in facts["nics"]}:
        found.append(("", "hwloc", f"NICs {sorted(nics)}"))
    return found


def told() -> dict[str, set[str]]:
    """Return kind -> captures named on the page."""
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {kind: set(re.findall(r"`([^`]+)`", names)) for kind, names in rows}


needs_readers = pytest.mark.skipif(
    not (shutil.which("lscpu") and shutil.which("hwloc-ls")),
    reason="lscpu and hwloc-ls are not both here: install util-linux and hwloc-nox",
)


@needs_readers
@pytest.mark.parametrize("path", captures("sysfs-numa"))
def test_each_disagreement_is_explained(path: Path) -> None:
    seen: set[str] = set()
    for root in unpacked(path):
        for kind, reader, detail in disagreements(root):
            assert kind, f"{reader}: {detail}: not explained in {PAGE.name}"
            seen.add(kind)
    # Captures the page does not know may come; those it names must behave as it says.
    named = {kind for kind, names in told().items() if path.name in names}
    assert named == seen or not named
    assert not seen or named or not known(path)


def test_the_page_tells_every_kind() -> None:
    assert set(told()) == KINDS
