"""What the module reports of a tree; the cores have tests of their own."""

from __future__ import annotations

import json
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


def test_a_private_key_is_seen(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "var/lib/dkms/mok.key").write_text("secret")
    assert run(capsys, root=str(root))["signing_key"] is True


def test_an_empty_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, root=str(tmp_path))
    assert (found["kernels"], found["newest_kernel"], found["builds"], found["pending"]) == ([], "", [], [])
