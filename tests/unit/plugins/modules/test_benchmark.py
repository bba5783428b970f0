"""The modules and actions of the benchmark as Ansible runs them: arguments in, answers out, files on the controller."""

from __future__ import annotations

import importlib
import json
import stat
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.tests.unit.plugins.modules.harness import run

PLUGINS = "ansible_collections.gpuforge.node.plugins"
TABLE = """\
#  Rank  0 Pid 1 on node1 device  0 [0x18] NVIDIA H100
#  Rank  1 Pid 1 on node2 device  0 [0x18] NVIDIA H100
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
  1073741824     268435456     float     sum      -1     10.0   50.00   50.00      0     10.0   50.00   52.00      0
# Out of bounds values : 0 OK
# Avg bus bandwidth    : 51
"""
THRESHOLD = {"node_type": "*", "test": "all_reduce", "least": 40}


def action(monkeypatch: pytest.MonkeyPatch, name: str, check: bool = False, forks: int = 5, **arguments: Any) -> Any:
    loaded = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_kwargs: {})
    made = loaded.__new__(loaded)
    made._task = SimpleNamespace(args=arguments, check_mode=check)
    return made.run(task_vars={"ansible_forks": forks})


def documented(name: str) -> set[str]:
    return set(yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{name}").RETURN))


def script(path: Path, text: str, code: int = 0) -> str:
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


class TestRun:
    def test_what_is_returned_is_what_is_documented(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        result = run(monkeypatch, "benchmark_run", argv=[script(tmp_path / "perf", TABLE)])
        assert result.pop("changed") is False
        assert set(result) == documented("benchmark_run")
        assert result["runs"][0]["rows"][0]["in_place"]["busbw_gbs"] == 52
        assert (result["exit_code"], result["ran"], result["output_tail"]) == (0, True, [])

    def test_check_mode_says_the_command_and_runs_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        argv = ["/bin/sh", "-c", f"touch {tmp_path / 'ran'}"]
        result = run(monkeypatch, "benchmark_run", argv=argv, _ansible_check_mode=True)
        assert result["command"] == f"/bin/sh -c 'touch {tmp_path / 'ran'}'"
        assert result["ran"] is False
        assert {"changed", *documented("benchmark_run")} == set(result)
        assert list(tmp_path.iterdir()) == []

    def test_a_failed_command_is_told_with_its_last_lines(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        said = "".join(f"line {number}\n" for number in range(60))
        result = run(monkeypatch, "benchmark_run", argv=[script(tmp_path / "perf", said, 7)])
        assert not result.get("failed")
        assert (result["exit_code"], result["output_tail"][0], len(result["output_tail"])) == (7, "line 20", 40)
        assert result["problems"][0]["id"] == "no-results"

    def test_a_script_is_given_and_taken_away(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        text = f"import sys; open({str(tmp_path / 'where')!r}, 'w').write(sys.argv[0]); print(sys.argv[1])"
        result = run(monkeypatch, "benchmark_run", argv=["python3", "{script}", "x"], script=text)
        assert result["exit_code"] == 0
        assert not Path((tmp_path / "where").read_text()).exists()

    def test_a_program_that_is_not_there_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        result = run(monkeypatch, "benchmark_run", argv=["/no/such/perf"])
        assert result["msg"] == "Failed to run /no/such/perf: No such file or directory"

    @pytest.mark.parametrize("arguments", [{"argv": []}, {"argv": ["true"], "timeout": 0}])
    def test_refusals(self, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any]) -> None:
        assert run(monkeypatch, "benchmark_run", **arguments)["failed"]


class TestInfo:
    def test_what_is_returned_is_what_is_documented(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        perf = script(tmp_path / "all_reduce_perf", "")
        script(tmp_path / "mpirun", "mpirun (Open MPI) 4.1.4\n")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        result = run(monkeypatch, "benchmark_info", name="gpu-01")
        assert result.pop("changed") is False
        assert set(result) == documented("benchmark_info")
        told = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.benchmark_info").RETURN)
        assert set(result["found"]) == set(told["found"]["contains"])
        assert result["found"]["programs"] == {"all_reduce_perf": perf}
        assert result["found"]["mpirun"]["version"] == "4.1.4"
        assert result["address"] == "gpu-01"

    def test_another_mpi_has_no_version(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        script(tmp_path / "mpirun", "HYDRA build details:\n    Version: 4.0.2\n")
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        found = run(monkeypatch, "benchmark_info", name="x", programs=["/no/perf"])["found"]
        assert (found["mpirun"]["version"], found["mpirun"]["said"], found["programs"]) == (
            "",
            "HYDRA build details:",
            {},
        )


def node(number: int, **found: Any) -> dict[str, Any]:
    base = {
        "uid": 1000,
        "gpus": 1,
        "machine_type": "bm.gpu.h100.8",
        "programs": {"all_reduce_perf": "/x/all_reduce_perf"},
        "mpirun": {"path": "/usr/bin/mpirun", "version": "4.1.4", "said": ""},
        "torchrun": {"argv": "torchrun"},
    }
    return {"name": f"gpu-{number}", "address": f"10.0.0.{number}", "found": {**base, **found}}


class TestPlan:
    def test_what_is_returned_is_what_is_documented(self, monkeypatch: pytest.MonkeyPatch) -> None:
        result = action(monkeypatch, "benchmark_plan", nodes=[node(1), node(2)], environment={"A": 1})
        assert result.pop("changed") is False
        assert set(result) == documented("benchmark_plan")
        assert result["environment"] == {"A": "1"}
        assert result["command"].startswith("/usr/bin/mpirun --np 2")

    def test_every_reason_on_a_line_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(AnsibleActionFail) as caught:
            action(
                monkeypatch,
                "benchmark_plan",
                nodes=[node(1, mpirun=None, uid=0, programs={}), node(2)],
                launcher="mpirun",
            )
        assert str(caught.value).count("\n- ") == 3

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"max_size": "8X"}, "'8X' is no size"),
            ({"ranks_per_node": 0}, "ranks_per_node=0"),
            ({"thresholds": [{"least": -1, "speed": 1}]}, "unknown key speed"),
            ({"thresholds": [{"node_type": "*"}]}, "test is missing; thresholds[0]: least or most is missing"),
            ({"nodes": [{"name": "x"}]}, "has no 'address'"),
        ],
    )
    def test_refusals(self, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], words: str) -> None:
        with pytest.raises(AnsibleActionFail) as caught:
            action(monkeypatch, "benchmark_plan", **{"nodes": [node(1)], **arguments})
        assert words in str(caught.value)

    def test_torchrun_needs_a_fork_for_each_node(self, monkeypatch: pytest.MonkeyPatch) -> None:
        nodes = [node(number, mpirun=None) for number in (1, 2, 3)]
        assert action(monkeypatch, "benchmark_plan", nodes=nodes)["script"].startswith("# Copyright")
        with pytest.raises(AnsibleActionFail, match="forks is 2: run with --forks 3"):
            action(monkeypatch, "benchmark_plan", forks=2, nodes=nodes)

    def test_root_is_allowed_by_what_open_mpi_asks_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        result = action(monkeypatch, "benchmark_plan", nodes=[node(1, uid=0), node(2)], allow_root=True)
        assert result["environment"] == {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        assert "ALLOW_RUN" not in result["command"]


class TestReport:
    @pytest.fixture
    def measured(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
        """A plan and the result of its run."""
        plan = action(monkeypatch, "benchmark_plan", nodes=[node(1), node(2)], environment={"TOKEN": "geheim"})
        result = run(monkeypatch, "benchmark_run", argv=[script(tmp_path / "perf", TABLE)])
        return {"plan": plan, "result": result, "results_dir": str(tmp_path / "results"), "thresholds": [THRESHOLD]}

    def test_files_and_verdict(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: dict[str, Any]) -> None:
        told = action(monkeypatch, "benchmark_report", **measured)
        assert told.pop("changed") is True
        assert set(told) == documented("benchmark_report")
        assert (told["verdict"], told["ok"]) == ("pass", True)
        text = Path(told["result_file"]).read_text()
        assert json.loads(text)["environment"] == ["TOKEN"]
        assert "geheim" not in text
        assert "limit 40 GB/s" in ET.tostring(ET.parse(told["plot_file"]).getroot(), "unicode")
        assert sorted(path.suffix for path in (tmp_path / "results").iterdir()) == [".json", ".svg"]

    def test_check_mode_writes_nothing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: dict[str, Any]
    ) -> None:
        told = action(monkeypatch, "benchmark_report", check=True, **measured)
        assert (told["changed"], told["result_file"]) == (False, "")
        skipped = {**measured, "result": {"ran": False}}
        told = action(monkeypatch, "benchmark_report", check=True, **skipped)
        assert (told["verdict"], told["ok"]) == ("unknown", False)
        assert not (tmp_path / "results").exists()

    def test_the_latest_of_the_same_kind_is_compared_with(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: dict[str, Any]
    ) -> None:
        first = action(monkeypatch, "benchmark_report", **measured, previous="latest")
        assert first["compared_with"] == ""
        old = Path(first["result_file"])
        content = json.loads(old.read_text())
        old.with_name("2-other.json").write_text(json.dumps({**content, "nodes": 9}))
        old.with_name("9-else.json").write_text("{}")
        content["curve"]["points"] = [[1 << 30, 100.0]]
        old.write_text(json.dumps(content))
        second = action(monkeypatch, "benchmark_report", **measured, previous="latest")
        assert second["compared_with"] == str(old)
        assert second["verdict"] == "fail"
        assert "(previous)" in Path(second["plot_file"]).read_text()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"previous": "/no/such.json"}, "/no/such.json cannot be read"),
            ({"results_dir": "/proc/results"}, "cannot be written"),
            ({"thresholds": [{"node_type": "*", "test": "x", "least": "fast"}]}, "least is 'fast', not a number"),
        ],
    )
    def test_refusals(
        self, monkeypatch: pytest.MonkeyPatch, measured: dict[str, Any], arguments: dict[str, Any], words: str
    ) -> None:
        with pytest.raises(AnsibleActionFail) as caught:
            action(monkeypatch, "benchmark_report", **{**measured, **arguments})
        assert words in str(caught.value)


def test_the_collections_own_thresholds_are_whole() -> None:
    data = importlib.import_module(f"{PLUGINS}.plugin_utils._bench_data")
    known = data.thresholds([])
    assert len(known) > 10
    for entry in known:
        assert data._problems(entry) == []
        assert entry["source"]
        assert entry["certainty"] in ("certain", "inferred")
        assert entry["certainty"] == "certain" or entry["note"]
        names = [entry["node_type"]] if isinstance(entry["node_type"], str) else entry["node_type"]
        assert names == [name.lower() for name in names]
