# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which command measures the network between some nodes; every reason why none can, all at once."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._bench_plot import size_text
from ._nccl_tests import operation

NCCL_MAX_SIZE = 8 << 30
"""Bytes of the largest message where nobody says anything: large enough for a fabric of 400 Gb/s to be busy."""


class PlanError(Exception):
    """No command can be run; ``problems`` says why, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class Node(NamedTuple):
    """A node of the inventory: its name there, the address that other nodes reach it by, what it has (_bench_find)."""

    name: str
    address: str
    found: Mapping[str, Any]


class Wish(NamedTuple):
    """What the user asked for; None or empty leaves it to the plan."""

    programs: Sequence[str] = ("all_reduce_perf", "osu_allreduce", "osu_bw")
    launcher: str = "auto"  # auto, mpirun, torchrun, none
    arguments: Optional[Sequence[str]] = None
    mpi_options: Sequence[str] = ()
    environment: Mapping[str, str] = {}
    ranks_per_node: Optional[int] = None
    hostfile: Optional[str] = None
    max_size: Optional[int] = None
    allow_root: bool = False
    port: int = 29500  # PyTorch's documentation uses it for a rendezvous that is named by hand


class Plan(NamedTuple):
    """``commands``: argv by node name; the first node's output is the result. ``{script}`` stands for our program."""

    commands: Dict[str, List[str]]
    launcher: str
    program: str
    test: str
    ranks: int
    ranks_per_node: int
    node_type: Optional[str]
    gpus: bool


def make_plan(nodes: Sequence[Node], wish: Wish, largest_needed: Optional[int] = None) -> Plan:
    """Return the plan.

    :param largest_needed: bytes from which on the threshold of this node type holds, if there is one.
    :raises PlanError: with every problem found.
    """
    problems: List[str] = []
    if not nodes:
        raise PlanError(["no node to measure on: check the inventory and --limit"])
    gpus = [int(node.found["gpus"]) for node in nodes]
    launcher = _launcher(nodes, wish, problems)
    program, test = _program(nodes, wish, launcher, all(gpus), problems)
    ranks_per_node = _ranks_per_node(nodes, wish, test, gpus, problems)
    pair = _is_pair(test)
    if pair and len(nodes) != 2 and launcher == "mpirun":
        names = ", ".join(node.name for node in nodes)
        problems.append(f"{test} measures between exactly two nodes, these are {len(nodes)} ({names}): use --limit")
    problems += _users(nodes, wish, launcher)
    if problems:
        raise PlanError(problems)
    arguments = list(wish.arguments) if wish.arguments is not None else _arguments(test, launcher, wish, largest_needed)
    types = {node.found.get("machine_type") for node in nodes}
    plan = Plan(
        commands={},
        launcher=launcher,
        program=program,
        test=test,
        ranks=ranks_per_node * len(nodes),
        ranks_per_node=ranks_per_node,
        node_type=types.pop() if len(types) == 1 else None,
        gpus=all(gpus),
    )
    return plan._replace(commands=_commands(nodes, wish, plan, arguments))


def _launcher(nodes: Sequence[Node], wish: Wish, problems: List[str]) -> str:
    """Return the launcher, which every node has; problems where that is not so."""
    have = {name: [node for node in nodes if _usable(node, name)] for name in ("mpirun", "torchrun")}
    if wish.launcher == "auto":
        if len(have["mpirun"]) == len(nodes):
            return "mpirun"
        if len(nodes) == 1:
            return "none"
        if len(have["torchrun"]) == len(nodes):
            return "torchrun"
        launcher = "torchrun" if have["torchrun"] and not have["mpirun"] else "mpirun"
    else:
        launcher = wish.launcher
    if launcher == "none" and len(nodes) > 1:
        problems.append(f"without a launcher one node can be measured, these are {len(nodes)}: use --limit or mpirun")
    for node in nodes if launcher != "none" else []:
        if node in have[launcher]:
            continue
        other = node.found.get("mpirun") if launcher == "mpirun" else None
        if other:
            problems.append(
                f"{node.name}: {other['path']} is not Open MPI ({other['said']}): put Open MPI first in PATH"
            )
        elif launcher == "mpirun":
            problems.append(f"{node.name}: no mpirun: install Open MPI (package openmpi-bin, or the role multinode)")
        else:
            problems.append(f"{node.name}: no torchrun: install PyTorch, or name its environment in PATH")
    versions = [str((node.found.get("mpirun") or {}).get("version", "")) for node in have["mpirun"]]
    if launcher == "mpirun" and len({version.partition(".")[0] for version in versions}) > 1:
        told = ", ".join(f"{node.name} {version}" for node, version in zip(have["mpirun"], versions))
        problems.append(f"Open MPI of different major versions cannot talk to each other: {told}")
    return launcher


def _usable(node: Node, launcher: str) -> bool:
    found = node.found.get(launcher) or {}
    return bool(found.get("version") if launcher == "mpirun" else found)


