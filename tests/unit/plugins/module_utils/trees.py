"""Small trees of machines that never were, written for one test each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path


def write_tree(root: Path, files: Mapping[str, object], links: Mapping[str, str] | None = None) -> Path:
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


def add_pci(
    root: Path,
    chain: str,
    class_code: int,
    vendor: int,
    device: int,
    *,
    node: int | None = None,
    driver: str = "",
    cpus: str = "",
    **files: object,
) -> str:
    """Add a PCI function at a chain such as ``pci0000:17/0000:17:01.0/0000:18:00.0``; returns its directory."""
    path = f"/sys/devices/{chain}"
    address = chain.rpartition("/")[2]
    content: dict[str, object] = {
        "class": f"0x{class_code:04x}00",
        "vendor": f"0x{vendor:04x}",
        "device": f"0x{device:04x}",
        **files,
    }
    if node is not None:
        content["numa_node"] = node
    if cpus:
        content["local_cpulist"] = cpus
    links = {f"/sys/bus/pci/devices/{address}": f"../../../devices/{chain}"}
    if driver:
        links[path + "/driver"] = "/sys/bus/pci/drivers/" + driver
    write_tree(root, {f"{path}/{name}": value for name, value in content.items()}, links)
    return path


def add_rdma(
    root: Path,
    pci: str,
    name: str,
    *,
    layer: str = "InfiniBand",
    rate: str = "400 Gb/sec (4X NDR)",
    state: str = "4: ACTIVE",
    port: int = 1,
    gids: Iterable[tuple[str, str]] = (),
    net: str = "",
    model: str = "MT4129",
) -> None:
    """Add one RDMA port below a PCI function's directory (empty: only in /sys/class/infiniband)."""
    place = f"{pci}/infiniband/{name}" if pci else f"/sys/class/infiniband/{name}"
    files: dict[str, object] = {
        f"{place}/ports/{port}/state": state,
        f"{place}/ports/{port}/link_layer": layer,
        f"{place}/ports/{port}/rate": rate,
        f"{place}/hca_type": model,
    }
    for index, (gid, kind) in enumerate(gids):
        files[f"{place}/ports/{port}/gids/{index}"] = gid
        files[f"{place}/ports/{port}/gid_attrs/types/{index}"] = kind
    links = {}
    if pci and not (root / f"sys/class/infiniband/{name}").is_symlink():
        links[f"/sys/class/infiniband/{name}"] = "../../" + place[len("/sys/") :]
        links[f"{place}/device"] = "../.."
    if net:
        files[f"{pci}/net/{net}/operstate"] = "up"
        links[f"/sys/class/net/{net}"] = f"../../{pci[len('/sys/') :]}/net/{net}"
    write_tree(root, files, links)
