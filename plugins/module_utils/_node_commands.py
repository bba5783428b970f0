# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The commands of ``gpuforge-node``: each takes the parsed arguments, writes its answer and gives the exit code.

They raise HealthError for what the caller got wrong and OSError for files; _node_cli.py reports both.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import sys
import tempfile

from ._health.expect import Expect, parse_expect_text, read_expect
from ._health.model import EXIT_FAIL, EXIT_OK
from ._health.tree import Tree


def write_whole(path: str, text: str) -> None:
    """Put ``text`` at ``path`` in one step, so that a reader never sees half of it. Raises OSError."""
    descriptor, name = tempfile.mkstemp(prefix=".gpuforge-", dir=os.path.dirname(os.path.abspath(path)))
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def root_of(args: argparse.Namespace) -> str:
    """The folder that ``--root`` names. Raises NotADirectoryError."""
    root: str = args.root
    if not os.path.isdir(root):
        raise NotADirectoryError(errno.ENOTDIR, "--root needs a folder", root)
    return root


def _expectations(tree: Tree, path: str) -> Expect:
    if not path:
        return read_expect(tree)
    with open(path, encoding="utf-8", errors="replace") as file:
        return parse_expect_text(file.read(), path)


def check(args: argparse.Namespace) -> int:
    """Ask the chosen checks; 0, 1 or 3 (see `Report.exit_code`)."""
    from ._gpu import read_gpus
    from ._health.machine import Machine
    from ._health.render import FORMATS, as_text
    from ._health.run import choose, run_checks

    checks = choose(args.only, args.skip)
    tree = Tree(root_of(args))
    expect = _expectations(tree, args.expect or "")
    if args.list:
        width = max(len(item.id) for item in checks)
        sys.stdout.write("".join(f"{item.id:<{width}}  {item.title}\n" for item in checks))
        return EXIT_OK
    machine = Machine(
        tree, live=tree.root == "/", expect=expect, gpu_facts=lambda: read_gpus(tree.root, args.nvidia_smi)
    )
    report = run_checks(machine, checks)
    text = FORMATS[args.format](report)
    if args.output:
        write_whole(args.output, text)
        text = as_text(report)
    sys.stdout.write(text)
    return report.exit_code


def facts(args: argparse.Namespace) -> int:
    """Write what the modules gpu_info, topology_info and fabric_info return."""
    from ._facts import collect_facts
    from ._metadata import read_metadata

    root = root_of(args)
    metadata = read_metadata(root)[0] if os.path.realpath(root) == "/" else None
    found = collect_facts(root, args.nvidia_smi, metadata)
    if args.json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        return EXIT_OK
    gpu, fabric_facts = found["gpu"], found["fabric"]
    lines = [f"driver    {gpu['driver_version'] or 'none'}, CUDA {gpu['cuda_version'] or 'unknown'} ({gpu['source']})"]
    lines += [f"GPU       {item['pci_bus_id']}  {item['name']}  NUMA node {item['numa_node']}" for item in gpu["gpus"]]
    lines += [f"NUMA node {node['id']}: {node['memory_mib']} MiB" for node in found["topology"]["numa_nodes"]]
    lines += [f"fabric    {fabric_facts['fabric']}"]
    lines += [f"problem   {item['subject']} {item['message']}" for part in found.values() for item in part["problems"]]
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK


def tune(args: argparse.Namespace) -> int:
    """Set the kernel values that were put off until boot, or say what would be set; 1 when that is refused."""
    from ._machine import Host
    from ._tuning_boot import tune as work_out
    from ._tuning_model import TuningError

    try:
        result = work_out(Host(root_of(args)), apply=args.apply)
    except TuningError as exc:
        sys.stderr.write(f"gpuforge-node: {exc}\n")
        return EXIT_FAIL
    if args.format == "json":
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
        return EXIT_OK
    lines = [f"{name} {before} -> {after}" for name, (before, after) in result["values"].items()]
    lines += [f"left {name}: {why}" for name, why in result["left"].items()]
    lines += [f"unsupported {name}: {why}" for name, why in result["unsupported"].items()]
    lines += [f"pending {name}: {why}" for name, why in result["pending"].items()]
    sys.stdout.write("".join(line + "\n" for line in lines) or "nothing to set\n")
    return EXIT_OK
