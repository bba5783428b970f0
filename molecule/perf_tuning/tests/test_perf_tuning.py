"""What the perf_tuning role leaves on a booted node; kernel values need a kernel of their own (tests/image)."""

import json

import pytest

SYSCTL = "/etc/sysctl.d/90-gpuforge.conf"
STATE = "/etc/gpuforge/kernel-tuning.json"


@pytest.fixture
def state(host):
    return json.loads(host.file(STATE).content_string)


def test_tools(host):
    for package in ("numactl", "hwloc-nox", "linux-cpupower"):
        assert host.package(package).is_installed
    assert host.run("numactl --hardware").succeeded
    assert "Machine" in host.check_output("lstopo-no-graphics --of console --no-io")


def test_profiles_are_merged_in_order_and_the_users_values_last(host, state):
    wanted = state["request"]["sysctl"]
    assert wanted["net.core.somaxconn"] == "8192"  # the user's, not base's or inference's
    assert wanted["net.ipv4.tcp_fin_timeout"] == "30"  # the site's own profile
    assert wanted["vm.zone_reclaim_mode"] == {"rule": "zone_reclaim"}  # hpc
    assert "net.ipv4.tcp_fastopen" not in wanted  # taken out by null
    assert state["request"]["thp"] == {"enabled": "always", "defrag": "defer+madvise"}


def test_each_line_names_its_source(host):
    lines = host.file(SYSCTL).content_string.splitlines()
    assert "# a value of the site [molecule]" in lines


def test_a_container_refuses_kernel_values_and_that_is_said(host, state):
    assert "read-only here" in state["unsupported"]["vm.swappiness"]
    assert "needs the module sunrpc" in state["unsupported"]["sunrpc.tcp_max_slot_table_entries"]
    assert "# vm.swappiness = 10 is not set: mounted read-only here (a container?)" in host.file(SYSCTL).content_string


def test_limits_for_logins(host):
    lines = host.file("/etc/security/limits.d/90-gpuforge.conf").content_string.splitlines()
    assert "* - memlock unlimited" in lines
    assert "root - memlock unlimited" in lines
    assert "@users soft nproc 4096" in lines


def test_limits_for_services_are_in_force(host):
    assert host.check_output("systemctl show --property=DefaultLimitMEMLOCK --value") == "infinity"
    assert host.file("/etc/systemd/user.conf.d/90-gpuforge.conf").contains("DefaultLimitMEMLOCK=infinity")


def test_systemds_own_readers_take_the_files(host):
    said = host.run("systemd-tmpfiles --create --boot --prefix=/nowhere")
    assert said.rc == 0
    assert "90-gpuforge" not in said.stderr
    if host.run("udevadm verify --help").succeeded:  # systemd 254
        checked = host.run("udevadm verify /etc/udev/rules.d/90-gpuforge.rules")
        assert checked.succeeded, checked.stderr


def test_nothing_waits_for_boot_on_a_machine_tuned_live(host, state):
    assert state["deferred"] == []
    assert not host.file("/etc/systemd/system/gpuforge-tuning.service").exists


def test_no_failed_unit(host):
    assert host.check_output("systemctl list-units --failed --no-legend") == ""
