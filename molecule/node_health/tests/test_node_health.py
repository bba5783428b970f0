"""The checker on a booted machine: it answers, it runs on its timer, and it does not make itself a failure."""

from __future__ import annotations

import json

import pytest

PROGRAM = "/usr/local/bin/gpuforge-node"
SERVICE = "gpuforge-node-check.service"
TEXTFILE = "/var/lib/prometheus/node-exporter/gpuforge-node.prom"


def check(host, arguments=""):
    done = host.run(f"{PROGRAM} check --skip tuning --format json {arguments}")
    return done.rc, {item["id"]: item for item in json.loads(done.stdout)["checks"]}


def test_the_program_is_one_file_for_everybody(host):
    program = host.file(PROGRAM)
    assert (program.user, program.group, program.mode) == ("root", "root", 0o755)
    assert host.run(f"{PROGRAM} --help").rc == 0


def test_it_knows_what_is_expected(host):
    assert json.loads(host.file("/etc/gpuforge/expect.json").content_string) == {"count": 0, "image": False}


def test_nothing_is_wrong(host):
    code, results = check(host)
    assert code == 0
    assert results["system.running"]["status"] == "pass"
    assert results["gpu.count"]["status"] in ("pass", "skipped")
    assert results["manifest.packages"]["status"] == "skipped"


def test_the_timer_runs_and_starts_at_boot(host):
    timer = host.service("gpuforge-node-check.timer")
    assert timer.is_running
    assert timer.is_enabled
    assert host.run("systemd-analyze verify /etc/systemd/system/gpuforge-node-check.*").stderr == ""


def test_the_service_writes_for_prometheus(host):
    assert host.run(f"systemctl start {SERVICE}").rc == 0
    text = host.file(TEXTFILE)
    assert text.mode == 0o644
    assert 'gpuforge_check_status{check="system.running",group="system",severity="critical",status="pass"} 1' in (
        text.content_string
    )
    assert 'gpuforge_node_verdict{verdict="ok"} 1' in text.content_string


@pytest.fixture
def failed_unit(host):
    assert host.run("systemd-run --unit=gpuforge-molecule-broken --wait /bin/false").rc != 0
    yield "gpuforge-molecule-broken.service"
    host.run_expect([0], "systemctl reset-failed gpuforge-molecule-broken.service")


def test_a_failed_unit_is_named_and_the_check_itself_does_not_fail(host, failed_unit):
    code, results = check(host, "--only system")
    assert code == 1
    assert failed_unit in results["system.units"]["observed"]
    assert results["system.running"]["observed"] == "degraded"
    assert host.run(f"systemctl start {SERVICE}").rc == 0
    assert host.run("systemctl list-units --failed --plain --no-legend").stdout.split()[0] == failed_unit
    assert 'verdict="monitor"} 1' in host.file(TEXTFILE).content_string


def test_well_again_once_the_unit_is(host):
    assert check(host, "--only system")[0] == 0


def test_bad_use_is_told_apart_from_a_failed_check(host):
    done = host.run(f"{PROGRAM} check --only sytem")
    assert done.rc == 2
    assert "did you mean 'system'" in done.stderr


def test_facts_are_json(host):
    facts = json.loads(host.check_output(f"{PROGRAM} facts --json"))
    assert set(facts) == {"gpu", "topology", "fabric"}
    assert facts["gpu"]["gpus"] == []
