"""The fabric at boot: late adapters are waited for, vendors' scripts sourced and never trusted blindly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._fabric_boot import read_at_boot
from ansible_collections.gpuforge.node.plugins.module_utils._fabric_data import Script
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_conf import render_nccl_conf
from ansible_collections.gpuforge.node.plugins.module_utils._nccl_vendor import VendorError, read_vendor
from ansible_collections.gpuforge.node.plugins.module_utils._peermem import decide
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import add_pci, write_tree
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.fabric_trees import (
    below,
    default_route,
    dmi,
    efa,
    eight_infiniband,
    eight_roce,
    gpu,
    nic,
)

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only files of root are sourced, and making some needs root")


class Clock:
    """A clock that only moves when somebody sleeps; ``at`` runs things at its times."""

    def __init__(self, **at: Any) -> None:
        self.now, self.at = 0.0, {float(key[1:]): work for key, work in at.items()}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [moment for moment in self.at if moment <= self.now]:
            self.at.pop(moment)()

    def __call__(self) -> float:
        return self.now


def read(root: Path, clock: Clock, wait_s: float, **options: Any) -> Any:
    return read_at_boot(str(root), None, wait_s=wait_s, sleep=clock.sleep, clock=clock, **options)


def test_a_port_that_the_subnet_manager_has_not_seen_is_waited_for(tmp_path: Path) -> None:
    nic(tmp_path, below(gpu(tmp_path, 0)), "mlx5_0", state="2: INIT")
    state = next(tmp_path.rglob("ports/1/state"))
    clock = Clock(t6=lambda: state.write_text("4: ACTIVE\n"))
    found = read(tmp_path, clock, 30)
    assert (found.facts["fabric"], found.late, clock.now) == ("infiniband", [], 6.0)


def test_waiting_ends_and_the_file_says_for_what(tmp_path: Path) -> None:
    nic(tmp_path, below(gpu(tmp_path, 0)), "mlx5_0", state="2: INIT")
    clock = Clock()
    found = read(tmp_path, clock, 5)
    assert (found.facts["fabric"], clock.now) == ("tcp", 5.0)
    assert "# not waited for any longer: mlx5_0 port 1 is in INIT" in render_nccl_conf(found.facts)


def test_an_adapter_without_its_driver_is_waited_for(tmp_path: Path) -> None:
    add_pci(tmp_path, "pci0000:10/0000:10:00.0", 0x0200, 0x1D0F, 0xEFA1, node=0)

    def bind() -> None:
        (tmp_path / "sys/bus/pci/devices/0000:10:00.0").unlink()
        efa(tmp_path, "rdmap16s0", 0x10)

    clock = Clock(t4=bind)
    assert read(tmp_path, clock, 30).facts["fabric"] == "efa"
    assert clock.now == 4.0


def test_nothing_late_is_not_waited_for(tmp_path: Path) -> None:
    default_route(tmp_path, "eth0")
    clock = Clock()
    assert read(tmp_path, clock, 30).facts["fabric"] == "tcp"
    assert clock.now == 0


def gib(root: Path) -> None:
    eight_roce(root)
    dmi(root, product_name="Google Compute Engine")


def test_a_vendors_values_are_taken_and_named(tmp_path: Path) -> None:
    gib(tmp_path)
    text = render_nccl_conf(read(tmp_path, Clock(), 0, vendor=lambda name: {"NCCL_NET": f"the {name}"}).facts)
    assert "NCCL_NET=the gib\n" in text
    assert "# 1 variables come from /usr/local/gib/scripts/set_nccl_env.sh, sourced at boot" in text


def test_a_captured_tree_runs_no_script(tmp_path: Path) -> None:
    gib(tmp_path)
    found = read(tmp_path, Clock(), 0, live=False, vendor=lambda name: {"NCCL_NET": name})
    assert found.facts["nccl"] == {}


def test_a_script_that_fails_is_trouble_and_sets_nothing(tmp_path: Path) -> None:
    gib(tmp_path)

    def fails(_name: str) -> Any:
        raise VendorError("no")

    found = read(tmp_path, Clock(), 0, vendor=fails)
    assert (found.trouble, found.facts["nccl"]) == ("no", {})


def script(folder: Path, text: str, **needs: str) -> dict[str, Script]:
    path = folder / "set env.sh"
    path.write_text(text)
    return {"gib": Script(str(path), needs)}


@pytest.fixture
def folder() -> Any:
    """A folder that root alone may write to, all the way up (pytest's own lies below /tmp, which is fine: sticky)."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@AS_ROOT
def test_a_script_is_sourced_in_an_empty_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCCL_FROM_OUTSIDE", "1")
    text = (
        'echo noise; export NCCL_LIB="$NCCL_LIB_DIR/x" NCCL_NET="AWS Libfabric" NCCL_DEBUG=INFO NCCL_EMPTY= OTHER=1\n'
        "NCCL_NOT_EXPORTED=1\nexport NCCL_OUTSIDE=${NCCL_FROM_OUTSIDE:-unseen}\n"
    )
    assert read_vendor("gib", scripts=script(folder, text, NCCL_LIB_DIR="/lib")) == {
        "NCCL_LIB": "/lib/x",
        "NCCL_NET": "AWS Libfabric",
        "NCCL_OUTSIDE": "unseen",
    }


@AS_ROOT
@pytest.mark.parametrize(
    ("text", "says"), [("echo broken >&2; return 3", "broken"), ("exit 4", "code 4"), ("syntax (", "syntax error")]
)
def test_a_script_that_fails_is_told(folder: Path, text: str, says: str) -> None:
    with pytest.raises(VendorError, match=says):
        read_vendor("gib", scripts=script(folder, text))


@AS_ROOT
def test_a_script_that_others_may_change_is_not_run(folder: Path) -> None:
    scripts = script(folder, "export NCCL_A=1")
    for path in (folder, Path(scripts["gib"].path)):
        path.chmod(0o777)
        with pytest.raises(VendorError, match="changed by others than root"):
            read_vendor("gib", scripts=scripts)
        path.chmod(0o755)
    os.chown(scripts["gib"].path, 65534, -1)
    with pytest.raises(VendorError, match="changed by others than root"):
        read_vendor("gib", scripts=scripts)


def test_no_script_is_no_setting(tmp_path: Path) -> None:
    assert read_vendor("infiniband") is None
    assert read_vendor("gib", scripts={"gib": Script(str(tmp_path / "none.sh"), {})}) is None


PROPRIETARY = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.91.07\n"
SYMBOLS = (
    "0000000000000000 T ib_register_client\t[ib_core]\n0000000000000000 T ib_register_peer_memory_client\t[ib_core]\n"
)


def peermem(root: Path, **files: str) -> None:
    names = {"driver": "/proc/driver/nvidia/version", "kernel": "/proc/sys/kernel/osrelease"}
    base = {"driver": PROPRIETARY, "kernel": "6.1.0-56-cloud-amd64", "symbols": SYMBOLS, **files}
    names["symbols"] = "/proc/kallsyms"
    write_tree(root, {names[key]: text for key, text in base.items() if text})


@pytest.mark.parametrize(
    ("files", "load", "says"),
    [
        ({}, True, "for mlx5_0"),
        ({"driver": OPEN}, False, "DMA-BUF"),
        ({"driver": OPEN, "kernel": "5.10.0-30-amd64"}, True, "for mlx5_0"),
        ({"driver": ""}, False, "not loaded"),
        ({"symbols": SYMBOLS.splitlines()[0] + "\n"}, False, "no peer-memory interface"),
        ({"symbols": SYMBOLS.replace("_client\t", "_client_v9\t")}, False, "no peer-memory interface"),
        ({"symbols": ""}, False, "no peer-memory interface"),
    ],
)
def test_peermem_where_it_is_of_use(tmp_path: Path, files: dict[str, str], load: bool, says: str) -> None:
    eight_infiniband(tmp_path)
    peermem(tmp_path, **files)
    decision = decide(str(tmp_path))
    assert (decision.load, says in decision.why) == (load, True), decision


def test_peermem_on_the_machines_an_image_may_meet(tmp_path: Path) -> None:
    bare, alone, aws = tmp_path / "bare", tmp_path / "alone", tmp_path / "aws"
    for root in (bare, alone, aws):
        root.mkdir()
        peermem(root)
    assert "no NVIDIA GPU" in decide(str(bare)).why
    gpu(alone, 0)
    assert "no RDMA adapter" in decide(str(alone)).why
    gpu(aws, 0)
    efa(aws, "rdmap16s0", 0x20)
    assert "no RDMA adapter" in decide(str(aws)).why


def test_peermem_wanted_always_or_loaded_already(tmp_path: Path) -> None:
    eight_infiniband(tmp_path)
    peermem(tmp_path, driver=OPEN)
    assert decide(str(tmp_path), always=True).load
    write_tree(tmp_path, {"/sys/module/nvidia_peermem/refcnt": "0"})
    assert not decide(str(tmp_path), always=True).load
