"""The real driver, signed; and a second kernel of the archive for which it is not built: the first one boots."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._grub_default import (
    default_kernel,
    held,
    parse_environment,
)
from ansible_collections.gpuforge.node.plugins.module_utils._module_signature import certificate_names, read_signature
from gpuforge.guard import job_argv
from gpuforge.providers.local import signing
from gpuforge.providers.local.tools import find_tool
from tests.image.workshop import GPUFORGE

MARK = b"~Module signature appended~\n"


@pytest.fixture(scope="module")
def image(repo: Path, shared_work: Path) -> dict[str, Any]:
    """The record of the quickstart's image, baked where it is not there yet; its boots are another test's."""
    env = {**os.environ, "GPUFORGE_WORK_DIR": str(shared_work)}
    argv = [*GPUFORGE, "--json", "bake", "images/quickstart.yml", "--no-verify"]
    done = subprocess.run(argv, cwd=repo, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = Path(json.loads(done.stdout.splitlines()[-1])["path"])
    record: dict[str, Any] = json.loads((folder / "image.json").read_text())
    return {**record, "folder": folder}


@pytest.fixture(scope="module")
def trees(image: dict[str, Any], shared_work: Path) -> list[Path]:
    """The trees that the image is made of, lowest first."""
    base, *layers = image["layers"]
    return [shared_work / "bases" / base / "tree", *(shared_work / "layers" / digest / "diff" for digest in layers)]


@pytest.fixture(scope="module")
def modules(trees: list[Path]) -> list[Path]:
    """The driver's modules."""
    found = sorted(trees[1].glob("lib/modules/*/updates/dkms/nvidia*.ko*")) or sorted(
        trees[1].glob("usr/lib/modules/*/updates/dkms/nvidia*.ko*")
    )
    assert {path.name for path in found} >= {"nvidia-current.ko", "nvidia-current-uvm.ko", "nvidia-current-drm.ko"}
    return found


def test_every_module_is_signed_by_the_certificate_beside_the_image(
    image: dict[str, Any], modules: list[Path], tmp_path: Path
) -> None:
    certificate = image["folder"] / signing.CERTIFICATE
    names = certificate_names(certificate.read_bytes())
    modinfo = find_tool("modinfo")
    assert modinfo is not None, "kmod is not installed"
    for path in modules:
        said = subprocess.run([modinfo, "-F", "signer", path], capture_output=True, text=True, check=True).stdout
        assert said.strip() == names.signer
        blob = path.read_bytes()
        assert read_signature(blob) == names
        # The signature is right, not only there: openssl computes it from the module without its end.
        length = int.from_bytes(blob[-len(MARK) - 4 : -len(MARK)], "big")
        end = len(blob) - len(MARK) - 12 - length
        (tmp_path / "module").write_bytes(blob[:end])
        (tmp_path / "signature").write_bytes(blob[end : end + length])
        pem = tmp_path / "certificate.pem"
        subprocess.run(["openssl", "x509", "-inform", "DER", "-in", certificate, "-out", pem], check=True)
        argv = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "signature", "-content"]
        argv += [tmp_path / "module", "-certfile", pem, "-nointern", "-noverify", "-out", os.devnull]
        subprocess.run(argv, check=True, capture_output=True)


def test_the_private_key_is_nowhere_but_with_the_builder(
    image: dict[str, Any], trees: list[Path], shared_work: Path
) -> None:
    key = signing.find_key(shared_work)
    assert key is not None
    line = key.key.read_text().splitlines()[3]
    assert len(line) == 64
    for place in (*trees, *(path for path in image["folder"].iterdir() if path.suffix != ".qcow2")):
        found = subprocess.run(
            ["grep", "-rlF", "-D", "skip", "-e", line, place], capture_output=True, text=True, check=False
        )
        assert (found.stdout, found.returncode) == ("", 1)
    assert not list(trees[1].glob("var/lib/dkms/mok.*"))
    assert not list(trees[1].glob("run/*"))