def _program(nodes: Sequence[Node], wish: Wish, launcher: str, all_gpus: bool, problems: List[str]) -> Tuple[str, str]:
    """Return the path of the program on the nodes and the name of its test."""
    if launcher == "torchrun":
        return "{script}", "all_reduce"
    without: List[str] = []
    for name in wish.programs:
        nccl = re.search(r"_perf(?:_mpi)?$", name) is not None
        if nccl and not all_gpus:
            without.append(f"{name} needs a GPU on every node")
            continue
        paths = {node.found["programs"].get(name) for node in nodes}
        if len(paths) == 1 and None not in paths:
            return paths.pop() or "", operation(name) if nccl else name.rpartition("/")[2]
        lacking = [node.name for node in nodes if name not in node.found["programs"]]
        if len(lacking) == len(nodes):
            without.append(f"{name} is on no node")
        elif lacking:
            without.append(f"{name} is not on {', '.join(lacking)}")
        else:
            told = ", ".join(f"{node.name} {node.found['programs'][name]}" for node in nodes)
            without.append(f"{name} has different paths ({told})")
    problems.append(
        f"no program to run: {'; '.join(without)}. Build nccl-tests (MPI=1) or the OSU micro-benchmarks into the same "
        "place on every node, and name it in benchmark_programs if it is not found in PATH"
    )
    return "", ""


def _is_pair(test: str) -> bool:
    # The point-to-point programs of OSU refuse any number of processes but two.
    return re.match(r"^osu_(?:bw|bibw|latency)(?:_|$)", test) is not None


def _ranks_per_node(nodes: Sequence[Node], wish: Wish, test: str, gpus: Sequence[int], problems: List[str]) -> int:
    if wish.ranks_per_node is not None:
        return wish.ranks_per_node
    if not all(gpus) or test.startswith("osu_"):
        return 1
    if len(set(gpus)) > 1:
        told = ", ".join(f"{node.name} {count}" for node, count in zip(nodes, gpus))
        problems.append(f"the nodes differ in their number of GPUs ({told}): a GPU is lost, or set ranks_per_node")
    return min(gpus)


def _users(nodes: Sequence[Node], wish: Wish, launcher: str) -> List[str]:
    if launcher != "mpirun" or wish.allow_root:
        return []
    return [
        f"{node.name}: Open MPI does not run as root: log in as another user (no become), or set benchmark_allow_root"
        for node in nodes[:1]
        if node.found["uid"] == 0
    ]


def _arguments(test: str, launcher: str, wish: Wish, largest_needed: Optional[int]) -> List[str]:
    if test.startswith("osu_") or launcher == "torchrun":
        largest = wish.max_size or (NCCL_MAX_SIZE if launcher == "torchrun" else None)
        return ["-m", f"1:{largest}"] if largest and launcher != "torchrun" else [str(largest)] if largest else []
    largest = wish.max_size or max(NCCL_MAX_SIZE, largest_needed or 0)
    # One process a GPU, every size doubled, data checked: how its README runs it over several nodes.
    return ["-b", "8", "-e", size_text(largest), "-f", "2", "-g", "1", "-c", "1", "-n", "20", "-w", "5"]


def _commands(nodes: Sequence[Node], wish: Wish, plan: Plan, arguments: Sequence[str]) -> Dict[str, List[str]]:
    first = nodes[0]
    if plan.launcher == "none":
        # Without MPI nccl-tests is one process that drives all GPUs.
        argv = ["-g", str(plan.ranks_per_node)] if plan.gpus and not plan.test.startswith("osu_") else []
        return {first.name: [plan.program, *_without(arguments, "-g"), *argv]}
    if plan.launcher == "torchrun":
        return {
            node.name: [
                *node.found["torchrun"]["argv"].split(),
                f"--nnodes={len(nodes)}",
                f"--node_rank={rank}",
                f"--nproc_per_node={plan.ranks_per_node}",
                f"--master_addr={first.address}",
                f"--master_port={wish.port}",
                plan.program,
                *arguments,
            ]
            for rank, node in enumerate(nodes)
        }
    slots = plan.ranks_per_node
    # The first node starts the others, and goes by its own name: Open MPI 5 does not take one of its addresses for
    # itself, and then counts the slots of one node less.
    names = [first.found["hostname"], *(node.address for node in nodes[1:])]
    where = (
        ["--hostfile", wish.hostfile] if wish.hostfile else ["--host", ",".join(f"{name}:{slots}" for name in names)]
    )
    # Only names: mpirun takes the values from its own environment, and a command line is seen by everybody.
    exported = [word for name in sorted(wish.environment) for word in ("-x", name)]
    return {
        first.name: [
            first.found["mpirun"]["path"],
            "--np",
            str(plan.ranks),
            "--map-by",
            f"ppr:{slots}:node",
            *where,
            *exported,
            *wish.mpi_options,
            plan.program,
            *arguments,
        ]
    }


def _without(arguments: Sequence[str], option: str) -> List[str]:
    """Return the arguments without an option and its value."""
    kept: List[str] = []
    skip = False
    for word in arguments:
        if skip or word == option:
            skip = not skip
            continue
        kept.append(word)
    return kept
