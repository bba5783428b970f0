"""Measure the reading cores on captured trees: seconds and MiB of each, in a process of its own.

Usage: facts.py [ROOT ...]. Without roots, every capture of ../shared/fixtures/sysfs-numa (GPUFORGE_FIXTURES overrides)
is unpacked whole and measured. The largest is held to 0.3 s and 40 MiB; the exit code is 1 when it misses that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
FIXTURES = Path(os.environ.get("GPUFORGE_FIXTURES") or REPO.parent / "shared" / "fixtures")
COLLECTIONS = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or str(REPO / ".venv" / "share" / "collections")
MOST_SECONDS, MOST_MIB = 0.3, 40.0
# The child imports, reads once and tells its wall time, CPU time and peak memory (the interpreter's own included; not
# from getrusage, which remembers the parent's size from before exec).
CHILD = """
import re, sys, time
sys.path.insert(0, sys.argv[1])
start = time.perf_counter(), time.process_time()
from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology
facts = read_topology(sys.argv[2])
wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read()).group(1)) / 1024
print(wall, cpu, peak, len(facts["numa_nodes"]))
"""


def measure(root: Path) -> tuple[float, float, float, int]:
    """Return the best of three runs: wall seconds, CPU seconds, MiB, NUMA nodes."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, COLLECTIONS.split(os.pathsep)[0], str(root)],
            capture_output=True,
            text=True,
            check=True,
        )
        wall, cpu, mib, nodes = done.stdout.split()
        runs.append((float(wall), float(cpu), float(mib), int(nodes)))
    return min(runs)


def report(name: str, root: Path) -> tuple[float, float]:
    """Print one line; return wall seconds and MiB."""
    files = sum(len(names) for _, _, names in os.walk(root))
    wall, cpu, mib, nodes = measure(root)
    print(f"{wall:7.3f} s {cpu:7.3f} s CPU {mib:6.1f} MiB {nodes:3d} nodes {files:6d} files  {name}")
    return wall, mib


def main() -> int:
    """Measure and hold the largest to its limits."""
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            report(name, Path(name))
        return 0
    captures = sorted((FIXTURES / "sysfs-numa").glob("*.t*"), key=lambda path: path.stat().st_size)
    if not captures:
        print(f"no captures below {FIXTURES}: set GPUFORGE_FIXTURES", file=sys.stderr)
        return 2
    largest = (0.0, 0.0)
    for path in captures:
        with tempfile.TemporaryDirectory() as where:
            with tarfile.open(path) as archive:
                members = [member for member in archive if member.isfile() or member.isdir() or member.issym()]
                archive.extractall(where, members=members, filter="fully_trusted")
            for root in sorted(found.parent for found in Path(where).rglob("sys") if (found / "devices").is_dir()):
                largest = report(f"{path.name}: {root.name}", root)
    print(f"largest capture: {largest[0]:.3f} s (at most {MOST_SECONDS}), {largest[1]:.1f} MiB (at most {MOST_MIB:g})")
    return int(largest[0] > MOST_SECONDS or largest[1] > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())
