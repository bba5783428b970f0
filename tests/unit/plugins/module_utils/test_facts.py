"""All facts of a node together: the same as each alone, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.gpuforge.node.plugins.module_utils._fabric import read_fabric
from ansible_collections.gpuforge.node.plugins.module_utils._facts import collect_facts, render_nccl_conf
from ansible_collections.gpuforge.node.plugins.module_utils._gpu import read_gpus
from ansible_collections.gpuforge.node.plugins.module_utils._topology import read_topology
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import add_pci, add_rdma, write_tree


def node(root: Path) -> Path:
    add_pci(root, "pci0000:15/0000:15:01.0/0000:19:00.0", 0x0302, 0x10DE, 0x2330, node=0, driver="nvidia")
    path = add_pci(root, "pci0000:15/0000:15:02.0/0000:1a:00.0", 0x0207, 0x15B3, 0x1021, node=0, driver="mlx5_core")
    add_rdma(root, path, "mlx5_0")
    return write_tree(
        root,
        {
            "/sys/devices/system/cpu/online": "0-3",
            "/sys/devices/system/node/node0/cpulist": "0-3",
            "/sys/devices/system/node/node0/distance": "10",
            "/sys/devices/virtual/dmi/id/product_name": "Google Compute Engine",
        },
    )


def test_together_as_alone_and_json(tmp_path: Path) -> None:
    root = str(node(tmp_path))
    metadata = {"machine_type": "a3-ultragpu-8g"}
    facts = collect_facts(root, metadata=metadata)
    assert facts == {"gpu": read_gpus(root), "topology": read_topology(root), "fabric": read_fabric(root, metadata)}
    assert json.loads(json.dumps(facts)) == facts
    assert facts["fabric"]["machine_type"] == "a3-ultragpu-8g"
    assert "fabric: infiniband" in render_nccl_conf(facts["fabric"])


def test_this_machine() -> None:
    """Whatever machine runs the tests: an answer, in JSON."""
    facts = collect_facts("/", nvidia_smi="/nonexistent/nvidia-smi")
    assert json.loads(json.dumps(facts)) == facts
    assert facts["topology"]["cpus_online"]
