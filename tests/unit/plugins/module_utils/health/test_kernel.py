"""What is read of kernels, modules and libraries."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.driver_live import loaded_version
from ansible_collections.gpuforge.node.plugins.module_utils._health.kernel import boot_kernel, module_path
from ansible_collections.gpuforge.node.plugins.module_utils._modinfo import (
    ModinfoError,
    PackedModule,
    parse_modinfo,
    read_modinfo,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node, elf

INFO = {"version": "595.91.07", "license": "Dual MIT/GPL", "vermagic": "6.1.0-56-cloud-amd64 SMP preempt"}


def test_modinfo_of_an_elf_object() -> None:
    assert parse_modinfo(elf(INFO)) == INFO


@pytest.mark.parametrize("length", [0, 5, 40, 70, 100, 200])
def test_a_cut_module_is_no_module(length: int) -> None:
    with pytest.raises(ModinfoError):
        parse_modinfo(elf(INFO)[:length])


def test_an_object_without_the_section_is_no_module() -> None:
    with pytest.raises(ModinfoError, match=r"no \.modinfo"):
        parse_modinfo(elf(INFO).replace(b".modinfo", b".textual"))


@pytest.mark.parametrize(("suffix", "pack"), [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress)])
def test_modules_may_be_packed(tmp_path: Path, suffix: str, pack) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"nvidia.ko{suffix}"
    path.write_bytes(pack(elf(INFO)))
    assert read_modinfo(str(path))["version"] == "595.91.07"
    path.write_bytes(pack(elf(INFO))[:-30])
    with pytest.raises(ModinfoError, match=str(path)):
        read_modinfo(str(path))


def test_what_python_cannot_unpack_is_said(tmp_path: Path) -> None:
    with pytest.raises(PackedModule):
        read_modinfo(str(tmp_path / "nvidia.ko.zst"))
    with pytest.raises(ModinfoError, match="unknown compression"):
        read_modinfo(str(tmp_path / "nvidia.ko.lz"))
    with pytest.raises(ModinfoError, match="No such file"):
        read_modinfo(str(tmp_path / "nvidia.ko"))


def test_newest_kernel_by_number_not_by_letter(node: Node) -> None:
    for release in ("6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-10-amd64"):
        node.kernel(release)
    node.folder("/lib/modules/6.9.0-headers-only")
    assert boot_kernel(node.machine()) == "6.1.0-56-amd64"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("kernel/drivers/video/nvidia.ko.zst", True),
        ("updates/dkms/nvidia-current.ko", True),
        ("updates/dkms/nvidia-current-open.ko.xz", True),
        ("updates/dkms/nvidia-tesla-470.ko", True),
        ("updates/dkms/nvidia-current-drm.ko", False),
        ("updates/dkms/nvidia-uvm.ko", False),
        ("kernel/drivers/net/forcedeth-nvidia.ko", False),
        ("kernel/drivers/video/fbdev/nvidia/nvidiafb.ko", False),
    ],
)
def test_which_module_is_the_driver(node: Node, name: str, found: bool) -> None:
    node.file("/lib/modules/6.1/modules.dep", f"{name}: other.ko\n")
    assert (module_path(node.machine(), "6.1") is not None) is found


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.309.01  Thu Jan 1\nGCC version:  gcc 12\n",
            "535.309.01",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.91.07  Release Build  (a@b)\n", "595.91.07"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.65  Release\n", "580.65"),
    ],
)
def test_version_of_the_loaded_module(node: Node, text: str, version: str) -> None:
    assert loaded_version(node.machine()) is None
    node.file("/proc/driver/nvidia/version", text)
    assert loaded_version(node.machine()) == version
