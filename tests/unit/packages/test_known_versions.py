"""The test repository and the facts agree: what a request comes to is there, and nothing is there that nobody knows."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import load_facts, stack_check

TOP = Path(__file__).parents[3]
FACTS = load_facts()
#: Ends of branches come: what a word means is asked for the day of the facts.
TODAY = datetime.date.fromisoformat(FACTS.date)
DEBIAN = ("debian12", "debian13")


def defaults(role: str) -> Any:
    return yaml.safe_load((TOP / "roles" / role / "defaults/main.yml").read_text())


def upstream(versions):
    """Debian versions without epoch and revision."""
    return {version.split(":", 1)[-1].rsplit("-", 1)[0] for version in versions}


@pytest.mark.parametrize("suite", DEBIAN)
def test_every_toolkit_there_is_a_release_that_the_facts_know(apt, suite):
    made = apt(suite)
    for minor, toolkit in FACTS.toolkits.items():
        name = f"cuda-toolkit-{minor.replace('.', '-')}"
        assert upstream(made.versions(name)) <= set(toolkit.releases), name


@pytest.mark.parametrize("suite", DEBIAN)
@pytest.mark.parametrize("cuda", ["13.0", "13.1", "13.2", "13.3", "13.4"])
def test_the_release_that_a_minor_version_comes_to_is_there(apt, suite, cuda):
    resolved = stack_check({"driver": "615", "cuda": [cuda], "distribution": suite}, FACTS, TODAY)["resolved"]
    wanted = resolved["toolkits"][0]["version"]
    assert f"{wanted}-1" in apt(suite).versions(f"cuda-toolkit-{cuda.replace('.', '-')}")


@pytest.mark.parametrize("suite", DEBIAN)
@pytest.mark.parametrize("word", ["production", "lts", "newest"])
def test_the_driver_that_a_word_comes_to_is_there(apt, suite, word):
    wanted = stack_check({"driver": word, "distribution": suite}, FACTS, TODAY)["resolved"]["driver"]["version"]
    assert f"{wanted}-1" in apt(suite).versions("nvidia-driver-cuda")


@pytest.mark.parametrize("suite", DEBIAN)
def test_the_versions_that_roles_install_unasked_are_there(apt, suite):
    made = apt(suite)
    dcgm = defaults("dcgm")
    assert dcgm["dcgm_version"] in upstream(made.versions("datacenter-gpu-manager-4-core"))
    assert dcgm["dcgm_exporter_version"] in upstream(made.versions("datacenter-gpu-manager-exporter"))
    toolkit = defaults("container_toolkit")["container_toolkit_version"]
    assert toolkit in upstream(made.versions("nvidia-container-toolkit"))


def container_toolkit() -> Any:
    return yaml.safe_load((TOP / "roles/container_toolkit/vars/main.yml").read_text())


def test_the_role_and_the_facts_agree_from_which_version_on_the_container_toolkit_serves() -> None:
    assert container_toolkit()["__container_toolkit_floor"] == FACTS.components["container_toolkit"].usable_from


def test_the_role_and_the_facts_agree_which_engines_read_cdi() -> None:
    facts = {name: row.first_version for name, row in FACTS.engines.items()}
    assert container_toolkit()["__container_toolkit_cdi_07"] == facts
