"""Which command is run, and every reason why none is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._bench_plan import Node, PlanError, Wish, make_plan

OPEN_MPI = {"path": "/usr/bin/mpirun", "version": "4.1.4", "said": "mpirun (Open MPI) 4.1.4"}
NCCL = "/opt/nccl-tests/build/all_reduce_perf"


def node(number: int, **found: Any) -> Node:
    base: dict[str, Any] = {
        "hostname": f"node{number}",
        "uid": 1000,
        "cpus": 96,
        "gpus": 8,
        "machine_type": "bm.gpu.h100.8",
        "programs": {"all_reduce_perf": NCCL},
        "mpirun": OPEN_MPI,
        "torchrun": None,
    }
    return Node(f"gpu-{number:02d}", f"10.0.0.{number}", {**base, **found})


def refused(*nodes: Node, **wish: Any) -> list[str]:
    with pytest.raises(PlanError) as caught:
        make_plan(nodes, Wish(**wish))
    return caught.value.problems


def test_nccl_tests_over_two_nodes() -> None:
    plan = make_plan(
        [node(1), node(2)], Wish(environment={"NCCL_DEBUG": "INFO", "A": "secret"}, mpi_options=["--x", "y"])
    )
    assert plan.commands == {
        "gpu-01": (
            "/usr/bin/mpirun --np 16 --map-by ppr:8:node --host node1:8,10.0.0.2:8 -x A -x NCCL_DEBUG --x y "
            f"{NCCL} -b 8 -e 8G -f 2 -g 1 -c 1 -n 20 -w 5"
        ).split()
    }
    assert (plan.test, plan.ranks, plan.ranks_per_node, plan.node_type) == ("all_reduce", 16, 8, "bm.gpu.h100.8")


def test_sizes_follow_the_threshold_and_the_wish() -> None:
    def largest(wish: Wish, needed: int | None) -> str:
        argv = make_plan([node(1), node(2)], wish, needed).commands["gpu-01"]
        return argv[argv.index("-e") + 1]

    assert largest(Wish(), 16 << 30) == "16G"
    assert largest(Wish(), 1 << 30) == "8G"
    assert largest(Wish(max_size=64 << 20), 16 << 30) == "64M"


def test_one_node_without_mpi_drives_all_gpus_in_one_process() -> None:
    plan = make_plan([node(1, mpirun=None)], Wish())
    assert plan.commands["gpu-01"] == [
        NCCL,
        *["-b", "8", "-e", "8G", "-f", "2", "-c", "1", "-n", "20", "-w", "5", "-g", "8"],
    ]
    assert (plan.launcher, plan.ranks) == ("none", 8)


def test_cpus_take_osu() -> None:
    programs = {"osu_bw": "/x/osu_bw", "osu_allreduce": "/y/osu_allreduce"}
    nodes = [node(number, gpus=0, programs=programs) for number in (1, 2)]
    assert make_plan(nodes, Wish()).commands["gpu-01"][-1] == "/y/osu_allreduce"
    pair = make_plan(nodes, Wish(programs=["osu_bw"], max_size=4096, hostfile="/etc/hosts.mpi"))
    assert pair.commands["gpu-01"][3:] == [
        "--map-by",
        "ppr:1:node",
        "--hostfile",
        "/etc/hosts.mpi",
        "/x/osu_bw",
        "-m",
        "1:4096",
    ]
    assert pair.ranks == 2


def test_torchrun_runs_on_every_node() -> None:
    found = {"mpirun": None, "torchrun": {"argv": "/usr/bin/python3 -m torch.distributed.run"}}
    plan = make_plan([node(1, **found), node(2, **found)], Wish(port=3))
    assert plan.launcher == "torchrun"
    assert plan.commands["gpu-02"] == [
        "/usr/bin/python3",
        "-m",
        "torch.distributed.run",
        "--nnodes=2",
        "--node_rank=1",
        "--nproc_per_node=8",
        "--master_addr=10.0.0.1",
        "--master_port=3",
        "{script}",
        "8589934592",
    ]


def test_arguments_of_the_user_replace_ours() -> None:
    assert make_plan([node(1), node(2)], Wish(arguments=["-b", "1G"])).commands["gpu-01"][-3:] == [NCCL, "-b", "1G"]


def test_every_problem_at_once() -> None:
    problems = refused(
        node(1, uid=0, programs={}),
        node(2, gpus=7, mpirun={**OPEN_MPI, "version": "5.0.7"}, programs={}),
        node(3, mpirun={"path": "/usr/bin/mpirun", "version": "", "said": "HYDRA build details"}, programs={}),
        programs=["all_reduce_perf", "osu_bw"],
    )
    assert len(problems) == 5
    for words in (
        "gpu-03: /usr/bin/mpirun is not Open MPI (HYDRA build details)",
        "different major versions cannot talk to each other: gpu-01 4.1.4, gpu-02 5.0.7",
        "all_reduce_perf is on no node; osu_bw is on no node",
        "differ in their number of GPUs (gpu-01 8, gpu-02 7, gpu-03 8)",
        "gpu-01: Open MPI does not run as root",
    ):
        assert any(words in problem for problem in problems), words


@pytest.mark.parametrize(
    ("nodes", "wish", "words"),
    [
        ([], {}, "no node to measure on"),
        ([node(1, mpirun=None), node(2)], {}, "gpu-01: no mpirun: install Open MPI"),
        ([node(1), node(2)], {"launcher": "torchrun"}, "gpu-01: no torchrun: install PyTorch"),
        ([node(1), node(2)], {"launcher": "none"}, "without a launcher one node can be measured"),
        ([node(1), node(2, programs={})], {}, "all_reduce_perf is not on gpu-02"),
        ([node(1), node(2, programs={"all_reduce_perf": "/b/all_reduce_perf"})], {}, "has different paths"),
        ([node(1), node(2, gpus=0)], {}, "all_reduce_perf needs a GPU on every node"),
        (
            [node(number, programs={"osu_bw": "/x/osu_bw"}) for number in (1, 2, 3)],
            {"programs": ["osu_bw"]},
            "exactly two nodes, these are 3",
        ),
    ],
)
def test_refusals(nodes: list[Node], wish: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in refused(*nodes, **wish))


def test_root_only_when_allowed_and_a_mixed_type_is_no_type() -> None:
    plan = make_plan([node(1, uid=0), node(2, machine_type="other")], Wish(allow_root=True))
    assert plan.node_type is None
