"""The playbooks' promises about order, phases and tags."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[3]
SITE = yaml.safe_load((REPO / "playbooks/site.yml").read_text())
# DESIGN: dear and rarely changed first.
ORDER = [
    "nvidia_driver",
    "cuda",
    "container_toolkit",
    "dcgm",
    "framework",
    "training",
    "inference",
    "workbench",
    "perf_tuning",
    "multinode",
    "node_health",
]


def layers():
    return [entry["role"].rsplit(".", 1)[-1] for entry in SITE[0]["roles"]]


def test_site_has_its_layers_in_order():
    assert layers() == [name for name in ORDER if name in layers()]


def test_site_has_every_layer_that_exists():
    assert set(layers()) == {name for name in ORDER if (REPO / "roles" / name / "tasks/main.yml").is_file()}


def test_every_layer_has_its_own_tag_and_gathers_nothing_by_itself():
    assert [entry["tags"] for entry in SITE[0]["roles"]] == [[name] for name in layers()]
    assert SITE[0]["gather_facts"] is False


def test_verify_has_the_layers_of_site():
    tasks = yaml.safe_load((REPO / "playbooks/verify.yml").read_text())[0]["tasks"]
    imported = [task["ansible.builtin.import_role"] for task in tasks]
    assert {entry["tasks_from"] for entry in imported} == {"verify"}
    assert {entry["name"] for entry in imported} == {entry["role"] for entry in SITE[0]["roles"]}
    assert [task["tags"] for task in tasks] == [[entry["name"].rsplit(".", 1)[-1]] for entry in imported]


@pytest.mark.parametrize("name", layers())
def test_roles_have_the_phases_a_bake_picks_from(name):
    imports = yaml.safe_load((REPO / "roles" / name / "tasks/main.yml").read_text())
    phases = {tag for task in imports for tag in task.get("tags", [])}
    assert {f"{name}_{phase}" for phase in ("install", "configure", "runtime", "verify")} <= phases


@pytest.mark.parametrize("name", layers())
def test_every_layer_stands_on_the_common_role(name):
    dependencies = yaml.safe_load((REPO / "roles" / name / "meta/main.yml").read_text())["dependencies"]
    assert "gpuforge.node.common" in [entry["role"] for entry in dependencies]


def test_sealing_is_behind_an_assertion():
    play = yaml.safe_load((REPO / "playbooks/seal.yml").read_text())[0]
    assert "gpuforge_live" in play["pre_tasks"][0]["ansible.builtin.assert"]["that"]
    assert play["pre_tasks"][0]["tags"] == ["always"]


UPGRADE = yaml.safe_load((REPO / "playbooks/upgrade.yml").read_text())


def test_an_upgrade_refuses_for_all_nodes_before_it_touches_one():
    first, then = UPGRADE
    assert (first["hosts"], first["any_errors_fatal"]) == ("all", True)
    assert "serial" not in first
    assert [task["ansible.builtin.import_role"].get("tasks_from") for task in first["tasks"]] == [None, "resolve"]
    assert then["roles"] == [{"role": "gpuforge.node.nvidia_driver", "tags": ["nvidia_driver"]}]


def test_an_upgrade_goes_on_with_no_other_node_where_one_failed():
    assert UPGRADE[1]["max_fail_percentage"] == 0
    assert UPGRADE[1]["serial"] == "{{ upgrade_serial | default(1) }}"
    assert UPGRADE[1]["vars"] == {"nvidia_driver_reboot": "if_needed"}


def test_a_nodes_work_comes_back_after_everything_else():
    tasks = yaml.safe_load((REPO / "roles/nvidia_driver/tasks/main.yml").read_text())
    assert tasks[-1]["ansible.builtin.include_tasks"]["file"] == "undrain.yml"
    install = yaml.safe_load((REPO / "roles/nvidia_driver/tasks/install.yml").read_text())
    files = [
        task.get("ansible.builtin.include_tasks", {}).get("file") or task.get("ansible.builtin.import_tasks")
        for task in install
    ]
    assert files.index("drain.yml") + 1 == files.index("packages.yml")


def _checks():
    """Every call of stack_check in playbooks and roles: where, and its options."""
    for path in sorted([*REPO.glob("playbooks/*.yml"), *REPO.glob("roles/*/tasks/*.yml")]):
        todo = yaml.safe_load(path.read_text()) or []
        while todo:
            task = todo.pop()
            todo += [inner for key in ("pre_tasks", "tasks", "block") for inner in task.get(key) or []]
            if "gpuforge.node.stack_check" in task:
                yield str(path.relative_to(REPO)), task["gpuforge.node.stack_check"]


@pytest.mark.parametrize(("where", "options"), list(_checks()), ids=[where for where, _options in _checks()])
def test_every_check_of_the_stack_knows_the_operators_own_facts(where, options):
    assert {"allow_unknown", "compat_file", "releases_file"} <= set(options), where


def test_imex_is_checked_before_any_node_is_touched():
    # Fabric Manager and NSCQ came before every branch that is known; a node without a switch is no reason to warn.
    site = next(options for where, options in _checks() if where == "playbooks/site.yml")
    assert site["parts"] == "{{ {'imex': 'yes'} if nvidia_driver_imex | bool else {} }}"
