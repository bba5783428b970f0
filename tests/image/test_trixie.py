"""The quickstart on Debian 13: another release's driver, kernel, Python and boot loader."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.image.workshop import GPUFORGE

# A base, a driver and two boots of its own, as long as all of the quickstart.
pytestmark = pytest.mark.slow


def test_the_quickstart_on_debian_13_is_verified(repo: Path, shared_work: Path, tmp_path: Path) -> None:
    spec = yaml.safe_load((repo / "images/quickstart.yml").read_text())
    spec["name"] = "trixie"
    spec["base"]["release"] = "trixie"
    path = tmp_path / "trixie.yml"
    path.write_text(yaml.safe_dump(spec))
    env = {**os.environ, "GPUFORGE_WORK_DIR": str(shared_work)}
    done = subprocess.run(
        [*GPUFORGE, "--json", "bake", str(path)], cwd=repo, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["status"] == "verified"
    manifest = json.loads((Path(result["path"]) / "manifest.json").read_text())
    assert "+deb13" in manifest["versions"]["kernel"]
    assert manifest["versions"]["driver"].startswith("550.")
    record = json.loads((Path(result["path"]) / "image.json").read_text())
    for boot in record["verification"]:
        found = {item["id"]: item["status"] for item in boot["checks"]}
        assert found["driver.module"] == found["driver.dkms"] == found["driver.version"] == "pass", boot["firmware"]
        assert found["tuning.values"] == found["manifest.packages"] == "pass", boot["firmware"]
