"""What `make bake` makes: a real driver in a real image, booted by BIOS and by UEFI, and nothing done twice."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.small_collection import write_file
from tests.image.workshop import GPUFORGE, Workshop

QUICKSTART = "images/quickstart.yml"


def _gpuforge(repo: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "GPUFORGE_WORK_DIR": str(work)}
    return subprocess.run([*GPUFORGE, *arguments], cwd=repo, env=env, capture_output=True, text=True, check=False)


def _last(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def baked(repo: Path, shared_work: Path) -> dict[str, Any]:
    """The result of the bake; what is in the checkout's work directory already is not made again."""
    return _last(_gpuforge(repo, shared_work, "--json", "bake", QUICKSTART))


@pytest.fixture(scope="module")
def record(baked: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(baked["path"]) / "image.json").read_text())
    return data


def test_the_image_is_verified_by_both_firmwares(baked: dict[str, Any], record: dict[str, Any]) -> None:
    assert baked["status"] == record["status"] == "verified"
    assert [(boot["firmware"], boot["ok"], boot["state"]) for boot in record["verification"]] == [
        ("bios", True, "running"),
        ("uefi", True, "running"),
    ]
    assert all(boot["failed_units"] == [] for boot in record["verification"])


# These must have been judged in the guest: what is skipped proves nothing.
IN_THE_GUEST = (
    "system.running", "system.units", "driver.module", "driver.dkms", "driver.userland", "driver.version",
    "driver.nouveau", "driver.kernel_guard", "driver.signature",
    "tuning.values", "tuning.files", "manifest.packages", "hygiene.machine_id", "hygiene.ssh_host_keys",
    "hygiene.authorized_keys", "hygiene.private_keys", "hygiene.dkms_key",
)  # fmt: skip


@pytest.mark.parametrize("check", IN_THE_GUEST)
def test_the_guest_passed(record: dict[str, Any], check: str) -> None:
    for boot in record["verification"]:
        assert {item["id"]: item["status"] for item in boot["checks"]}[check] == "pass", boot["firmware"]


def test_the_manifest_names_what_is_in_the_image(baked: dict[str, Any]) -> None:
    manifest = json.loads((Path(baked["path"]) / "manifest.json").read_text())
    assert manifest["versions"]["driver"].startswith("535.")
    assert manifest["versions"]["kernel"].endswith("-cloud-amd64")
    assert [layer["name"] for layer in manifest["layers"]] == [
        "nvidia_driver", "framework", "perf_tuning", "node_health", "image_seal",
    ]  # fmt: skip
    assert {check["status"] for check in manifest["checks"]} <= {"pass", "skipped"}
    bill = json.loads((Path(baked["path"]) / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert len(bill["components"]) >= len(manifest["packages"]["dpkg"])


def test_the_same_bake_again_does_nothing(repo: Path, shared_work: Path, baked: dict[str, Any]) -> None:
    again = _last(_gpuforge(repo, shared_work, "--json", "bake", QUICKSTART))
    assert again["baked"] == []
    assert (again["image"], again["digest"]) == (baked["image"], baked["digest"])


def test_a_tuned_value_bakes_from_its_layer_on(
    repo: Path, shared_work: Path, baked: dict[str, Any], tmp_path: Path
) -> None:
    spec = yaml.safe_load((repo / QUICKSTART).read_text())
    spec["vars"] = {"perf_tuning_sysctl": {"vm.swappiness": 5}}
    changed = tmp_path / "changed.yml"
    changed.write_text(yaml.safe_dump(spec))
    plan = _last(_gpuforge(repo, shared_work, "--json", "plan", str(changed)))
    assert baked["status"] == "verified"
    assert [(item["name"], item["state"]) for item in plan["layers"]] == [
        ("nvidia_driver", "cached"), ("framework", "cached"), ("perf_tuning", "bake"), ("node_health", "bake"),
        ("image_seal", "bake"),
    ]  # fmt: skip


def test_a_driver_that_does_not_compile_fails_its_layer_with_the_compilers_lines(
    repo: Path, shared_work: Path, bookworm_base: Path, tmp_path: Path
) -> None:
    # Debian 12's open module, 535.261.03, does not build on Debian 12's own kernel 6.1.192 and newer.
    spec = yaml.safe_load((repo / QUICKSTART).read_text())
    spec["stack"]["flavour"] = "open"
    path = tmp_path / "open.yml"
    path.write_text(yaml.safe_dump(spec))
    before = sorted(entry.name for entry in (shared_work / "layers").iterdir())
    done = _gpuforge(repo, shared_work, "bake", str(path), "--no-verify")
    assert done.returncode == 4, done.stderr
    assert "error:" in done.stderr
    assert "pci_resize_resource" in done.stderr
    assert sorted(entry.name for entry in (shared_work / "layers").iterdir()) == before
    assert "cached   base" in done.stderr


MakeWorkshop = Callable[..., Workshop]


def test_an_image_that_boots_and_fails_a_check_is_unverified(workshop: MakeWorkshop) -> None:
    spec = "name: small\ndisk: {size_gib: 4, formats: [qcow2]}\nverify: {firmware: [bios]}\n"
    # No layer here installs the on-node checker: the image boots well and cannot answer for itself.
    shop = workshop({"whole": write_file("/etc/whole", "1")}, spec=spec)
    done = shop.run("bake", str(shop.spec))
    assert done.returncode == 5, done.stderr
    assert "gpuforge-node" in done.stderr
    image = next((shop.work / "images").iterdir())
    data = json.loads((image / "image.json").read_text())
    assert data["status"] == "unverified"
    assert "Linux version" in (image / "boot-bios.log").read_text(errors="replace")
    assert shop.leftovers() == []
