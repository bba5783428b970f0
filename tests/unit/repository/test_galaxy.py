"""The collection's artifact: buildable, installable, without the wrapper, and its modules are found in it."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import gpuforge

#: What the artifact may have at its top; everything else belongs to the checkout.
TOP = {
    "CHANGELOG.rst",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "meta",
    "playbooks",
    "plugins",
    "roles",
}
#: More than this in bytes means that something got in that is no source.
LIMIT = 3 * 1024 * 1024


def run(argv: list[str], cwd: Path) -> str:
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def galaxy(repo: Path) -> dict[str, Any]:
    loaded = yaml.safe_load((repo / "galaxy.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def artifact(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("artifact")
    run(["ansible-galaxy", "collection", "build", "--output-path", str(out)], cwd=repo)
    (built,) = out.glob("gpuforge-node-*.tar.gz")
    return built


def test_one_version_everywhere(repo: Path) -> None:
    project = tomllib.loads((repo / "wrapper" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {galaxy(repo)["version"], project["version"], gpuforge.__version__} == {galaxy(repo)["version"]}


def test_the_wrapper_asks_for_what_is_pinned(repo: Path) -> None:
    project = tomllib.loads((repo / "wrapper" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = (repo / "requirements" / "bake.in").read_text(encoding="utf-8")
    missing = [wish for wish in project["dependencies"] if wish not in asked.splitlines()]
    assert missing == []


def test_every_module_is_in_the_action_group(repo: Path) -> None:
    groups = yaml.safe_load((repo / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]
    modules = sorted(path.stem for path in (repo / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
    assert sorted(groups["node"]) == modules


def test_only_the_collection_is_in_it(artifact: Path) -> None:
    with tarfile.open(artifact) as tar:
        names = tar.getnames()
    assert {name.split("/")[0] for name in names} - TOP == set()
    assert {"roles", "plugins", "playbooks", "meta"} <= {name.split("/")[0] for name in names}
    assert [name for name in names if re.search(r"__pycache__|\.pyc$|~$", name)] == []
    assert artifact.stat().st_size < LIMIT


def test_it_installs_and_its_modules_are_documented(artifact: Path, repo: Path, tmp_path: Path) -> None:
    where = tmp_path / "collections"
    # Away from the checkout: nothing but what gets installed here can answer.
    apart = ["env", "--unset=PYTHONPATH", f"ANSIBLE_COLLECTIONS_PATH={where}"]
    install = ["ansible-galaxy", "collection", "install", "--no-deps", "--collections-path", str(where), str(artifact)]
    run([*apart, *install], cwd=tmp_path)
    modules = sorted(path.stem for path in (repo / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
    assert modules
    doc = [*apart, "ansible-doc"]
    listed = json.loads(run([*doc, "--list", "--json", "--type", "module", "gpuforge.node"], cwd=tmp_path))
    assert sorted(listed) == [f"gpuforge.node.{name}" for name in modules]
    told = json.loads(run([*doc, "--json", *listed], cwd=tmp_path))
    assert sorted(told) == sorted(listed)
    roles = json.loads(run([*doc, "--list", "--json", "--type", "role", "gpuforge.node"], cwd=tmp_path))
    assert sorted(roles) == sorted(f"gpuforge.node.{path.name}" for path in (repo / "roles").iterdir() if path.is_dir())
