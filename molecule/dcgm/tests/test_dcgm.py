"""DCGM on a machine without a GPU: installed for the driver's CUDA major, waiting for a GPU; its alerts tried."""

from __future__ import annotations

import pytest

PROMTOOL = "/opt/prometheus/usr/bin/promtool"
RULES = "/etc/prometheus/rules/gpuforge-gpu-alerts.yml"
PARTS = ("core", "proprietary", "cuda13", "proprietary-cuda13")
SERVICES = ("nvidia-dcgm.service", "nvidia-dcgm-exporter.service")


@pytest.mark.parametrize("part", PARTS)
def test_exactly_the_version_and_held_there(host, part):
    name = f"datacenter-gpu-manager-4-{part}"
    assert host.package(name).version == "1:4.6.0-1"
    assert "Candidate: 1:4.6.0-1" in host.check_output("apt-cache policy %s", name)


def test_only_the_drivers_cuda_major_and_no_dcgm_3(host):
    assert not host.package("datacenter-gpu-manager-4-cuda12").is_installed
    assert not host.package("datacenter-gpu-manager").is_installed
    assert not host.package("datacenter-gpu-manager-config").is_installed


def test_no_driver_came_with_it(host):
    assert host.run("dpkg-query --show 'libnvidia*' 'nvidia-driver*' 'libcuda*'").stdout == ""


def test_an_upgrade_changes_none_of_it(host):
    steps = host.check_output("apt-get --simulate full-upgrade")
    assert not [line for line in steps.splitlines() if line.startswith("Inst") and "datacenter" in line]


@pytest.mark.parametrize("service", SERVICES)
def test_it_waits_for_a_gpu_and_has_not_failed(host, service):
    assert host.run(f"systemctl start {service}").rc == 0
    assert host.check_output(f"systemctl show --property=ConditionResult --value {service}") == "no"
    assert service in host.check_output("systemctl show --property=Wants --value multi-user.target").split()
    assert host.check_output("systemctl list-units --failed --no-legend") == ""


def test_it_starts_with_the_driver(host):
    rules = host.file("/etc/udev/rules.d/73-gpuforge-dcgm.rules").content_string
    assert "start nvidia-dcgm.service nvidia-dcgm-exporter.service" in rules


def test_the_exporter_listens_where_it_was_told_and_asks_the_daemon(host):
    command = host.check_output("systemctl show --property=ExecStart --value nvidia-dcgm-exporter.service")
    assert "-a 127.0.0.1:9400" in command
    assert "-r localhost:5555" in command
    assert "-f /etc/dcgm-exporter/gpuforge-counters.csv" in command
    output = host.check_output("systemctl show --property=StandardOutput --value nvidia-dcgm-exporter.service")
    assert output == "journal"


def test_the_metrics_have_remapped_rows_and_take_no_profiling_session(host):
    lines = host.file("/etc/dcgm-exporter/gpuforge-counters.csv").content_string.splitlines()
    fields = [line.split(",")[0] for line in lines if not line.startswith("#")]
    assert {"DCGM_FI_DEV_ROW_REMAP_PENDING", "DCGM_FI_DEV_ROW_REMAP_FAILURE", "DCGM_FI_DEV_FAN_SPEED"} <= set(fields)
    assert not [field for field in fields if field.startswith("DCGM_FI_PROF_")]
    # The exporter reads three columns: a comma in the last would make a fourth.
    assert {line.count(",") for line in lines if not line.startswith("#")} == {2}


def test_every_alert_is_about_a_metric_that_is_exported(host):
    counters = host.file("/etc/dcgm-exporter/gpuforge-counters.csv").content_string
    words = host.check_output(f"grep --only-matching --no-filename 'DCGM_[A-Z_]*' {RULES} | sort -u").split()
    assert words
    assert [word for word in words if f"\n{word}," not in counters] == []


def test_promtool_takes_the_alert_rules_and_each_fires_when_it_should(host):
    assert host.run(f"{PROMTOOL} check rules {RULES}").rc == 0
    tried = host.run(f"{PROMTOOL} test rules /opt/prometheus/alerts_test.yml")
    assert tried.rc == 0, tried.stdout + tried.stderr
