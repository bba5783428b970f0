"""Fabrics of captured machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._fabric import read_fabric
from ansible_collections.gpuforge.node.plugins.module_utils._fabric_data import FABRICS
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import (
    capture,
    captures,
    known,
    unpacked,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.fabric_trees import (
    rails,
    why,
)


@pytest.mark.parametrize("path", captures("infiniband"))
def test_every_capture_is_read(path: Path) -> None:
    """Files that describe no node (a subnet, a switch) give no tree; see docs/facts-disagreements.md."""
    roots = unpacked(path)
    node = any(word in path.name for word in ("sysfs", "sys-class", "ib-root", "ibstat.", "ibv_devinfo"))
    assert bool(roots) == node or not known(path)
    for root in roots:
        facts = read_fabric(str(root))
        assert facts["fabric"] in FABRICS
        assert facts["problems"] == []
        for device in facts["devices"]:
            assert device["state"] == "ACTIVE" or not device["compute_rail"]
            assert device["compute_rail"] or why(facts, device["name"])


@pytest.mark.parametrize(
    ("name", "fabric", "expected"),
    [
        ("leptonai_gpud__sys-class-infiniband-h100.tar.gz", "infiniband", "mlx5_{} 0 1 4 5 6 7 8 9"),
        ("leptonai_gpud__ibstat.47.0.h100.all.active.0.txt", "roce", "mlx5_{} 0 3 4 5 6 9 10 11"),
        ("facebookresearch_gcm__sysfs-learn_good.json", "infiniband", "mlx5_{} 0 1 2 3 6 7 8 9"),
        ("facebookresearch_gcm__sysfs-DGX_A100.json", "infiniband", "mlx5_{} 0 1 2 3 6 7 8 9"),
        ("facebookresearch_gcm__sysfs-cache_downlink.json", "tcp", "{}"),
        ("prometheus_procfs__sys-class-infiniband-hfi1-mlx4-mlx5.ttar", "infiniband", "mlx4_{} 0 0"),
        ("converged-computing_performance-study__ibv_devinfo-azure-hbv3-aks.txt", "infiniband", "mlx5_{} 0"),
        ("converged-computing_performance-study__ibv_devinfo-azure-hb-cyclecloud.txt", "tcp", "{}"),
    ],
)
def test_known_fabrics(name: str, fabric: str, expected: str) -> None:
    pattern, *numbers = expected.split()
    (root,) = unpacked(capture("infiniband", name))
    facts = read_fabric(str(root))
    assert (facts["fabric"], rails(facts)) == (fabric, [pattern.format(number) for number in numbers])
