"""A collection of a few lines, for what the wrapper does with any collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gpuforge.collection import Collection
from gpuforge.spec import Spec, parse_spec

SITE = """\
- name: Site
  hosts: all
  gather_facts: false
  roles:
    - {role: gpuforge.node.low, tags: [low]}
    - {role: gpuforge.node.optional, tags: [optional], when: enable_optional | default(false) | bool}
    - {role: gpuforge.node.high, tags: [high]}
"""
SEAL = "- hosts: all\n  gather_facts: false\n  roles: [{role: gpuforge.node.image_seal, tags: [image_seal]}]\n"
FILES: Mapping[str, str] = {
    "playbooks/site.yml": SITE,
    "playbooks/seal.yml": SEAL,
    "roles/common/tasks/main.yml": "[]\n",
    "roles/low/tasks/main.yml": "- gpuforge.node.probe: {}\n",
    "roles/low/meta/main.yml": "dependencies: [{role: gpuforge.node.common}]\n",
    "roles/low/meta/argument_specs.yml": (
        "argument_specs: {main: {options: {low_size: {type: int, default: 1, description: A size.},"
        " low_kind: {type: str, choices: [soft, hard], default: soft}}}}\n"
    ),
    "roles/low/README.md": "low\n",
    "roles/optional/tasks/main.yml": "[]\n",
    "roles/high/tasks/main.yml": "[]\n",
    "roles/high/meta/argument_specs.yml": (
        "argument_specs: {main: {options: {high_color: {type: str, default: red}}}}\n"
    ),
    "roles/image_seal/tasks/main.yml": "[]\n",
    "plugins/modules/probe.py": "from ansible_collections.gpuforge.node.plugins.module_utils._core import go\n",
    "plugins/modules/other.py": "from ansible_collections.gpuforge.node.plugins.module_utils import _aside\n",
    "plugins/module_utils/_core.py": "from . import _deep\nfrom ._data.table import ROWS\n",
    "plugins/module_utils/_deep.py": "",
    "plugins/module_utils/_data/__init__.py": "",
    "plugins/module_utils/_data/table.py": "ROWS = ()\n",
    "plugins/module_utils/_aside.py": "",
}


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """The small collection, in a folder of its own that the test may change."""
    root = tmp_path / "collection"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Collection(root)


@pytest.fixture
def spec(tmp_path: Path) -> Callable[..., Spec]:
    """Make a spec; keyword arguments are its keys."""

    def make(**keys: Any) -> Spec:
        import yaml

        text = yaml.safe_dump({"name": "try", "layers": {}, **keys})
        return parse_spec(text, tmp_path / "spec.yml")

    return make


@pytest.fixture
def repo_collection(repo: Path) -> Collection:
    """This repository's own collection."""
    return Collection(repo)
