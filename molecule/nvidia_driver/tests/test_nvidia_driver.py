"""What the driver role leaves on a booted node that has no GPU."""

import re

import pytest


@pytest.fixture
def kernel(host):
    """The installed kernel; the container runs on another one."""
    return host.check_output("ls /lib/modules")


def test_module_is_built_for_the_installed_kernel(host, kernel):
    assert host.check_output(f"modinfo -k {kernel} -F version nvidia-current") == "999.1.1"
    assert f"nvidia-current/999.1.1, {kernel}, x86_64: installed" in host.check_output("dkms status")


def test_headers_of_the_kernel_and_of_the_next_ones(host, kernel):
    assert host.package(f"linux-headers-{kernel}").is_installed
    assert host.package("linux-headers-cloud-amd64").is_installed


def test_userland_has_the_modules_version(host):
    for name in ("libcuda1", "libnvidia-ml1", "libnvidia-cfg1", "nvidia-smi", "nvidia-kernel-dkms"):
        assert host.package(name).version == "999.1.1-1"


def test_no_upgrade_touches_the_driver(host):
    for action in ("upgrade", "dist-upgrade"):
        planned = host.check_output(f"apt-get --simulate {action}")
        assert not re.findall(r"^(?:Inst|Remv) \S*(?:nvidia|cuda)\S*", planned, re.MULTILINE)


def test_the_newer_driver_is_there_to_be_resisted(host):
    assert "999.2.0-1" in host.check_output("apt-cache madison nvidia-smi")


def test_unattended_upgrades_leave_the_driver_alone(host):
    host.check_output("printf '%s' 'Unattended-Upgrade::Origins-Pattern { \"origin=*\"; };' > /run/any-origin.conf")
    said = host.check_output("APT_CONFIG=/run/any-origin.conf unattended-upgrade --dry-run --debug 2>&1")
    assert "Starting unattended upgrades script" in said
    assert not re.findall(r"nvidia|cuda", said)


def test_nouveau_stays_away_in_the_initramfs_too(host, kernel):
    settings = "etc/modprobe.d/gpuforge-nvidia-driver.conf"
    assert settings in host.check_output(f"lsinitramfs /boot/initrd.img-{kernel}").splitlines()
    assert host.file(f"/{settings}").contains("^blacklist nouveau$")


def test_module_parameters(host):
    lines = host.file("/etc/modprobe.d/gpuforge-nvidia-driver.conf").content_string.splitlines()
    assert "options nvidia-current NVreg_RestrictProfilingToAdminUsers=0" in lines
    assert "options nvidia-current NVreg_RegistryDwords=PeerMappingOverride=1;" in lines


def test_persistence_daemon_is_enabled_and_waits_for_a_gpu(host):
    daemon = host.service("nvidia-persistenced")
    assert daemon.is_enabled
    assert not daemon.is_running
    assert host.check_output("systemctl show -P ActiveState nvidia-persistenced").strip() == "inactive"


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl is-system-running") == "running"


def test_apt_has_no_complaint_about_its_sources(host):
    said = host.run("apt-get --simulate install")
    assert said.rc == 0
    assert said.stderr == ""


GUARD = "/usr/local/sbin/gpuforge-kernel-guard"
CERTIFICATE = "/etc/gpuforge/module-signing.der"


def test_every_module_is_signed_with_the_nodes_own_key(host, kernel):
    serial = host.check_output(f"openssl x509 -inform DER -in {CERTIFICATE} -noout -serial").partition("=")[2]
    modules = host.check_output(f"find /lib/modules/{kernel}/updates/dkms -name 'nvidia*.ko*'").splitlines()
    assert modules
    for path in modules:
        assert host.check_output(f"modinfo -F signer {path}").startswith("gpuforge module signing ")
        assert host.check_output(f"modinfo -F sig_key {path}").replace(":", "") == serial


def test_the_key_is_roots_alone(host):
    key = host.file("/var/lib/shim-signed/mok/MOK.priv")
    assert (key.user, key.mode) == ("root", 0o600)
    assert host.file("/var/lib/shim-signed/mok").mode == 0o700


@pytest.fixture
def newer_kernel(host):
    """A kernel that no module was built for."""
    release = "99.1.0-test-amd64"
    host.check_output(f"mkdir /lib/modules/{release} && touch /boot/vmlinuz-{release}")
    yield release
    host.check_output(f"rm -r /lib/modules/{release} /boot/vmlinuz-{release}")


def test_a_kernel_with_its_driver_need_not_wait(host, kernel):
    assert host.check_output(GUARD) == f"kernel-guard: default kernel: {kernel}"


def test_a_kernel_without_its_driver_waits(host, kernel, newer_kernel):
    said = host.run(GUARD)
    assert said.rc == 1
    assert f"default kernel: {kernel}" in said.stdout
    assert f"held back {newer_kernel}: no NVIDIA module was built for it" in said.stdout


def test_the_package_manager_asks_the_guard(host, newer_kernel):
    said = host.check_output("apt-get -qq install --reinstall hostname 2>&1 && dpkg --audit")
    assert f"held back {newer_kernel}" in said
    for hook in ("postinst.d/aa", "postinst.d/zy", "postrm.d/zy", "header_postinst.d/zy"):
        assert f"held back {newer_kernel}" in host.check_output(f"/etc/kernel/{hook}-gpuforge-kernel-guard")


def test_the_guard_runs_at_boot_where_there_is_a_boot_loader(host):
    assert host.check_output("systemctl show -P Wants multi-user.target").count("gpuforge-kernel-guard.service") == 1
    assert host.check_output("systemctl show -P LoadState gpuforge-kernel-guard.service") == "loaded"
