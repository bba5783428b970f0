# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is known about fabrics: PCI ids, drivers, machine types. Sources stand beside each table."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, Mapping, NamedTuple, Pattern, Tuple

FABRICS = ("infiniband", "roce", "efa", "tcpx", "tcpxo", "gib", "slingshot", "tcp")

# linux-rdma/rdma-core providers/efa/efa.c: efa0 to efa4 of vendor 1d0f.
EFA_IDS: FrozenSet[Tuple[int, int]] = frozenset((0x1D0F, device) for device in range(0xEFA0, 0xEFA5))
# HewlettPackard/shs-cxi-driver cass_core.h: Cassini 1, Cassini 2 and its virtual function.
CASSINI_IDS: FrozenSet[Tuple[int, int]] = frozenset(((0x17DB, 0x0501), (0x1590, 0x0371), (0x1590, 0x0372)))
GVNIC_ID = (0x1AE0, 0x0042)  # pciutils/pciids
APERTURE_ID = (0x1AE0, 0x0084)  # GoogleCloudPlatform/cluster-toolkit, a3-megagpu-8g, 00-a3-megagpu.rules

# Drivers of the PCI function behind a verbs device that NCCL's NET/IB can use over Ethernet (rdma-core providers/).
ROCE_DRIVERS = frozenset(("mlx5_core", "mlx4_core", "bnxt_en", "bnxt_re", "ice", "idpf", "irdma", "hns3", "ionic"))
# Verbs devices that carry no NCCL traffic, and why.
UNUSABLE_DRIVERS: Dict[str, str] = {
    # Azure/azhpc-images distros/ubuntu24.04/install.sh blacklists mana_ib: its verbs device crashes UCX and libfabric.
    "mana": "the verbs device of Azure MANA does not work",
    "mana_ib": "the verbs device of Azure MANA does not work",
    # Omni-Path and True Scale run PSM; NCCL has no transport for it.
    "hfi1": "Omni-Path is not one of NCCL's networks",
    "ib_qib": "True Scale is not one of NCCL's networks",
    "usnic_verbs": "usNIC has no RDMA",
}
UNUSABLE_NAMES: Tuple[Tuple[Pattern[str], str], ...] = (
    (re.compile(r"^(hfi1|opap)"), UNUSABLE_DRIVERS["hfi1"]),
    (re.compile(r"^qib"), UNUSABLE_DRIVERS["ib_qib"]),
    (re.compile(r"^mana"), UNUSABLE_DRIVERS["mana"]),
    (re.compile(r"^(rxe|siw)"), "it is software RDMA"),
)
LEAST_ROCE_GBPS = 100  # slower Ethernet ports of GPU nodes are front ends; OCI's A100 rails have 100 Gb/s

# Machine types -> fabric. GoogleCloudPlatform/cluster-toolkit examples/machine-learning/*.
GCP_MACHINES: Tuple[Tuple[Pattern[str], str], ...] = (
    (re.compile(r"^a3-highgpu-8g$"), "tcpx"),
    (re.compile(r"^a3-megagpu-8g"), "tcpxo"),
    (re.compile(r"^(a3-ultragpu-8g|a4-highgpu-8g|a4x-)"), "gib"),
)
# gVNICs of the two machines that only those can tell apart when nothing gives the machine type: one for control plus
# the data rails (GCP documentation, "Network bandwidth", GPU machine types).
TCPX_GVNICS = 5
TCPXO_GVNICS = 9
H100_SXM = frozenset((0x2330,))

# Azure sizes -> directory of the topology file the image carries (Azure/azhpc-images components/customizations/).
AZURE_FAMILIES: Tuple[Tuple[Pattern[str], str], ...] = (
    (re.compile(r"^standard_nd\w*v4$"), "ndv4"),
    (re.compile(r"^standard_nd96is\w*_h[12]00_v5$"), "ndv5"),
)
# The same by GPU, for a machine that does not tell its size: A100 SXM4 and H100/H200 SXM5.
AZURE_GPUS: Dict[int, str] = {0x20B0: "ndv4", 0x20B2: "ndv4", 0x2330: "ndv5", 0x2335: "ndv5"}

# DMI -> cloud. Fields are those of /sys/class/dmi/id. AWS: aws/aws-ofi-nccl src/nccl_ofi_system.cpp; Azure's asset tag
# tells it from other Hyper-V: Azure/WALinuxAgent; Oracle: cloud-init DataSourceOracle.py; Google: cloud-init
# DataSourceGCE.py.
CLOUDS: Tuple[Tuple[str, str, str], ...] = (
    ("sys_vendor", "Amazon EC2", "aws"),
    ("product_name", "Google Compute Engine", "gcp"),
    ("chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "azure"),
    ("chassis_asset_tag", "OracleCloud.com", "oci"),
)


class Script(NamedTuple):
    """A vendor's script and the variables that have to be set before it is sourced."""

    path: str
    needs: Mapping[str, str]


# What sets NCCL up for a fabric. GoogleCloudPlatform/cluster-toolkit examples/machine-learning/a3-megagpu-8g and
# a3-ultragpu-8g.
SCRIPTS: Dict[str, Script] = {
    "gib": Script("/usr/local/gib/scripts/set_nccl_env.sh", {}),
    "tcpxo": Script("/var/lib/tcpxo/lib64/nccl-env-profile.sh", {"NCCL_LIB_DIR": "/var/lib/tcpxo/lib64"}),
}
