"""Captures of real machines, made into trees that the cores can read.

They are other projects' data and stand outside the repository (``../shared/fixtures``, or GPUFORGE_FIXTURES). A test
that wants one and does not find it is skipped, and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

import pytest

REPO = Path(__file__).resolve().parents[4]
FIXTURES = Path(os.environ.get("GPUFORGE_FIXTURES") or REPO.parent / "shared" / "fixtures")


# Parts of whole captured trees that nobody here reads; with them the largest capture has 64,000 files.
UNREAD = ("dev/*", "cpuidle", "cpufreq", "cache", "power", "thermal_throttle", "microcode", "hotplug", "edac",
          "system/memory/memory*", "LNXSYSTM*", "ata[0-9]*", "usb[0-9]*", "msi_irqs", "host[0-9]*", "statistics",
          "[rt]x-[0-9]*", "virtual/tty", "virtual/block", "virtual/vc", "virtual/mem", "virtual/misc", "virtual/thermal")


def captures(kind: str) -> List[object]:
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


def write_tree(root: Path, files: Dict[str, object], links: Optional[Dict[str, str]] = None) -> Path:
    """Write files (path below the root -> content) and symlinks (path -> target). Returns the root."""
    for name, content in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
    for name, target in (links or {}).items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return root


def add_pci(root: Path, chain: str, class_code: int, vendor: int, device: int, *, node: Optional[int] = None,
            driver: str = "", cpus: str = "", **files: object) -> str:
    """Add a PCI function at a chain such as ``pci0000:17/0000:17:01.0/0000:18:00.0``; returns its directory."""
    path = f"/sys/devices/{chain}"
    address = chain.rpartition("/")[2]
    content: Dict[str, object] = {"class": f"0x{class_code:04x}00", "vendor": f"0x{vendor:04x}",
                                  "device": f"0x{device:04x}", **files}
    if node is not None:
        content["numa_node"] = node
    if cpus:
        content["local_cpulist"] = cpus
    links = {f"/sys/bus/pci/devices/{address}": f"../../../devices/{chain}"}
    if driver:
        links[path + "/driver"] = "/sys/bus/pci/drivers/" + driver
    write_tree(root, {f"{path}/{name}": value for name, value in content.items()}, links)
    return path


def add_rdma(root: Path, pci: str, name: str, *, layer: str = "InfiniBand", rate: str = "400 Gb/sec (4X NDR)",
             state: str = "4: ACTIVE", port: int = 1, gids: Iterable[Tuple[str, str]] = (), net: str = "",
             model: str = "MT4129") -> None:
    """Add one RDMA port below a PCI function's directory (empty: only in /sys/class/infiniband)."""
    place = f"{pci}/infiniband/{name}" if pci else f"/sys/class/infiniband/{name}"
    files: Dict[str, object] = {f"{place}/ports/{port}/state": state, f"{place}/ports/{port}/link_layer": layer,
                                f"{place}/ports/{port}/rate": rate, f"{place}/hca_type": model}
    for index, (gid, kind) in enumerate(gids):
        files[f"{place}/ports/{port}/gids/{index}"] = gid
        files[f"{place}/ports/{port}/gid_attrs/types/{index}"] = kind
    links = {}
    if pci and not (root / f"sys/class/infiniband/{name}").is_symlink():
        links[f"/sys/class/infiniband/{name}"] = "../../" + place[len("/sys/"):]
        links[f"{place}/device"] = "../.."
    if net:
        files[f"{pci}/net/{net}/operstate"] = "up"
        links[f"/sys/class/net/{net}"] = f"../../{pci[len('/sys/'):]}/net/{net}"
    write_tree(root, files, links)


@contextlib.contextmanager
def unpacked(path: Path) -> Iterator[List[Path]]:
    """Give the roots of a capture as long as they are wanted: pytest keeps its own folders over several runs."""
    with tempfile.TemporaryDirectory(prefix="capture-") as where:
        yield unpack(path, Path(where))


def unpack(path: Path, where: Path) -> List[Path]:
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
    for start, make in _TEXTS:
        if re.search(start, text, re.MULTILINE):
            make(text, where)
            return [where]
    return []


