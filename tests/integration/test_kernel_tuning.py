"""The tuning on the real kernel (net.* in a namespace of its own), a full file system, systemd's and grub's readers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._cmdline import quoted
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._sysctl_d import ordered_files

DRIVER = Path(__file__).resolve().with_name("tuning_namespace.py")
FIN, TTL, RANGE = "net.ipv4.tcp_fin_timeout", "net.ipv4.ip_default_ttl", "net.ipv4.ip_local_port_range"
SET = {"sysctl": {FIN: 17, RANGE: "15000 65000"}, "limits": [{"item": "memlock", "value": "unlimited"}]}


@pytest.fixture
def steps(tmp_path):
    """Run steps in namespaces of their own; see tuning_namespace.py."""

    def run(*wanted: dict) -> list:
        argv = ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, str(DRIVER)]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [*argv, str(tmp_path / "root")], input=json.dumps(wanted), env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_check_run_again_modify_remove(steps):
    check, first, again, live, smaller, removed, after, files = steps(
        {"tune": {**SET, "check_mode": True}},
        {"tune": SET},
        {"tune": SET},
        {"read": FIN},
        {"tune": {"sysctl": {RANGE: "15000 65000"}}},
        {"tune": {"state": "absent"}},
        {"read": RANGE},
        {"command": ["find", "etc", "-mindepth", "1"]},
    )
    assert first["changed"]
    assert first["diff"] == check["diff"]
    assert first["applied"] == {FIN: "17", RANGE: "15000 65000", "limits.*.-.memlock": "unlimited"}
    assert (again["changed"], again["diff"]) == (False, [])
    assert live == "17"
    assert smaller["released"] == {FIN: "put back to 60"}
    assert removed["released"] == {RANGE: "put back to 32768 60999"}
    assert after == "32768 60999"
    assert files == [0, ""]


def test_what_the_kernel_refuses_is_reported_with_its_answer(steps):
    refused = {"net.ipv4.ip_local_reserved_ports": "none", "net.ipv4.tcp_allowed_congestion_control": "nonsense"}
    first, again, text = steps(
        {"tune": {"sysctl": {**refused, FIN: 17}}},
        {"tune": {"sysctl": {**refused, FIN: 17}}},
        {"command": ["cat", "etc/sysctl.d/90-gpuforge.conf"]},
    )
    assert "Invalid argument" in first["unsupported"]["net.ipv4.ip_local_reserved_ports"]
    assert "read-only for this process" in first["unsupported"]["net.ipv4.tcp_allowed_congestion_control"]
    assert first["applied"] == {FIN: "17"}
    assert (again["changed"], again["unsupported"]) == (False, first["unsupported"])
    assert f"\n{FIN} = 17" in text[1]
    assert "\n# net.ipv4.ip_local_reserved_ports = none is not set" in text[1]


def test_a_required_value_the_kernel_refuses_undoes_the_rest(steps):
    wanted = {FIN: 17, "net.ipv4.ip_local_reserved_ports": "none"}
    failed, before, _, files = steps(
        {"tune": {"sysctl": wanted, "required": ["net.ipv4.ip_local_reserved_ports"]}},
        {"read": FIN},
        {"read": TTL},
        {"command": ["find", "etc", "-mindepth", "1"]},
    )
    assert "Invalid argument" in failed["failed"]
    assert "everything was put back" in failed["failed"]
    assert before == "60"
    assert files == [0, ""]


def test_values_that_belong_to_the_machine_are_not_a_namespaces_to_set(steps):
    """procps' ``sysctl -w`` says nothing is wrong with the first of these."""
    keys = {"net.core.rmem_max": 16777216, "vm.swappiness": 10, "kernel.numa_balancing": 0}
    (done,) = steps({"tune": {"sysctl": keys, "thp": {"enabled": "always"}}})
    assert set(done["unsupported"]) == {*keys, "thp.enabled"}
    assert done["applied"] == {}
    for name in ("vm.swappiness", "kernel.numa_balancing", "thp.enabled"):
        assert "read-only" in done["unsupported"][name] or "no such value" in done["unsupported"][name]


def test_somebody_elses_live_change_is_put_right(steps):
    _, _, done, live = steps({"tune": SET}, {"write": [FIN, "99"]}, {"tune": SET}, {"read": FIN})
    assert done["diff"][0]["before"] == f"{FIN} = 99\n"
    assert live == "17"


def test_a_full_file_system_puts_everything_back(steps):
    filled, failed, live, files = steps(
        {"fill": True}, {"tune": SET}, {"read": FIN}, {"command": ["find", "etc", "-mindepth", "1"]}
    )
    assert filled == "No space left on device"
    assert "No space left on device" in failed["failed"]
    assert live == "60"
    assert files == [0, "etc/filler"]


def test_an_immutable_file_puts_everything_back(steps):
    _, made, failed, live, _, done = steps(
        {"tune": {"sysctl": {TTL: 65}}},
        {"command": ["chattr", "+i", "etc/sysctl.d/90-gpuforge.conf"]},
        {"tune": {"sysctl": {TTL: 65, FIN: 17}}},
        {"read": FIN},
        {"command": ["chattr", "-i", "etc/sysctl.d/90-gpuforge.conf"]},
        {"tune": {"sysctl": {TTL: 65, FIN: 17}}},
    )
    assert made == [0, ""]
    assert "Operation not permitted" in failed["failed"]
    assert "everything was put back" in failed["failed"]
    assert live == "60"
    assert done["changed"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze to compare the order with")
def test_the_order_of_sysctl_d_is_systemds(tmp_path):
    for path in (
        "etc/sysctl.d/50-a.conf",
        "usr/lib/sysctl.d/50-a.conf",
        "usr/lib/sysctl.d/10-z.conf",
        "run/sysctl.d/90-gpuforge.conf",
        "usr/local/lib/sysctl.d/99-b.conf",
        "usr/lib/sysctl.d/99-masked.conf",
        "usr/lib/sysctl.d/readme",
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a = b\n")
    (tmp_path / "etc/sysctl.d/99-masked.conf").symlink_to("/dev/null")
    argv = ["systemd-analyze", f"--root={tmp_path}", "cat-config", "sysctl.d"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    theirs = [line[2:] for line in said.splitlines() if line.startswith("# /")]
    theirs = [
        "/" + str(Path(path).relative_to(tmp_path)) if path.startswith(str(tmp_path)) else path for path in theirs
    ]
    assert [path for path in theirs if "masked" not in path] == ordered_files(Host(str(tmp_path)))


@pytest.mark.skipif(not shutil.which("grub-script-check"), reason="no grub-script-check here to read the quoting")
@pytest.mark.parametrize("parameter", ["a=b;c", "a=(x)", "a=b c", "a=*", "a={b}", "a=b&c|d", "iommu=pt", "a=#"])
def test_grub_takes_quoted_parameters(parameter, tmp_path):
    script = tmp_path / "grub.cfg"
    script.write_text("menuentry x {\n linux /vmlinuz %s quiet\n}\n" % quoted(parameter))
    done = subprocess.run(["grub-script-check", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
