"""Drivers that no package brought, and room for an initramfs."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._driver_foreign import boot_space, foreign_driver

from .trees import write_tree

LIBRARIES = "/usr/lib/x86_64-linux-gnu"
OURS = {
    f"{LIBRARIES}/libcuda.so.580.178.04": "",
    f"{LIBRARIES}/libnvidia-ml.so.580.178.04": "",
    "/var/lib/dpkg/info/libcuda1:amd64.list": f"/.\n{LIBRARIES}/libcuda.so.580.178.04",
    # Before the folders were merged.
    "/var/lib/dpkg/info/libnvidia-ml1:amd64.list": "/.\n/lib/x86_64-linux-gnu/libnvidia-ml.so.580.178.04",
}


def test_a_driver_of_packages_is_none(tmp_path):
    assert foreign_driver(str(write_tree(tmp_path, OURS))) == {}


def test_an_empty_machine_has_none(tmp_path):
    assert foreign_driver(str(tmp_path)) == {}


def test_the_installers_leavings_with_its_uninstaller(tmp_path):
    files = {"/usr/bin/nvidia-installer": "", "/usr/lib64/libcuda.so.570.86.15": ""}
    found = foreign_driver(
        str(write_tree(tmp_path, {**OURS, **files}, {"/usr/bin/nvidia-uninstall": "nvidia-installer"}))
    )
    assert found["version"] == "570.86.15"
    assert found["remove"] == "/usr/bin/nvidia-uninstall --silent"
    assert f"{LIBRARIES}/libcuda.so.580.178.04" not in found["files"]


def test_without_its_uninstaller_the_file_itself_is_named(tmp_path):
    found = foreign_driver(str(write_tree(tmp_path, {f"{LIBRARIES}/libnvidia-ml.so.535.54.03": ""})))
    assert found["remove"] == f"sh NVIDIA-Linux-{os.uname().machine}-535.54.03.run --uninstall"


def test_an_uninstaller_of_a_package_is_none(tmp_path):
    files = {"/usr/bin/nvidia-installer": "", "/var/lib/dpkg/info/tool.list": "/usr/bin/nvidia-installer"}
    assert foreign_driver(str(write_tree(tmp_path, files))) == {}


@pytest.mark.parametrize(("free_mib", "enough"), [(8, False), (60, False), (70, True)])
def test_a_boot_partition_needs_room_for_the_largest_initramfs(tmp_path, monkeypatch, free_mib, enough):
    write_tree(tmp_path, {"/boot/initrd.img-6.1.0-51-amd64": b"", "/boot/initrd.img-6.1.0-56-amd64": b""})
    os.truncate(tmp_path / "boot/initrd.img-6.1.0-51-amd64", 50 << 20)
    os.truncate(tmp_path / "boot/initrd.img-6.1.0-56-amd64", 30 << 20)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=free_mib << 8, f_frsize=4096))
    space = boot_space(str(tmp_path))
    assert space["free"] == free_mib << 20
    assert (space["free"] >= space["needed"]) is enough


def test_without_an_initramfs_nothing_is_needed(tmp_path):
    (tmp_path / "boot").mkdir()
    assert boot_space(str(tmp_path))["needed"] == 0
