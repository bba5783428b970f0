"""The action: options and facts in, the resolved stack or a failure with every reason out, nothing sent to the host."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.gpuforge.node.plugins.action.stack_check import SPEC, ActionModule

REPO = Path(__file__).resolve().parents[4]
TODAY = "2026-11-22"
FACTS = {"distribution": "Debian", "distribution_major_version": "13", "distribution_version": "13.6"}


class Loader:
    """Resolves paths as Ansible's loader does, against a folder."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def path_dwim(self, path: str) -> str:
        return str(self.base / path)


def run(
    monkeypatch: pytest.MonkeyPatch, base: Path, facts: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    action = ActionModule.__new__(ActionModule)
    monkeypatch.setattr(ActionBase, "run", lambda *_args, **_kwargs: {})
    given = {key: options.get(key, spec.get("default")) for key, spec in SPEC.items()}
    monkeypatch.setattr(action, "validate_argument_spec", lambda argument_spec: (None, given))
    action._loader = Loader(base)
    return action.run(task_vars={"inventory_hostname": "gpu-01", "ansible_facts": facts or {}})


def test_what_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, FACTS, driver="production", cuda=["13.x"], gpus=["H100"], today=TODAY)
    assert result["changed"] is False
    assert "failed" not in result
    assert result["stack"]["driver"]["version"] == "595.91.07"
    assert result["stack"]["distribution"]["id"] == "debian13"
    assert (result["refusals"], result["nearest"], result["facts_date"]) == ([], None, "2026-11-22")


def test_what_is_refused_says_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(
        monkeypatch, tmp_path, driver="595", flavour="proprietary", gpus=["V100", "T4"], cuda=["13.2"], today=TODAY
    )
    assert result["failed"] is True
    assert result["stack"] is None
    assert "gpu-01 cannot work, so nothing was touched: 2 reasons" in result["msg"]
    for words in ("no longer drives V100", "builds nothing for V100", "nearest that works: driver 580.178.04"):
        assert words in result["msg"]
    assert set(result["nearest"]) == {"changes", "text"}


def test_warnings_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, driver="535", today=TODAY)
    assert any("535 ended" in line for line in result["warnings"])
    assert "branch-ended" in {item["rule"] for item in result["cautions"]}


def test_the_source_is_the_origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = run(monkeypatch, tmp_path, FACTS, source="distribution", today=TODAY)
    assert (result["stack"]["driver"]["branch"], result["stack"]["driver"]["source"]) == ("550", "distribution")


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (FACTS, "debian13"),
        ({"distribution": "Ubuntu", "distribution_version": "24.04", "distribution_major_version": "24"}, "ubuntu2404"),
        ({"distribution": "Rocky", "distribution_version": "9.6", "distribution_major_version": "9"}, "rhel9"),
        ({}, None),
    ],
)
def test_the_distribution_is_the_host_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: dict[str, Any], wanted: str | None
) -> None:
    found = run(monkeypatch, tmp_path, facts, driver="595", today=TODAY)["stack"]["distribution"]
    assert (found or {}).get("id") == wanted


def test_files_lie_beside_the_playbook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "own.yml").write_text("bad_versions: {container_toolkit 1.17.7: null}\n")
    result = run(monkeypatch, tmp_path, container_toolkit="1.17.7", compat_file="own.yml", today=TODAY)
    assert "failed" not in result


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"driver": "prodution"}, "did you mean production?"),
        ({"compat_file": "none.yml"}, "No such file"),
        ({"today": "tomorrow"}, "write a day"),
    ],
)
def test_what_cannot_be_understood(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(AnsibleActionFail, match="(?s)" + words.replace("?", r"\?")):
        run(monkeypatch, tmp_path, **options)


class TestInSite:
    """The check at the top of site.yml, run by Ansible itself on hosts that would be touched if anything was wrong."""

    def play(self, tmp_path: Path, hosts: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        # What common would ask for is known already, so nothing at all is asked of the host.
        known = {
            **FACTS,
            "distribution_major_version": "12",
            "distribution_release": "bookworm",
            "architecture": "x86_64",
        }
        task = {"ansible.builtin.set_fact": {**known, "cacheable": True}, "tags": ["always"]}
        plays = [
            {"hosts": "all", "gather_facts": False, "tasks": [task]},
            {"ansible.builtin.import_playbook": str(REPO / "playbooks/site.yml")},
        ]
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump(plays, sort_keys=False))
        everyone = {"ansible_connection": "local", "ansible_become": False, "stack_gpus": ["H100"]}
        inventory = tmp_path / "hosts.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": everyone, "hosts": hosts}}))
        env = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
            "HOME": str(tmp_path),
        }
        argv = ["ansible-playbook", "-i", str(inventory), str(playbook), *options]
        return subprocess.run(argv, cwd=REPO, env=env, capture_output=True, text=True, timeout=300, check=False)

    def test_one_refused_node_stops_all_before_any_role(self, tmp_path: Path) -> None:
        hosts = {
            "good": {},
            "bad": {"stack_gpus": ["B200"]},
            "worse": {"stack_gpus": ["H10O"], "nvidia_driver_version": "580"},
        }
        done = self.play(tmp_path, hosts, "--check")
        text = done.stdout + done.stderr
        assert done.returncode != 0
        assert "The NVIDIA stack of bad cannot work" in text
        assert "The NVIDIA stack of worse cannot work" in text
        assert "did you mean H100?" in text
        assert "no driver of branch 580" in text
        assert "TASK [gpuforge.node.nvidia_driver" not in text
        assert "changed=0" in text
        assert "changed=1" not in text

    def test_the_check_alone_passes_where_the_limit_leaves_out_who_cannot(self, tmp_path: Path) -> None:
        hosts = {"good": {}, "bad": {"stack_gpus": ["B200"]}}
        done = self.play(tmp_path, hosts, "--tags", "stack_check", "--limit", "good")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "branch 535 ended" in done.stdout + done.stderr
        assert "TASK [gpuforge.node.nvidia_driver : Read" not in done.stdout

    def test_it_belongs_to_the_layers_that_it_is_about(self) -> None:
        (play,) = yaml.safe_load((REPO / "playbooks/site.yml").read_text(encoding="utf-8"))
        (check,) = [task for task in play["pre_tasks"] if "gpuforge.node.stack_check" in task]
        assert check["tags"] == ["stack_check", "nvidia_driver", "nvidia_driver_install"]
        assert check["any_errors_fatal"] is True
        # Before every role, and nothing in front of it writes.
        used = [key for task in play["pre_tasks"] for key in task if key.startswith(("gpuforge.", "ansible."))]
        assert used == ["ansible.builtin.import_role", "gpuforge.node.gpu_info", "gpuforge.node.stack_check"]
        assert play["pre_tasks"][0]["ansible.builtin.import_role"] == {"name": "gpuforge.node.common"}

    @pytest.mark.parametrize("variable", ["gpuforge_live=false", "nvidia_driver_state=absent"])
    def test_a_bake_and_a_removal_are_left_alone(self, tmp_path: Path, variable: str) -> None:
        options = ["--tags", "stack_check", "-e", variable]
        done = self.play(tmp_path, {"bad": {"stack_gpus": ["B200"]}}, *options)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_result_is_plain_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    json.dumps(run(monkeypatch, tmp_path, driver="595", gpus=["V100"], today=TODAY))
