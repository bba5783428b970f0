"""What the roles cuda, dcgm and container_toolkit ask for is what a real apt would bring, and nothing of a driver."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.gpuforge.node.plugins.module_utils._apt_request import Record, Request, SetError, Wish
from ansible_collections.gpuforge.node.plugins.module_utils._apt_set import refuse, resolve
from ansible_collections.gpuforge.node.plugins.module_utils._apt_tools import Apt
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

ROLES = Path(__file__).parents[3] / "roles"
NEVER = tuple(yaml.safe_load((ROLES / "common/vars/main.yml").read_text())["__common_nvidia_driver_packages"])


def plan(made, *wishes):
    """What apt would do for the wishes, by name."""
    tool = Apt(Host("/"), [option.removeprefix("-o=") for option in made.options])
    versions = resolve(tool, wishes, None)
    steps = tool.simulate(["--purge", "install", *(f"{name}={version}" for name, version in sorted(versions.items()))])
    refuse(Request(name="test", repository=None, key=bytes, wishes=wishes, never=NEVER), Record(), steps, [], {})
    return {step.name: step.after for step in steps}


@pytest.mark.parametrize(("suite", "older"), [("debian12", "12-9"), ("debian13", "13-0"), ("ubuntu2404", "12-4")])
def test_two_toolkits_with_cudnn_and_nccl(apt, suite, older):
    wishes = [Wish("cuda-toolkit-13-2", "13.2.2-*"), Wish(f"cuda-toolkit-{older}")]
    wishes += [Wish(name, "2.30.7-*+cuda13.*") for name in ("libnccl2", "libnccl-dev")]
    wishes += [Wish(f"libcudnn9-{part}cuda-13", "9.14.0.64") for part in ("", "headers-", "dev-")]
    planned = plan(apt(suite), *wishes)
    assert planned["cuda-toolkit-13-2"] == "13.2.2-1"
    assert planned["libnccl2"] == planned["libnccl-dev"] == "2.30.7-1+cuda13.3"
    assert planned["libcudnn9-dev-cuda-13"] == "9.14.0.64-1"
    assert {f"cuda-nvcc-{older}", "cuda-nvcc-13-2"} <= set(planned)


@pytest.mark.parametrize("suite", ["debian12", "ubuntu2404"])
def test_the_package_that_brings_a_driver_is_refused(apt, suite):
    with pytest.raises(SetError, match=r"bring .*(nvidia|cuda-drivers).* must not come"):
        plan(apt(suite), Wish("cuda-13-2", "13.2.2"))


def test_all_toolkits_that_are_not_there_are_named(apt):
    with pytest.raises(SetError, match=r"cuda-toolkit-12-9 12\.9\.1 \(there is: none.*cuda-toolkit-13-2 13\.2\.9"):
        plan(apt("debian13"), Wish("cuda-toolkit-12-9", "12.9.1"), Wish("cuda-toolkit-13-2", "13.2.9"))


@pytest.mark.parametrize("suite", ["debian12", "debian13"])
@pytest.mark.parametrize("majors", [("13",), ("12", "13")])
def test_dcgm_of_an_older_version_whole(apt, suite, majors):
    parts = ["core", "proprietary", *(f"{kind}{major}" for kind in ("cuda", "proprietary-cuda") for major in majors)]
    wishes = [Wish(f"datacenter-gpu-manager-4-{part}", "4.6.0") for part in parts]
    planned = plan(apt(suite), *wishes, Wish("datacenter-gpu-manager-exporter", "4.5.2"))
    assert {wish.name for wish in wishes} | {"datacenter-gpu-manager-exporter"} == set(planned)
    assert {version for name, version in planned.items() if "-4-" in name} == {"1:4.6.0-1"}


def test_the_container_toolkit_of_an_older_version_whole(apt):
    names = yaml.safe_load((ROLES / "container_toolkit/vars/main.yml").read_text())["__container_toolkit_packages"]
    planned = plan(apt("debian13"), *(Wish(name, "1.18.2") for name in names))
    assert planned == dict.fromkeys(names, "1.18.2-1")


DCGM_3 = """\
Package: datacenter-gpu-manager
Status: install ok installed
Version: 1:3.3.9-1
Architecture: amd64
Maintainer: nobody <nobody@example.invalid>
Description: there before

"""


def purged(made, *names):
    """Steps of an installation that takes packages away, on a machine that has DCGM 3."""
    (made.home / "status").write_text(DCGM_3)
    tool = Apt(Host("/"), [option.removeprefix("-o=") for option in made.options])
    return tool.simulate(["--purge", "install", *names])


def test_what_is_purged_is_seen(apt):
    steps = purged(apt("debian12"), "datacenter-gpu-manager-4-core=1:4.6.0-1", "datacenter-gpu-manager-")
    assert [(step.before, step.after) for step in steps if step.name == "datacenter-gpu-manager"] == [("1:3.3.9-1", "")]


def test_what_would_be_purged_unasked_is_refused(apt):
    steps = purged(apt("debian12"), "datacenter-gpu-manager-4-core=1:4.6.0-1")
    request = Request(name="test", repository=None, key=bytes)
    with pytest.raises(SetError, match="would remove datacenter-gpu-manager"):
        refuse(request, Record(), steps, [], {})
