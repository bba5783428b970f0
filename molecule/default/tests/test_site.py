"""What the layers of site.yml are together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

PACKAGES = yaml.safe_load((Path(__file__).parents[1] / "vars/packages.yml").read_text())["packages"]
STACK = r"nvidia|cuda|nscq|dkms|datacenter-gpu"


@pytest.fixture(scope="module")
def installed(host):
    """The version of each installed package."""
    said = host.check_output("dpkg-query --show --showformat='${db:Status-Status} ${Package} ${Version}\\n'")
    return {name: version for state, name, version in map(str.split, said.splitlines()) if state == "installed"}


def test_exactly_the_versions_that_the_request_comes_to(installed):
    assert {name: installed.get(name) for name in PACKAGES} == PACKAGES


def test_everything_of_the_driver_has_one_version(installed):
    driver = re.compile(r"(lib)?nvidia-(?!container)|libcuda1")
    ours = {name: version for name, version in installed.items() if driver.match(name)}
    assert len(ours) >= 8
    assert set(ours.values()) == {PACKAGES["nvidia-driver-cuda"]}, ours


def test_no_upgrade_touches_the_stack_though_there_is_a_newer_one(host):
    assert "615.71.09-1" in host.check_output("apt-cache madison nvidia-driver-cuda")
    planned = host.check_output("apt-get --simulate full-upgrade")
    assert not re.findall(rf"^(?:Inst|Remv) \S*(?:{STACK})\S*", planned, re.MULTILINE)
    host.check_output("printf '%s' 'Unattended-Upgrade::Origins-Pattern { \"origin=*\"; };' > /run/any-origin.conf")
    said = host.check_output("APT_CONFIG=/run/any-origin.conf unattended-upgrade --dry-run --debug 2>&1")
    assert "Starting unattended upgrades script" in said
    assert not re.search(STACK, said.partition("Packages that will be upgraded:")[2])


def test_each_layer_has_left_its_mark(host):
    for path in ("/usr/local/bin/uv", "/usr/local/bin/gpuforge-node", "/etc/gpuforge/kernel-tuning.json"):
        assert host.file(path).exists, path
    assert host.check_output("realpath /usr/local/cuda") == "/usr/local/cuda-13.2"


def test_the_roles_share_one_source(host):
    sources = host.check_output("grep --recursive --files-with-matches cuda/repos /etc/apt/sources.list.d").splitlines()
    assert sources == ["/etc/apt/sources.list.d/gpuforge-nvidia-cuda.sources"]
    assert host.file(sources[0]).contains("Used by: cuda, dcgm, nvidia-driver")


def test_the_checker_finds_no_fault_in_driver_and_tuning_files(host):
    answer = json.loads(host.run("gpuforge-node check --only driver --format json").stdout)
    failed = [check for check in answer["checks"] if check["status"] == "fail"]
    assert failed == []


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl --failed --no-legend") == ""