def tree_roots(where: Path) -> List[Path]:
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


def _text_archive(text: str, where: Path) -> List[Path]:
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


def _path_map(content: Dict[str, Any], where: Path) -> List[Path]:
    """Write a map of sysfs paths; a manifest of what a node should hold is turned into such a node."""
    files = {name: str(value).rstrip("\n") for name, value in content.items() if name.startswith("/sys/")}
    write_tree(where, files)
    ids = {"gpu": (0x0302, 0x10DE, 0x20B0), "nvswitch": (0x0680, 0x10DE, 0x1AF1), "nvme": (0x0108, 0, 0),
           "ib": (0x0207, 0x15B3, 0x101B), "net": (0x0200, 0x15B3, 0x101D)}
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


def _lspci(text: str, where: Path) -> None:
    """Build /sys/bus/pci/devices out of any lspci output that gives addresses (classes by number or by name)."""
    names = {"VGA compatible controller": 0x0300, "3D controller": 0x0302, "Ethernet controller": 0x0200,
             "Infiniband controller": 0x0207, "PCI bridge": 0x0604, "Non-Volatile memory controller": 0x0108,
             "Bridge": 0x0680, "Host bridge": 0x0600}
    makers = {"NVIDIA": 0x10DE, "Mellanox": 0x15B3, "Intel": 0x8086, "Amazon": 0x1D0F}
    slot = re.compile(r"^(?:Slot:\s*)?((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?:\s+(.*))?$")
    for block in re.split(r"\n(?=(?:Slot:\s*)?(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", text):
        first = slot.match(block.splitlines()[0].strip()) if block.strip() else None
        if first is None:
            continue
        address = first.group(1) if first.group(1).count(":") == 2 else "0000:" + first.group(1)
        head = first.group(2) or "\n".join(block.splitlines()[1:4])
        code = re.search(r"\[([0-9a-f]{4})\](?=:|\n|$)", head)
        pair = re.search(r"\[([0-9a-f]{4}):([0-9a-f]{4})\]", head) or re.search(
            r"Vendor:.*\[([0-9a-f]{4})\]\nDevice:.*\[([0-9a-f]{4})\]", block)
        raw = re.search(r"^00: ((?:[0-9a-f]{2} ?){16})", block, re.MULTILINE)
        if raw is not None:  # configuration space: ids at 0 and 2, class at 0x0a, little endian
            octets = raw.group(1).split()
            class_code = int(octets[11] + octets[10], 16)
            vendor, device = int(octets[1] + octets[0], 16), int(octets[3] + octets[2], 16)
        else:
            name = next((name for name in names if re.match(rf"(Class:\s*)?{name}\b", head)), "")
            class_code = int(code.group(1), 16) if code else names.get(name, 0)
            by_name = re.search(r"Device ([0-9a-f]{4})", head)
            vendor = int(pair.group(1), 16) if pair else next((makers[word] for word in makers if word in head), 0)
            device = int(pair.group(2), 16) if pair else int(by_name.group(1), 16) if by_name else 0
        node = re.search(r"NUMA node: (\d+)", block)
        bus = re.search(r"Bus: primary=\w+, secondary=(\w+)", block)
        driver = re.search(r"Kernel driver in use: (\S+)", block)
        files: Dict[str, object] = {"class": f"0x{class_code:04x}00", "vendor": f"0x{vendor:04x}",
                                    "device": f"0x{device:04x}"}
        if node:
            files["numa_node"] = node.group(1)
        if bus:
            files["secondary"] = bus.group(1)
        links = {f"sys/flat/{address}/driver": "/drivers/" + driver.group(1)} if driver else {}
        write_tree(where, {f"sys/flat/{address}/{key}": value for key, value in files.items()}, links)
    _hang(where)


