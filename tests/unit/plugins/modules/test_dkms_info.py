"""What the module reports of a tree; the cores have tests of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.gpuforge.node.plugins.modules import dkms_info

KERNEL = "6.1.0-56-cloud-amd64"
STATUS = """\
Package: linux-image-6.1.0-56-cloud-amd64
Status: install ok installed
Version: 6.1.192-2

Package: libcuda1
Status: install ok installed
Source: nvidia-graphics-drivers
Version: 535.309.01-0+deb12u1

Package: nvidia-smi
Status: deinstall ok config-files
Source: nvidia-graphics-drivers
Version: 535.309.01-0+deb12u1
"""


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        dkms_info.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("boot", f"lib/modules/{KERNEL}", "var/lib/dpkg", "var/lib/dkms/nvidia-current/535.309.01"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / f"boot/vmlinuz-{KERNEL}").write_bytes(b"")
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    (tmp_path / "var/lib/dkms/nvidia-current/535.309.01/source").symlink_to("/usr/src/nvidia-current-535.309.01")
    return tmp_path


def test_the_report(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, root=str(root), sources=["nvidia-graphics-drivers"])
    assert found["changed"] is False
    assert found["kernels"] == [{"release": KERNEL, "headers": False}]
    assert found["newest_kernel"] == KERNEL
    assert found["header_packages"] == [f"linux-headers-{KERNEL}"]
    assert [build["status"] for build in found["pending"]] == ["added"]
    assert found["packages"] == {"nvidia-graphics-drivers": {"libcuda1": "535.309.01-0+deb12u1"}}
    assert found["installed_packages"] == ["libcuda1", f"linux-image-{KERNEL}"]
    assert found["signing_key"] is False
    assert found["foreign_driver"] == {}
    assert set(found["boot_space"]) == {"free", "needed"}


def test_a_private_key_is_seen(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "var/lib/dkms/mok.key").write_text("secret")
    assert run(capsys, root=str(root))["signing_key"] is True


def test_an_empty_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, root=str(tmp_path))
    assert (found["kernels"], found["newest_kernel"], found["builds"], found["pending"]) == ([], "", [], [])


PROGRAM = """\
#!/bin/sh
[ "$2" = "$ROOT" ] || [ "${0##*/}" = lsinitramfs ] || { echo "wrong root $2"; exit 1; }
cat "$ROOT/${0##*/}.out"
"""
MODINFO = """\
filename:       /lib/modules/6.1.0-56-cloud-amd64/updates/dkms/nvidia.ko.xz
version:        595.91.07
parm:           NVreg_OpenRmEnableUnsupportedGpus:int
parm:           NVreg_RestrictProfilingToAdminUsers:int
"""
SETTINGS = "/etc/modprobe.d/own.conf"


@pytest.fixture
def programs(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's programs, which say what lies in ROOT/<program>.out."""
    folder = root / "programs"
    folder.mkdir()
    for name in ("modinfo", "lsinitramfs"):
        (folder / name).write_text(PROGRAM)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("ROOT", str(root))
    (root / "etc/modprobe.d").mkdir(parents=True)
    (root / f"boot/initrd.img-{KERNEL}").write_bytes(b"")
    return root


def test_what_the_module_says_about_itself(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (programs / "modinfo.out").write_text(MODINFO)
    found = run(capsys, root=str(programs), module="nvidia")["module"]
    assert found["version"] == "595.91.07"
    assert found["parameters"] == ["NVreg_OpenRmEnableUnsupportedGpus", "NVreg_RestrictProfilingToAdminUsers"]
    assert found["error"] == ""


def test_no_module_has_no_version_and_says_why(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, root=str(programs), module="nvidia")["module"]
    assert (found["version"], found["parameters"]) == ("", [])
    assert "modinfo.out" in found["error"]


def odd(programs: Path, capsys: pytest.CaptureFixture[str]) -> str:
    (image,) = run(capsys, root=str(programs), settings=SETTINGS)["initramfs"]
    assert image["path"] == f"/boot/initrd.img-{KERNEL}"
    return str(image["odd"])


def test_an_initramfs_with_the_settings_and_one_without(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert odd(programs, capsys) == f"{SETTINGS} is not there"
    settings, image = programs / SETTINGS[1:], programs / f"boot/initrd.img-{KERNEL}"
    settings.write_text("")
    os.utime(settings, (1000, 1000))
    assert odd(programs, capsys).startswith("lsinitramfs cannot read it")
    (programs / "lsinitramfs.out").write_text("etc/modprobe.d/others.conf\n")
    assert odd(programs, capsys) == f"{SETTINGS} is not in it"
    (programs / "lsinitramfs.out").write_text(f"etc/modprobe.d/others.conf\n{SETTINGS[1:]}\n")
    assert odd(programs, capsys) == ""
    os.utime(image, (999, 999))
    assert odd(programs, capsys) == f"it was made before {SETTINGS}"
