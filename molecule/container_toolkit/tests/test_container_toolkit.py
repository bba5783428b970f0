"""The container toolkit on a booted machine without a GPU: installed, known to the engines, waiting for a driver."""

from __future__ import annotations

import json

import pytest

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
RUNTIME = "/usr/bin/nvidia-container-runtime"
UNIT = "nvidia-cdi-refresh.service"


@pytest.mark.parametrize("name", PACKAGES)
def test_exactly_the_version_and_held_there(host, name):
    assert host.package(name).version == "1.19.1-1"
    policy = host.check_output("apt-cache policy %s", name)
    assert "Candidate: 1.19.1-1" in policy
    assert "*** 1.19.1-1 1001" in policy


def test_an_upgrade_changes_none_of_it(host):
    steps = host.check_output("apt-get --simulate full-upgrade")
    assert not [line for line in steps.splitlines() if line.startswith("Inst") and "nvidia" in line]


def test_the_repository_is_preferred_to_nothing(host):
    policy = host.check_output("apt-cache policy")
    assert " 90 file:/srv/nvidia/libnvidia-container/stable/deb/amd64" in policy


def test_docker_knows_the_runtime_and_keeps_what_it_had(host):
    text = host.file("/etc/docker/daemon.json")
    body = json.loads(text.content_string)
    assert body["runtimes"]["nvidia"] == {"args": [], "path": RUNTIME}
    assert body["runtimes"]["runsc"] == {"path": "/usr/bin/runsc"}
    assert body["log-driver"] == "journald"
    assert "default-runtime" not in body
    assert text.mode == 0o640


def test_containerd_reads_its_configuration_with_the_runtime(host):
    dumped = host.run("containerd config dump")
    assert dumped.succeeded, dumped.stderr
    part = dumped.stdout.split("runtimes.nvidia]", 1)[1]
    assert f'BinaryName = "{RUNTIME}"' in part.split("runtimes.runc]", 1)[0]
    # What Debian's own configuration says is still there.
    assert 'bin_dir = "/usr/lib/cni"' in dumped.stdout


def test_crio_has_a_file_of_its_own(host):
    assert host.file("/etc/crio/crio.conf.d/99-gpuforge-nvidia.conf").contains("crio.runtime.runtimes.nvidia")


def test_nothing_is_written_and_nothing_fails_without_a_gpu(host):
    assert host.run(f"systemctl restart {UNIT}").rc == 0
    assert host.check_output(f"systemctl show --property=ConditionResult --value {UNIT}") == "no"
    assert not host.file("/run/cdi/nvidia.yaml").exists
    assert host.check_output("systemctl list-units --failed --no-legend") == ""


def test_both_units_are_wanted_at_boot_and_the_driver_is_watched(host):
    wants = host.check_output("systemctl show --property=Wants --value multi-user.target").split()
    assert {UNIT, "nvidia-cdi-refresh.path"} <= set(wants)
    assert host.check_output("systemctl is-active nvidia-cdi-refresh.path") == "active"


def test_the_units_start_again_for_every_driver(host):
    assert host.check_output(f"systemctl show --property=RemainAfterExit --value {UNIT}") == "no"
    rules = host.file("/etc/udev/rules.d/72-gpuforge-container-toolkit.rules").content_string
    assert f"restart {UNIT}" in rules


def test_containers_keep_their_gpus_over_a_daemon_reload(host):
    """The two things that it takes: names below /dev/char when the driver comes, and no legacy mode."""
    rules = host.file("/etc/udev/rules.d/72-gpuforge-container-toolkit.rules").content_string
    assert 'RUN+="/usr/bin/nvidia-ctk system create-dev-char-symlinks --create-all"' in rules
    assert host.run("grep -s 'mode = \"legacy\"' /etc/nvidia-container-runtime/config.toml").rc != 0


def test_old_engines_get_a_specification_that_they_can_read(host):
    # Docker is of no package here, so that its version is not known.
    environment = host.check_output(f"systemctl show --property=Environment --value {UNIT}")
    assert "NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS=no-additional-gids-for-device-nodes" in environment
