# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Chooses the command of a benchmark from what every node has; pure but for reading the collection's own data."""

from __future__ import annotations

import shlex
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.module_utils._bench_judge import LARGE_BYTES, Question, find_threshold
from ansible_collections.gpuforge.node.plugins.module_utils._bench_plan import Node, PlanError, Wish, make_plan
from ansible_collections.gpuforge.node.plugins.plugin_utils._bench_data import (
    ThresholdError,
    parse_size,
    thresholds,
    torch_program,
)


class ActionModule(ActionBase):
    """Runs on the controller in place of the module of the same name."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan, or fail with every reason why there is none."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "nodes": {"type": "list", "elements": "dict", "required": True},
                "programs": {
                    "type": "list",
                    "elements": "str",
                    "default": ["all_reduce_perf", "osu_allreduce", "osu_bw"],
                },
                "launcher": {"type": "str", "choices": ["auto", "mpirun", "torchrun", "none"], "default": "auto"},
                "arguments": {"type": "list", "elements": "str"},
                "mpi_options": {"type": "list", "elements": "str", "default": []},
                "environment": {"type": "dict", "default": {}},
                "ranks_per_node": {"type": "int"},
                "hostfile": {"type": "str"},
                "max_size": {"type": "str"},
                "allow_root": {"type": "bool", "default": False},
                "port": {"type": "int", "default": 29500},
                "node_type": {"type": "str"},
                "thresholds": {"type": "list", "elements": "dict", "default": []},
            }
        )
        plan = self._plan(options)
        forks = int((task_vars or {}).get("ansible_forks") or 0)
        if plan["launcher"] == "torchrun" and 0 < forks < plan["nodes"]:
            # Each node waits for all others: the first ones would wait until their time is over.
            raise AnsibleActionFail(
                f"No benchmark can be run:\n- torchrun has to run on all {plan['nodes']} nodes at once, and forks is "
                f"{forks}: run with --forks {plan['nodes']}"
            )
        result.update(changed=False, **plan)
        return result

    def _plan(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            nodes = [Node(entry["name"], entry["address"], entry["found"]) for entry in options["nodes"]]
        except KeyError as exc:
            raise AnsibleActionFail(f"an entry of nodes has no {exc}: give the results of benchmark_info") from exc
        environment = {str(key): str(value) for key, value in options["environment"].items()}
        try:
            if options["ranks_per_node"] is not None and options["ranks_per_node"] < 1:
                raise ValueError(f"ranks_per_node={options['ranks_per_node']}: give 1 or more")
            wish = Wish(
                programs=options["programs"],
                launcher=options["launcher"],
                arguments=options["arguments"],
                mpi_options=options["mpi_options"],
                environment=environment,
                ranks_per_node=options["ranks_per_node"],
                hostfile=options["hostfile"],
                max_size=parse_size(options["max_size"]),
                allow_root=options["allow_root"],
                port=options["port"],
            )
            known = thresholds(options["thresholds"])
            plan = make_plan(nodes, wish)
            node_type = options["node_type"] or plan.node_type
            question = Question(plan.test, node_type, len(nodes), plan.ranks, None)
            entry = find_threshold(question, "GB/s", known)
            if entry is not None:
                plan = make_plan(nodes, wish, int(entry.get("from_bytes", LARGE_BYTES)))
        except (PlanError, ThresholdError, ValueError) as exc:
            problems = exc.problems if isinstance(exc, PlanError) else [str(exc)]
            raise AnsibleActionFail("No benchmark can be run:\n" + "\n".join(f"- {line}" for line in problems)) from exc
        if options["allow_root"] and plan.launcher == "mpirun":
            # Open MPI wants to be told twice.
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return {
            "commands": plan.commands,
            "command": shlex.join(plan.commands[nodes[0].name]),
            "first": nodes[0].name,
            "launcher": plan.launcher,
            "program": plan.program,
            "script": torch_program() if plan.program == "{script}" else "",
            "test": plan.test,
            "nodes": len(nodes),
            "ranks": plan.ranks,
            "ranks_per_node": plan.ranks_per_node,
            "node_type": node_type,
            "environment": environment,
        }
