"""Fixtures of the health checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """An empty machine on paper."""
    root = tmp_path / "root"
    root.mkdir()
    return Node(root)