def _hang(where: Path) -> None:
    """Give flat devices their places below the bridges that lead to their buses."""
    flat = where / "sys" / "flat"
    bridges = {}
    for entry in flat.iterdir():
        secondary = entry / "secondary"
        if secondary.is_file():
            bridges[f"{entry.name[:entry.name.index(':')]}:{secondary.read_text().strip()}"] = entry.name

    def chain(address: str, depth: int = 0) -> str:
        bus = address[:-5]
        above = bridges.get(bus)
        own = f"pci{bus}" if above is None or depth > 20 else chain(above, depth + 1)
        return f"{own}/{address}"

    for entry in sorted(flat.iterdir()):
        target = where / "sys" / "devices" / chain(entry.name)
        target.mkdir(parents=True, exist_ok=True)
        for item in entry.iterdir():
            shutil.move(str(item), str(target / item.name))
        link = where / "sys" / "bus" / "pci" / "devices" / entry.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../devices/{chain(entry.name)}")
    shutil.rmtree(flat)


def _lspci_tree(text: str, where: Path) -> None:
    """Read ``lspci -tv``: brackets open buses; names stand for classes, ids are not printed."""
    stack: List[Tuple[int, str]] = []
    for line in text.splitlines():
        root = re.search(r"\[([0-9a-f]{4}:[0-9a-f]{2})\]-", line)
        if root:
            stack = [(root.start(), root.group(1))]
        for match in re.finditer(r"([0-9a-f]{2}\.[0-7])(?:-\[([0-9a-f]{2})(?:-[0-9a-f]{2})?\])?(?:  (.*))?", line):
            while len(stack) > 1 and stack[-1][0] >= match.start():
                stack.pop()
            bus = stack[-1][1]
            name = match.group(3) or ""
            display = "NVIDIA" in name and "Audio" not in name
            class_code = (0x0604 if match.group(2) else 0x0302 if display
                          else 0x0200 if "ConnectX" in name or "Ethernet" in name else 0x0108 if "NVMe" in name else 0)
            vendor = 0x10DE if "NVIDIA" in name else 0x15B3 if "Mellanox" in name else 0
            files: Dict[str, object] = {"class": f"0x{class_code:04x}00", "vendor": f"0x{vendor:04x}"}
            if match.group(2):
                files["secondary"] = match.group(2)
                stack.append((match.start(), f"{bus[:4]}:{match.group(2)}"))
            write_tree(where, {f"sys/flat/{bus}:{match.group(1)}/{key}": value for key, value in files.items()})
    _hang(where)


def _ibstat(text: str, where: Path) -> None:
    for name, block in re.findall(r"^CA '([^']+)'\n((?:(?!^CA ').*\n?)*)", text, re.MULTILINE):
        model = re.search(r"CA type: (\S+)", block)
        for port, body in re.findall(r"Port (\d+):\n((?:(?!\tPort ).*\n?)*)", block):
            state = {"Active": "4: ACTIVE", "Down": "1: DOWN", "Initializing": "2: INIT"}
            said = {key: value.strip() for key, value in re.findall(r"^\s*([\w ]+):\s*(.*)$", body, re.MULTILINE)}
            add_rdma(where, "", name, port=int(port), layer=said.get("Link layer", ""), model=model.group(1) if model else "",
                     rate=f"{said.get('Rate', '0')} Gb/sec", state=state.get(said.get("State", ""), "0: NOP"))


def _ibv_devinfo(text: str, where: Path) -> None:
    for name, block in re.findall(r"^hca_id:\s*(\S+)\n((?:(?!^hca_id:).*\n?)*)", text, re.MULTILINE):
        for port, body in re.findall(r"port:\s*(\d+)\n((?:(?!\s*port:).*\n?)*)", block):
            state = re.search(r"state:\s*PORT_(\w+) \((\d)\)", body)
            layer = re.search(r"link_layer:\s*(\S+)", body)
            add_rdma(where, "", name, port=int(port), layer=layer.group(1) if layer else "", rate="",
                     state=f"{state.group(2)}: {state.group(1)}" if state else "")


_TEXTS: Tuple[Tuple[str, Callable[[str, Path], None]], ...] = (
    (r"^CA '", _ibstat), (r"^hca_id:", _ibv_devinfo), (r"-\[[0-9a-f]{4}:[0-9a-f]{2}\]-", _lspci_tree),
    (r"^(Slot:\s*)?([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b", _lspci))
