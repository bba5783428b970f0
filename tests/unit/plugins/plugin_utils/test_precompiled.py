"""Names of Canonical's precompiled modules, for the kernels that an Ubuntu machine has."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import load_facts, stack_check
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.precompiled import (
    kernels_to_follow,
    module_packages,
    userland_packages,
)


@pytest.mark.parametrize(
    ("installed", "follows"),
    [
        (["linux-image-generic", "linux-image-6.8.0-45-generic", "linux-generic"], ["generic"]),
        (["linux-image-generic-hwe-24.04", "linux-image-6.14.0-27-generic"], ["generic-hwe-24.04"]),
        (["linux-image-aws", "linux-image-6.8.0-1015-aws"], ["aws"]),
        (["linux-image-gcp", "linux-image-azure", "linux-image-nvidia"], ["azure", "gcp", "nvidia"]),
        (["linux-image-6.8.0-45-generic"], ["6.8.0-45-generic"]),
        (["linux-image-unsigned-6.8.0-45-lowlatency"], ["6.8.0-45-lowlatency"]),
        (["linux-image-aws", "linux-image-6.8.0-45-generic"], ["aws", "6.8.0-45-generic"]),
        (["linux-image-generic-64k"], ["generic-64k"]),
        (["linux-image-6.8.0-45-generic-dbgsym", "linux-headers-generic", "bash"], []),
        ([], []),
    ],
)
def test_which_kernels_the_modules_follow(installed, follows):
    assert kernels_to_follow(installed) == follows


@pytest.mark.parametrize(
    ("flavour", "name"),
    [
        ("open", "linux-modules-nvidia-580-server-open-generic-hwe-24.04"),
        ("proprietary", "linux-modules-nvidia-580-server-generic-hwe-24.04"),
    ],
)
def test_the_modules_package(flavour, name):
    assert module_packages("580", flavour, ["linux-image-generic-hwe-24.04"]) == [name]


@pytest.mark.parametrize("flavour", ["open", "proprietary"])
def test_the_userland_is_what_the_compatibility_data_name(flavour):
    row = load_facts().driver_packages["archive-ubuntu"]
    names = row.open if flavour == "open" else row.proprietary
    assert userland_packages("580", flavour) == [name.format(branch="580") for name in names]
    assert not [name for name in userland_packages("580", flavour) if "dkms" in name and "no-dkms" not in name]


@pytest.mark.parametrize(
    ("kernel", "modules"),
    [
        ("", "linux-modules-nvidia-580-server-open-generic"),
        ("6.8.0-1015-aws", "linux-modules-nvidia-580-server-open-6.8.0-1015-aws"),
    ],
)
def test_the_stack_check_names_them(kernel, modules):
    request = {
        "driver": "580", "flavour": "open", "origin": "distribution", "distribution": "ubuntu2404",
        "kernel": kernel, "precompiled": True,
    }  # fmt: skip
    verdict = stack_check(request, load_facts(), datetime.date(2026, 11, 22))
    assert verdict["passes"], verdict["refusals"]
    assert modules in verdict["resolved"]["driver"]["packages"]
    assert not [name for name in verdict["resolved"]["driver"]["packages"] if "nvidia-dkms" in name]
