"""The reading modules as Ansible runs them: arguments in, facts out, refusals with reason."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import add_pci, write_tree
from ansible_collections.gpuforge.node.tests.unit.plugins.modules.harness import run

MODULES = ("gpu_info", "topology_info", "fabric_info")


def node(root: Path) -> str:
    add_pci(root, "pci0000:15/0000:15:01.0/0000:19:00.0", 0x0302, 0x10DE, 0x2330, node=0, driver="nvidia")
    add_pci(root, "pci0000:15/0000:15:02.0/0000:1a:00.0", 0x0207, 0x15B3, 0x1021, node=0)
    return str(
        write_tree(root, {"/sys/devices/system/node/node0/cpulist": "0-3", "/sys/devices/system/cpu/online": "0-3"})
    )


def documented(name: str, key: str = "") -> set[str]:
    module = importlib.import_module(f"ansible_collections.gpuforge.node.plugins.modules.{name}")
    told = yaml.safe_load(module.RETURN)
    return set(told[key]["contains"] if key else told)


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_what_is_returned_is_what_is_documented(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, check: bool
) -> None:
    before = sorted(tmp_path.rglob("*"))
    root = node(tmp_path / "root")
    result = run(monkeypatch, name, root=root, _ansible_check_mode=check)
    assert result.pop("changed") is False
    assert set(result) == documented(name)
    assert before == [path for path in sorted(tmp_path.rglob("*")) if not str(path).startswith(str(tmp_path / "root"))]
    for key in {"gpu_info": ["gpus"], "topology_info": ["numa_nodes", "affinity"], "fabric_info": []}[name]:
        assert set(result[key][0]) == documented(name, key)


@pytest.mark.parametrize("name", MODULES)
def test_a_root_that_is_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    result = run(monkeypatch, name, root=str(tmp_path / "none"))
    assert result["failed"]
    assert re.search(r"root=.*/none is no folder: give the folder", result["msg"])


@pytest.mark.parametrize("timeout", [0, -1])
def test_no_time_is_refused(monkeypatch: pytest.MonkeyPatch, timeout: int) -> None:
    assert "give seconds above 0" in run(monkeypatch, "gpu_info", timeout=timeout)["msg"]


def test_metadata_reaches_the_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(
        monkeypatch, "fabric_info", root=node(tmp_path), metadata={"cloud": "oci", "machine_type": "BM.GPU.H100.8"}
    )
    assert (result["cloud"], result["machine_type"]) == ("oci", "bm.gpu.h100.8")


@pytest.mark.parametrize("metadata", [{"cloud": "moon"}, {"machine": "x"}])
def test_metadata_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch, metadata: dict[str, str]) -> None:
    assert run(monkeypatch, "fabric_info", metadata=metadata)["failed"]


def test_the_program_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, "gpu_info", root=node(tmp_path), nvidia_smi=str(tmp_path / "none"), timeout=1)
    assert [found["id"] for found in result["problems"]] == ["nvidia-smi-missing"]


def test_the_bus_alone_asks_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 1\n")
    program.chmod(0o755)
    root = node(tmp_path / "root")
    result = run(monkeypatch, "gpu_info", root=root, nvidia_smi=str(program), bus_only=True)
    assert (result["source"], result["problems"]) == ("pci", [])
    assert [gpu["pci_device_id"] for gpu in result["gpus"]] == ["10de:2330"]
    assert not (tmp_path / "asked").exists()
    run(monkeypatch, "gpu_info", root=root, nvidia_smi=str(program))
    assert (tmp_path / "asked").exists(), "without bus_only it is asked"
