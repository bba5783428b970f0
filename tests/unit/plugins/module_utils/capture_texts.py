"""Outputs of lspci, ibstat and ibv_devinfo, turned back into the sysfs they were read from."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.trees import add_rdma, write_tree


def _lspci(text: str, where: Path) -> None:
    """Build /sys/bus/pci/devices out of any lspci output that gives addresses (classes by number or by name)."""
    names = {
        "VGA compatible controller": 0x0300,
        "3D controller": 0x0302,
        "Ethernet controller": 0x0200,
        "Infiniband controller": 0x0207,
        "PCI bridge": 0x0604,
        "Non-Volatile memory controller": 0x0108,
        "Bridge": 0x0680,
        "Host bridge": 0x0600,
    }
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
            r"Vendor:.*\[([0-9a-f]{4})\]\nDevice:.*\[([0-9a-f]{4})\]", block
        )
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
        files: dict[str, object] = {
            "class": f"0x{class_code:04x}00",
            "vendor": f"0x{vendor:04x}",
            "device": f"0x{device:04x}",
        }
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
            bridges[f"{entry.name[: entry.name.index(':')]}:{secondary.read_text().strip()}"] = entry.name

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
    stack: list[tuple[int, str]] = []
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
            class_code = (
                0x0604
                if match.group(2)
                else 0x0302
                if display
                else 0x0200
                if "ConnectX" in name or "Ethernet" in name
                else 0x0108
                if "NVMe" in name
                else 0
            )
            vendor = 0x10DE if "NVIDIA" in name else 0x15B3 if "Mellanox" in name else 0
            files: dict[str, object] = {"class": f"0x{class_code:04x}00", "vendor": f"0x{vendor:04x}"}
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
            add_rdma(
                where,
                "",
                name,
                port=int(port),
                layer=said.get("Link layer", ""),
                model=model.group(1) if model else "",
                rate=f"{said.get('Rate', '0')} Gb/sec",
                state=state.get(said.get("State", ""), "0: NOP"),
            )


def _ibv_devinfo(text: str, where: Path) -> None:
    for name, block in re.findall(r"^hca_id:\s*(\S+)\n((?:(?!^hca_id:).*\n?)*)", text, re.MULTILINE):
        for port, body in re.findall(r"port:\s*(\d+)\n((?:(?!\s*port:).*\n?)*)", block):
            state = re.search(r"state:\s*PORT_(\w+) \((\d)\)", body)
            layer = re.search(r"link_layer:\s*(\S+)", body)
            add_rdma(
                where,
                "",
                name,
                port=int(port),
                layer=layer.group(1) if layer else "",
                rate="",
                state=f"{state.group(2)}: {state.group(1)}" if state else "",
            )


# What the text looks like -> what makes a tree of it.
TEXTS: tuple[tuple[str, Callable[[str, Path], None]], ...] = (
    (r"^CA '", _ibstat),
    (r"^hca_id:", _ibv_devinfo),
    (r"-\[[0-9a-f]{4}:[0-9a-f]{2}\]-", _lspci_tree),
    (r"^(Slot:\s*)?([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]\b", _lspci),
)
