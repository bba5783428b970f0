# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a node has to run a network benchmark with: programs, launchers, GPUs, and what kind of machine it is."""

from __future__ import annotations

import glob
import os
import re
import shutil
import socket
from typing import Any, Callable, Dict, List, Optional, Sequence

from ._metadata import read_metadata
from ._pci import read_pci
from ._smi_run import run
from ._sysfs import Tree

Ask = Callable[[List[str]], str]  # argv -> what it prints; "" if it cannot be run

PROGRAM_FOLDERS = (
    # nccl-tests, where its builders and the images of clouds put it (Azure/azhpc-images, oracle-quickstart/oci-hpc)
    "/opt/nccl-tests/build",
    "/opt/nccl_tests/build",
    "/usr/local/nccl-tests/build",
    "/opt/oci-hpc/nccl-test/build",
    "/opt/rccl-tests/build",
    # OSU micro-benchmarks: PREFIX/libexec/osu-micro-benchmarks/mpi/KIND (its own Makefiles), and HPC-X and MLNX_OFED
    "/usr/libexec/osu-micro-benchmarks/mpi/*",
    "/usr/local/libexec/osu-micro-benchmarks/mpi/*",
    "/opt/*/libexec/osu-micro-benchmarks/mpi/*",
    "/opt/hpcx*/ompi/tests/osu-micro-benchmarks*",
    "/usr/mpi/gcc/openmpi-*/tests/osu-micro-benchmarks-*",
)
"""Globs of folders that are looked into after PATH, in this order."""
MPIRUN_FOLDERS = (
    "/usr/mpi/gcc/openmpi-*/bin",
    "/opt/openmpi*/bin",
    "/opt/hpcx*/ompi/bin",
    "/opt/amazon/openmpi*/bin",
    "/usr/local/mpi/bin",
)
"""Where Open MPI of the vendors is: MLNX_OFED, a build by hand, HPC-X, AWS's EFA installer, NGC containers."""
_TIMEOUT_S = 20.0


def find(programs: Sequence[str], ask: Optional[Ask] = None, metadata_timeout: float = 2.0) -> Dict[str, Any]:
    """Return what this node can run.

    :param programs: names to look for, or absolute paths; the first that every node has will be run.
    :param ask: runs a command and returns its output; tests give their own.
    :param metadata_timeout: seconds to wait for the cloud's metadata service, where there is one.
    """
    asked = ask or _ask
    tree = Tree("/")
    metadata, why_not = read_metadata("/", metadata_timeout)
    return {
        "hostname": socket.gethostname(),
        "uid": os.getuid(),
        "cpus": len(os.sched_getaffinity(0)),
        "gpus": sum(device.is_gpu for device in read_pci(tree)),
        "cloud": metadata.get("cloud"),
        "machine_type": metadata.get("machine_type"),
        "machine_type_unknown": why_not or "",
        "programs": {name: path for name, path in ((name, find_program(name)) for name in programs) if path},
        "mpirun": _mpirun(asked),
        "torchrun": _torchrun(asked),
    }


def find_program(name: str, folders: Sequence[str] = PROGRAM_FOLDERS) -> Optional[str]:
    """Return the path of a program: in PATH, then below the known folders; newest version last in a glob wins."""
    if os.path.isabs(name):
        return name if os.access(name, os.X_OK) and os.path.isfile(name) else None
    found = shutil.which(name)
    if found:
        return found
    for pattern in folders:
        for folder in sorted(glob.glob(pattern), reverse=True):
            path = os.path.join(folder, name)
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
    return None


def _mpirun(ask: Ask) -> Optional[Dict[str, str]]:
    path = find_program("mpirun", MPIRUN_FOLDERS)
    if path is None:
        return None
    said = ask([path, "--version"])
    version = re.search(r"\(Open MPI\) (\d\S*)", said)
    first = (said.strip().splitlines() or ["it does not say its version"])[0]
    return {"path": path, "version": version.group(1) if version else "", "said": first[:200]}


def _torchrun(ask: Ask) -> Optional[Dict[str, str]]:
    path = find_program("torchrun", ("/opt/ml/*/bin", "/opt/ml/*/*/bin", "/opt/pytorch/bin"))
    if path:
        return {"argv": path}
    python = shutil.which("python3")
    # A distribution's package has the module without the command; importing torch itself would take seconds.
    probe = "import importlib.util as u; print('torch' if u.find_spec('torch') else '')"
    if python and ask([python, "-c", probe]).strip() == "torch":
        return {"argv": f"{python} -m torch.distributed.run"}
    return None


def _ask(argv: List[str]) -> str:
    answer = run(argv, _TIMEOUT_S)
    return (answer.output or answer.errors).decode("utf-8", "replace")
