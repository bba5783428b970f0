# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""All facts of a node at once, each exactly what its module returns: ``gpuforge-node facts`` prints this."""

from __future__ import annotations

from typing import Mapping, Optional

from ._fabric import read_fabric
from ._gpu import DEFAULT_TIMEOUT, read_gpus
from ._nccl_conf import render_nccl_conf
from ._pci import read_pci
from ._problem import Facts
from ._sysfs import Tree
from ._topology import read_topology

__all__ = ["collect_facts", "render_nccl_conf"]


def collect_facts(
    root: str = "/",
    nvidia_smi: Optional[str] = None,
    metadata: Optional[Mapping[str, object]] = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Facts:
    """Return ``{"gpu": ..., "topology": ..., "fabric": ...}``; the PCI bus is read once for all three.

    :param root: directory that stands for ``/``.
    :param nvidia_smi: program to ask; None looks in PATH, and only when *root* is ``/``.
    :param metadata: ``cloud`` and ``machine_type``, as ``_metadata.read_metadata`` returns them; None for sysfs alone.
    :param timeout: seconds that all runs of nvidia-smi may take together.
    """
    tree = Tree(root)
    devices = read_pci(tree)
    return {
        "gpu": read_gpus(root, nvidia_smi, timeout, tree=tree, devices=devices),
        "topology": read_topology(root, tree=tree, devices=devices),
        "fabric": read_fabric(root, metadata, tree=tree, devices=devices),
    }
