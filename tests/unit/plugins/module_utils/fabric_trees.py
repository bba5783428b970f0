"""Small trees of machines with each kind of fabric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    add_pci,
    add_rdma,
    write_tree,
)

H100, A100, GB200 = 0x2330, 0x20B2, 0x2941
ETHERNET = "Ethernet"
V2 = [("fe80:0000:0000:0000:ba59:9fff:fe00:0001", "IB/RoCE v1"), ("0000:0000:0000:0000:0000:ffff:0a00:0001", "RoCE v2")]
V1 = V2[:1]


def gpu(root: Path, index: int, device: int = H100, *, alone: bool = False) -> str:
    """Add a GPU below a switch of its own (alone: at a host bridge of its own); returns the chain of the switch."""
    bus = 0x10 + index * 0x10
    switch = f"pci0000:{bus:02x}/0000:{bus:02x}:01.0/0000:{bus + 1:02x}:00.0"
    chain = (
        f"pci{index + 1:04x}:00/{index + 1:04x}:00:00.0"
        if alone
        else f"{switch}/0000:{bus + 2:02x}:00.0/0000:{bus + 3:02x}:00.0"
    )
    add_pci(root, chain, 0x0302, 0x10DE, device, node=index // 4)
    return switch


def nic(
    root: Path,
    chain: str,
    name: str,
    *,
    device: int = 0x1021,
    driver: str = "mlx5_core",
    code: int = 0x0207,
    vendor: int = 0x15B3,
    **port: Any,
) -> str:
    path = add_pci(root, chain, code, vendor, device, node=0, driver=driver)
    add_rdma(root, path, name, **port)
    return path


def below(switch: str, slot: int = 8) -> str:
    bus = int(switch[-7:-5], 16)
    return f"{switch}/0000:{bus + 1:02x}:0{slot}.0/0000:{bus + slot:02x}:00.0"


def dmi(root: Path, **fields: str) -> None:
    write_tree(
        root,
        {f"/sys/devices/virtual/dmi/id/{name}": value for name, value in fields.items()},
        {} if (root / "sys/class/dmi/id").is_symlink() else {"/sys/class/dmi/id": "../../devices/virtual/dmi/id"},
    )


def default_route(root: Path, interface: str) -> None:
    write_tree(
        root,
        {
            "/proc/net/route": "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            f"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
            f"{interface}\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0"
        },
    )


def rails(facts: Any) -> list[str]:
    return [device["name"] for device in facts["devices"] if device["compute_rail"]]


def why(facts: Any, name: str) -> str:
    return next(reason for reason in facts["reasons"] if reason.startswith(name + " port"))


def eight_infiniband(root: Path) -> None:
    for index in range(8):
        nic(root, below(gpu(root, index)), f"mlx5_{index}")
    default_route(root, "eno1")


def eight_roce(root: Path, gids: Any = tuple(V2), rate: str = "400 Gb/sec (4X NDR)") -> None:
    for index in range(8):
        nic(
            root,
            below(gpu(root, index)),
            f"rocep{index}s0",
            layer=ETHERNET,
            code=0x0200,
            gids=gids,
            rate=rate,
            net=f"ens{index}np0",
        )


def efa(root: Path, name: str, slot: int, **port: Any) -> str:
    return nic(
        root,
        f"pci0000:{slot:02x}/0000:{slot:02x}:00.0",
        name,
        vendor=0x1D0F,
        device=0xEFA1,
        driver="efa",
        code=0x0200,
        layer=port.pop("layer", "Unknown"),
        rate="100 Gb/sec (4X EDR)",
        **port,
    )


def cxi(root: Path, index: int, operstate: str = "up") -> None:
    path = add_pci(root, f"pci000{index}:00/000{index}:00:00.0", 0x0200, 0x17DB, 0x0501, node=index, driver="cxi_ss1")
    write_tree(
        root,
        {
            f"{path}/net/hsn{index}/operstate": operstate,
            f"{path}/net/hsn{index}/speed": 200000,
            f"{path}/cxi/cxi{index}/dev": "1:1",
        },
        {
            f"/sys/class/net/hsn{index}": f"../..{path[4:]}/net/hsn{index}",
            f"/sys/class/cxi/cxi{index}": f"../..{path[4:]}/cxi/cxi{index}",
            f"{path}/cxi/cxi{index}/device": "../..",
        },
    )


def google(root: Path, gvnics: int, apertures: int = 0, gpus: int = 8, device: int = H100) -> None:
    dmi(root, product_name="Google Compute Engine", sys_vendor="Google")
    for index in range(gpus):
        gpu(root, index, device)
    for index in range(gvnics):
        path = add_pci(root, f"pci0000:{index:02x}/0000:{index:02x}:0c.0", 0x0200, 0x1AE0, 0x0042, driver="gvnic")
        write_tree(
            root,
            {
                f"{path}/net/enp{index}s12/operstate": "up" if index != 3 else "down",
                f"{path}/net/enp{index}s12/speed": 200000,
            },
            {f"/sys/class/net/enp{index}s12": f"../..{path[4:]}/net/enp{index}s12"},
        )
    for index in range(apertures):
        add_pci(root, f"pci00{index:02x}:00/00{index:02x}:00:0d.0", 0x0880, 0x1AE0, 0x0084)
    if gvnics:
        default_route(root, "enp0s12")


def azure(root: Path, device: int = H100) -> None:
    dmi(root, sys_vendor="Microsoft Corporation", chassis_asset_tag="7783-7084-3265-9085-8269-3286-77")
    for index in range(8):
        gpu(root, index, device, alone=True)
        nic(root, f"pci01{index:02x}:00/01{index:02x}:00:00.0", f"mlx5_ib{index}", device=0x101C)
    nic(
        root,
        "pcic941:00/c941:00:02.0",
        "mlx5_an0",
        layer=ETHERNET,
        code=0x0200,
        device=0x1016,
        rate="100 Gb/sec",
        gids=V2,
    )
    default_route(root, "eth0")
