"""The status file of dpkg."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._dpkg import Package, parse_status, read_packages, upstream

STATUS = """\
Package: libcuda1
Architecture: amd64
Status: install ok installed
Source: nvidia-graphics-drivers
Version: 535.309.01-0+deb12u1
Description: library
 Status: not a field, part of the text

Package: nvidia-smi
Status: deinstall ok config-files
Source: nvidia-graphics-drivers (1.0)
Version: 535.309.01-0+deb12u1

Package: bash
Status: install ok half-configured
Version: 5.2-1

Note: a stanza without a name
"""


def test_parse_status():
    assert list(parse_status(STATUS)) == [
        Package("libcuda1", "535.309.01-0+deb12u1", "nvidia-graphics-drivers", "installed", "amd64"),
        Package("nvidia-smi", "535.309.01-0+deb12u1", "nvidia-graphics-drivers", "config-files"),
        Package("bash", "5.2-1", "bash", "half-configured"),
    ]


def test_only_configured_packages_count_as_installed():
    assert [package.name for package in parse_status(STATUS) if package.installed] == ["libcuda1"]


def test_a_package_whose_triggers_wait_is_installed_and_one_that_was_removed_is_not():
    states = ("installed", "triggers-awaited", "triggers-pending", "config-files", "half-configured", "unpacked")
    assert [Package("a", "1", "a", state).installed for state in states] == [True] * 3 + [False] * 3


def test_read_packages(tmp_path):
    assert read_packages(str(tmp_path)) == {}
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    assert sorted(read_packages(str(tmp_path))) == ["bash", "libcuda1", "nvidia-smi"]


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("535.309.01-0+deb12u1", "535.309.01"),
        ("550.163.01-4~bpo13+1", "550.163.01"),
        ("1:2.3-4-5", "2.3-4"),
        ("20220217+3~deb12u1", "20220217+3~deb12u1"),
    ],
)
def test_upstream(version, wanted):
    assert upstream(version) == wanted


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_is_left_of_another_architecture_does_not_hide_the_installed_one(tmp_path, order):
    stanzas = [
        "Package: libcuda1\nArchitecture: amd64\nStatus: install ok installed\nVersion: 595.91.07-1\n",
        "Package: libcuda1\nArchitecture: i386\nStatus: deinstall ok config-files\nVersion: 580.178.04-1\n",
    ]
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("\n".join(stanzas[number] for number in order))
    package = read_packages(str(tmp_path))["libcuda1"]
    assert (package.version, package.installed) == ("595.91.07-1", True)
