# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Judges a benchmark on the controller and keeps its result there."""

from __future__ import annotations

import datetime
import json
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.module_utils._bench_judge import (
    Question,
    find_threshold,
    judge,
    limits,
    main_curve,
)
from ansible_collections.gpuforge.node.plugins.module_utils._bench_parse import Curve, curves
from ansible_collections.gpuforge.node.plugins.module_utils._bench_plot import plot
from ansible_collections.gpuforge.node.plugins.plugin_utils._bench_data import ThresholdError, thresholds
from ansible_collections.gpuforge.node.plugins.plugin_utils._bench_files import (
    FORMAT,
    ResultError,
    file_name,
    latest,
    load,
    write,
)

#: What is kept of the plan; its environment only by name.
PLANNED = ("test", "nodes", "ranks", "ranks_per_node", "node_type", "launcher", "program", "command")
MEASURED = ("exit_code", "seconds", "runs", "failures", "transports", "problems", "output_tail")


class ActionModule(ActionBase):
    """Runs on the controller in place of the module of the same name."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the verdict; write the result unless in check mode."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "plan": {"type": "dict", "required": True},
                "result": {"type": "dict", "required": True},
                "results_dir": {"type": "path", "default": "benchmark-results"},
                "previous": {"type": "str"},
                "regression_percent": {"type": "float", "default": 10.0},
                "thresholds": {"type": "list", "elements": "dict", "default": []},
            }
        )
        try:
            result.update(self._report(options))
        except (ResultError, ThresholdError) as exc:
            raise AnsibleActionFail(f"Failed to report the benchmark: {exc}") from exc
        return result

    def _report(self, options: dict[str, Any]) -> dict[str, Any]:
        plan, measured = options["plan"], options["result"]
        if not measured.get("ran"):
            check = {
                "id": "run",
                "status": "unknown",
                "observed": "nothing was run (check mode)",
                "expected": f"the command: {plan['command']}",
                "remedy": "run it without --check",
            }
            files = {"result_file": "", "plot_file": "", "compared_with": ""}
            return {"changed": False, "verdict": "unknown", "ok": False, "checks": [check], **files}
        # Variables come with Ansible's own kinds of text and numbers, which json and the cores need not know.
        record: dict[str, Any] = {key: plan[key] for key in PLANNED} | {key: measured[key] for key in MEASURED}
        record = json.loads(json.dumps(record, default=str))
        folder = os.path.abspath(options["results_dir"])
        path, previous = self._previous(options["previous"], folder, record)
        known = thresholds(options["thresholds"])
        question = Question(
            test=record["test"],
            node_type=record["node_type"],
            nodes=record["nodes"],
            ranks=record["ranks"],
            exit_code=record["exit_code"],
            previous=previous,
            regression_percent=options["regression_percent"],
        )
        verdict = judge(record, question, known)
        curve = main_curve(record["runs"])
        time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        record = {
            "format": FORMAT,
            "time": time,
            **verdict,
            **record,
            "environment": sorted(plan.get("environment", {})),
            "curve": curve and curve._asdict(),
            "compared_with": path,
        }
        name = os.path.join(folder, file_name(time, record["test"], record["nodes"], record["ranks_per_node"]))
        files = {"result_file": "", "plot_file": "", "compared_with": path}
        if not self._task.check_mode:
            if curve is not None:
                files["plot_file"] = f"{name}.svg"
                write(files["plot_file"], self._plot(record, curve, question, known, previous))
            files["result_file"] = f"{name}.json"
            write(files["result_file"], json.dumps(record, indent=2) + "\n")
        return {"changed": bool(files["result_file"]), **verdict, **files}

    def _previous(self, wish: str | None, folder: str, record: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        if not wish:
            return "", None
        if wish == "latest":
            return latest(folder, {key: record[key] for key in ("test", "nodes", "ranks")})
        return os.path.abspath(wish), load(wish)

    def _plot(
        self,
        record: dict[str, Any],
        curve: Curve,
        question: Question,
        known: list[dict[str, Any]],
        previous: dict[str, Any] | None,
    ) -> str:
        drawn = next((found for found in (curves(run) for run in reversed(record["runs"])) if found), [curve])
        entry = find_threshold(question, curve.unit, known)
        limit = next((value for value in limits(entry) if value is not None), None) if entry else None
        old = None
        if previous and (previous.get("curve") or {}).get("unit") == curve.unit:
            old = Curve(**previous["curve"])
        title = f"{record['test']}, {record['nodes']} nodes, {record['ranks']} ranks, {record['time']}"
        return plot(drawn, title, limit, old)
