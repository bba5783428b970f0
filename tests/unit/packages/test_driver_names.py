"""What the stack check resolves is what apt installs, of each distribution, on both sides of the renames.

Ubuntu is tested here alone: its names and its repository, by Debian's apt.
"""

import datetime
import re

import pytest
import yaml

from ansible_collections.gpuforge.node.plugins.module_utils._apt_request import Family
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import load_facts, stack_check

from .conftest import TOP

DAY = datetime.date(2026, 11, 22)


@pytest.fixture(scope="module")
def facts():
    return load_facts()


def resolved(facts, suite, version, flavour, **more):
    """Return the stack of a node."""
    request = {"driver": version, "flavour": flavour, "origin": "nvidia", "distribution": suite, **more}
    verdict = stack_check(request, facts, DAY)
    assert verdict["passes"], verdict["refusals"]
    return verdict["resolved"]


@pytest.fixture
def family():
    """The source packages that the role pins."""
    values = yaml.safe_load((TOP / "roles/nvidia_driver/vars/nvidia.yml").read_text())
    return lambda version: Family(tuple(values["__nvidia_driver_family"]), version).text()


@pytest.mark.parametrize("suite", ["debian12", "debian13", "ubuntu2204", "ubuntu2404"])
@pytest.mark.parametrize(
    ("version", "flavour"),
    [
        ("570.211.01", "open"),
        ("580.159.04", "proprietary"),
        ("580.178.04", "open"),
        ("595.71.05", "open"),
        ("615.71.09", "open"),
    ],
)
def test_apt_takes_exactly_the_version(apt, facts, family, suite, version, flavour):
    stack = resolved(facts, suite, version, flavour)
    names = [name.partition("=")[0] for name in stack["driver"]["packages"]]
    made = apt(suite)
    (made.home / "etc/apt/preferences.d/family").write_text(family(version))
    planned = made.would_install(*names)
    planned.pop("dkms")
    assert set(names) <= set(planned)
    assert {re.sub("-[^-]+$", "", one) for one in planned.values()} == {version}
    modules = [name for name in planned if "dkms" in name]
    assert len(modules) == 1 and ("open" in modules[0]) == (flavour == "open")


@pytest.mark.parametrize("version", ["570.211.01", "580.178.04", "595.91.07"])
def test_apt_finds_the_fabric_software_of_the_version(apt, facts, version):
    stack = resolved(facts, "debian12", version, "open", parts={"fabricmanager": "yes", "nscq": "yes", "imex": "yes"})
    made = apt("debian12")
    for part in ("fabricmanager", "nscq", "imex"):
        (name,) = [one.partition("=")[0] for one in stack[part]["packages"]]
        assert f"{version}-1" in made.versions(name)
