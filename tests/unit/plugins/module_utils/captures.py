"""Captures of real machines, made into trees that the cores can read.

They are other projects' data and stand outside the repository (``../shared/fixtures``, or GPUFORGE_FIXTURES). A test
that wants one and does not find it is skipped, and says so.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.capture_texts import TEXTS
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.trees import add_pci, add_rdma, write_tree

REPO = Path(__file__).resolve().parents[4]
FIXTURES = Path(os.environ.get("GPUFORGE_FIXTURES") or REPO.parent / "shared" / "fixtures")


# Parts of whole captured trees that nobody here reads; with them the largest capture has 64,000 files.
UNREAD = (
    "dev/*",
    "cpuidle",
    "cpufreq",
    "cache",
    "power",
    "thermal_throttle",
    "microcode",
    "hotplug",
    "edac",
    "system/memory/memory*",
    "LNXSYSTM*",
    "ata[0-9]*",
    "usb[0-9]*",
    "msi_irqs",
    "host[0-9]*",
    "statistics",
    "[rt]x-[0-9]*",
    "virtual/tty",
    "virtual/block",
    "virtual/vc",
    "virtual/mem",
    "virtual/misc",
    "virtual/thermal",
)


def captures(kind: str) -> list[object]:
    """Return parameters for every capture of a kind; one that skips when there is none."""
    files = sorted(path for path in (FIXTURES / kind).glob("*") if path.is_file()) if (FIXTURES / kind).is_dir() else []
    if files:
        return [pytest.param(path, id=path.name) for path in files]
    why = f"no captures of kind {kind} below {FIXTURES}: set GPUFORGE_FIXTURES"
    return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason=why))]


def capture(kind: str, name: str) -> Path:
    """Return one capture by name; the test is skipped when it is not there."""
    path = FIXTURES / kind / name
    if not path.is_file():
        pytest.skip(f"{path} is not there: set GPUFORGE_FIXTURES")
    return path


def known(path: Path) -> bool:
    """Return whether a capture was there when these tests were written; what others hold cannot be foretold."""
    return path.name in (FIXTURES / "INDEX.md").read_text(encoding="utf-8")


@functools.cache
def unpacked(path: Path) -> tuple[Path, ...]:
    """Return the roots of a capture; it is unpacked once and gone when the tests end. Nobody may write into it."""
    where = tempfile.mkdtemp(prefix="capture-")
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    return tuple(unpack(path, Path(where)))


def unpack(path: Path, where: Path) -> list[Path]:
    """Make trees of a capture: a tar, an archive as text, a map of paths, or output of lspci, ibstat, ibv_devinfo.

    Returns their roots; empty for a file that describes no node (a switch, a whole subnet, a manifest).
    """
    if re.search(r"\.(tar\.(gz|bz2|xz)|tgz)$", path.name):
        left_out = [f"--exclude=*/{name}" for name in UNREAD]
        subprocess.run(["tar", "-xf", str(path), "-C", str(where), "--no-same-owner", *left_out], check=True)
        return tree_roots(where)
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.name.endswith(".ttar"):
        return _text_archive(text, where)
    if text.lstrip().startswith("{"):
        return _path_map(json.loads(text), where)
    for start, make in TEXTS:
        if re.search(start, text, re.MULTILINE):
            make(text, where)
            return [where]
    return []


def tree_roots(where: Path) -> list[Path]:
    """Return the directories that look like a root: they hold sys/, or are a copy of /sys/class/infiniband."""
    found = []
    for directory, names, _ in os.walk(where):
        if "sys" in names:
            found.append(Path(directory))
            names[:] = []
    if not found:  # a bare class directory: give it its place
        target = where / "sys" / "class" / "infiniband"
        entries = [entry for entry in where.iterdir() if (entry / "ports").is_dir()]
        for entry in entries:
            target.mkdir(parents=True, exist_ok=True)
            shutil.move(str(entry), str(target / entry.name))
        found = [where] if entries else []
    return sorted(found)


def _text_archive(text: str, where: Path) -> list[Path]:
    """Read a ttar archive: Path, Lines, that many lines."""
    lines = iter(text.splitlines())
    name = ""
    for line in lines:
        if line.startswith("Path: "):
            name = line[6:]
        elif line.startswith("Lines: "):
            content = "\n".join([next(lines) for _ in range(int(line[7:]))])
            # The archive writes a NUL as NULLBYTE, and an end of file without newline as EOF.
            write_tree(where, {name: content.replace("NULLBYTE", "\0").replace("EOF", "")})
        elif line.startswith("SymlinkTo: "):
            write_tree(where, {}, {name: line[11:]})
    return tree_roots(where)


def _path_map(content: dict[str, Any], where: Path) -> list[Path]:
    """Write a map of sysfs paths; a manifest of what a node should hold is turned into such a node."""
    files = {name: str(value).rstrip("\n") for name, value in content.items() if name.startswith("/sys/")}
    write_tree(where, files)
    ids = {
        "gpu": (0x0302, 0x10DE, 0x20B0),
        "nvswitch": (0x0680, 0x10DE, 0x1AF1),
        "nvme": (0x0108, 0, 0),
        "ib": (0x0207, 0x15B3, 0x101B),
        "net": (0x0200, 0x15B3, 0x101D),
    }
    links = content.get("ib", {})
    for address, entry in content.get("pci", {}).items():
        kind = "nvswitch" if "nvswitch" in entry["dev"] else entry["type"]
        if kind not in ids:
            continue
        pci = add_pci(where, f"pci{address[:7]}/{address}", *ids[kind])
        name = links.get("interfaces", {}).get(entry["dev"].rpartition("/")[2], {}).get("mlx")
        if name:
            add_rdma(where, pci, name, rate=links["link_rate"])
    return [where] if files or content.get("pci") else []
