"""What the driver role leaves on a booted node that has no GPU, with the driver of NVIDIA's repository."""

import re

import pytest

VERSION = "580.178.04"
OURS = r"nvidia|cuda|nscq|dkms"


@pytest.fixture
def kernel(host):
    """The installed kernel; the container runs on another one."""
    return host.check_output("ls /lib/modules")


def test_the_open_module_is_built_for_the_installed_kernel(host, kernel):
    assert host.check_output(f"modinfo -k {kernel} -F version nvidia") == VERSION
    assert host.check_output(f"modinfo -k {kernel} -F license nvidia") == "Dual MIT/GPL"
    assert host.check_output("dkms status").startswith(f"nvidia/{VERSION}, {kernel}, x86_64: installed")


def test_headers_of_the_kernel_and_of_the_next_ones(host, kernel):
    assert host.package(f"linux-headers-{kernel}").is_installed
    assert host.package("linux-headers-cloud-amd64").is_installed


def test_everything_of_the_driver_has_one_version(host):
    said = host.check_output("dpkg-query -W -f '${db:Status-Abbrev} ${source:Package} ${Package} ${Version}\\n'")
    ours = [line.split() for line in said.splitlines() if re.search(r"^.i +\S*(nvidia|cuda|fabric)", line)]
    assert {"nvidia-driver-cuda", "libcuda1", "nvidia-persistenced", "nvidia-modprobe"} < {
        name for _, _, name, _ in ours
    }
    assert {"nvidia-fabricmanager", "libnvidia-nscq", "nvidia-imex"} < {name for _, _, name, _ in ours}
    assert {version for _, _, _, version in ours} == {f"{VERSION}-1"}


def test_dkms_is_the_distributions(host):
    assert ":" not in host.package("dkms").version


def test_no_upgrade_touches_the_stack(host):
    for action in ("upgrade", "full-upgrade"):
        planned = host.check_output(f"apt-get --simulate {action}")
        assert not re.findall(rf"^(?:Inst|Remv) \S*(?:{OURS})\S*", planned, re.MULTILINE)


def test_the_newer_driver_is_there_to_be_resisted(host):
    assert "615.71.09-1" in host.check_output("apt-cache madison nvidia-driver-cuda")


def test_unattended_upgrades_leave_the_stack_alone(host):
    host.check_output("printf '%s' 'Unattended-Upgrade::Origins-Pattern { \"origin=*\"; };' > /run/any-origin.conf")
    said = host.check_output("APT_CONFIG=/run/any-origin.conf unattended-upgrade --dry-run --debug 2>&1")
    assert "Starting unattended upgrades script" in said
    assert "nvidia" not in said.partition("Packages that will be upgraded:")[2]


def test_fabric_software_is_enabled_and_waits_for_a_switch(host):
    for unit in ("nvidia-fabricmanager", "nvidia-imex", "nvidia-persistenced"):
        assert host.service(unit).is_enabled
        host.run(f"systemctl start {unit}")  # what matters is what comes of it
        assert host.check_output(f"systemctl show -P ActiveState {unit}").strip() == "inactive"


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl is-system-running") == "running"


def test_apt_has_no_complaint_about_its_sources(host):
    said = host.run("apt-get --simulate install")
    assert said.rc == 0
    assert said.stderr == ""


def test_module_parameters(host):
    settings = host.file("/etc/modprobe.d/gpuforge-nvidia-driver.conf").content_string.splitlines()
    assert "options nvidia NVreg_RestrictProfilingToAdminUsers=0" in settings