@pytest.fixture(scope="module")
def told(trees: list[Path], shared_work: Path, repo: Path) -> dict[str, Any]:
    """What happens when a kernel for which the driver does not compile is installed into the tree, and taken away."""
    scratch = shared_work / "tests" / f"kernel-guard-{os.getpid()}"
    scratch.mkdir(parents=True)
    relative = [str(path.relative_to(shared_work)) for path in (scratch, *reversed(trees[:-1]))]  # before it is sealed
    argv = job_argv([sys.executable, str(repo / "tests/image/kernel_guard_in_tree.py"), *relative])
    try:
        done = subprocess.run(argv, cwd=shared_work, stdout=subprocess.PIPE, text=True, check=False)
    finally:
        shutil.rmtree(scratch)
    assert done.returncode == 0
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _boots(seen: dict[str, Any]) -> str:
    return default_kernel(seen["grub"], parse_environment(seen["environment"]))


def test_a_kernel_with_its_driver_is_the_default(told: dict[str, Any]) -> None:
    assert told["first_grub"]["code"] == 0, told["first_grub"]["said"]
    first = told["first"]
    assert _boots(first).endswith("-cloud-amd64")
    assert first["drop_in"] == ""
    assert first["guard"]["code"] == 0
    assert first["checks"]["driver.kernel_guard"]["status"] == "pass"


def test_a_kernel_that_the_driver_refuses_waits(told: dict[str, Any]) -> None:
    (newest,) = told["rt"]
    good, seen = _boots(told["first"]), told["with"]
    assert held(seen["drop_in"]) == good, told["installed"]["said"]
    assert seen["guard"]["code"] == 1
    decision = json.loads(seen["guard"]["said"])
    assert (decision["default"], decision["good"]) == (good, True)
    ((release, why),) = decision["refused"]
    assert release == newest
    # Debian's package of the driver refuses a real-time kernel before it compiles, and DKMS calls that a failed build.
    assert "no NVIDIA module was built" in why
    assert f"held back {newest}" in told["installed"]["said"]
    assert told["installed"]["code"] != 0


def test_a_kernel_for_which_the_compiler_fails_waits_too(told: dict[str, Any]) -> None:
    (newest,) = told["rt"]
    assert told["configured"]["code"] != 0, told["configured"]["said"]
    assert _boots(told["tried"]) == _boots(told["first"])
    decision = json.loads(told["tried"]["guard"]["said"])
    ((release, why),) = decision["refused"]
    assert release == newest
    assert "the build of nvidia-current 535." in why
    assert "#error this kernel is not known to the driver" in why


def test_the_check_says_so_and_the_driver_is_in_order(told: dict[str, Any]) -> None:
    checks = told["with"]["checks"]
    assert checks["driver.kernel_guard"]["status"] == "fail"
    assert checks["driver.kernel_guard"]["severity"] == "warning"
    assert told["rt"][0] in checks["driver.kernel_guard"]["observed"]
    assert checks["driver.module"]["status"] == checks["driver.signature"]["status"] == "pass"


def test_grub_keeps_the_last_good_one_whoever_renews_its_menu(told: dict[str, Any]) -> None:
    assert told["later_grub"]["code"] == 0, told["later_grub"]["said"]
    grub = told["later"]["grub"]
    assert f"vmlinuz-{told['rt'][0]} " in grub, "the new kernel is in the menu"
    assert grub.index(told["rt"][0]) < grub.index("menuentry 'Debian GNU/Linux, with"), "GRUB by itself would boot it"
    assert _boots(told["later"]) == _boots(told["first"])


def test_nothing_is_held_once_it_is_gone(told: dict[str, Any]) -> None:
    after = told["after"]
    assert after["drop_in"] == "", told["removed"]["said"]
    assert _boots(after) == _boots(told["first"])
    assert told["rt"][0] not in after["grub"]
    assert after["checks"]["driver.kernel_guard"]["status"] == "pass"
