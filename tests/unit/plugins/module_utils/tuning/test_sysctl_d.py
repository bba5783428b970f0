"""Who sets a key last at boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._sysctl_d import ordered_files, parse, winners
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_files import SYSCTL


def test_lines():
    text = """
# vm.swappiness = 1
; vm.swappiness = 2
vm.swappiness=3
 -vm/dirty_ratio =  4
net.ipv4.conf.*.rp_filter = 1
-net.ipv4.conf.all.rp_filter
net/ipv4/conf/eth0.1/rp_filter = 2
kernel.sem = 1\t2  3 4
"""
    assert [(line.key, line.value) for line in parse(text)] == [
        ("vm.swappiness", "3"),
        ("vm.dirty_ratio", "4"),
        ("net.ipv4.conf.eth0/1.rp_filter", "2"),
        ("kernel.sem", "1 2 3 4"),
    ]


def test_order_hiding_and_masks(kernel):
    for path in (
        "/usr/lib/sysctl.d/50-a.conf",
        "/etc/sysctl.d/50-a.conf",
        "/run/sysctl.d/10-run.conf",
        "/usr/local/lib/sysctl.d/60-b.conf",
        "/usr/lib/sysctl.d/99-masked.conf",
        "/etc/sysctl.d/readme.txt",
    ):
        kernel.put(path, "")
    Path(kernel.root, "etc/sysctl.d/99-masked.conf").symlink_to("/dev/null")
    assert ordered_files(kernel) == [
        "/run/sysctl.d/10-run.conf",
        "/etc/sysctl.d/50-a.conf",
        "/usr/local/lib/sysctl.d/60-b.conf",
    ]


@pytest.mark.parametrize(
    ("path", "text", "beaten"),
    [
        ("/etc/sysctl.d/99-local.conf", "vm.swappiness = 60\n", True),
        ("/usr/lib/sysctl.d/99-vendor.conf", "vm/swappiness=60\n", True),
        ("/etc/sysctl.d/99-local.conf", "-vm.swappiness = 60\n", True),
        ("/etc/sysctl.d/10-early.conf", "vm.swappiness = 60\n", False),
        ("/etc/sysctl.d/99-same.conf", "vm.swappiness =  10\n", False),
        ("/etc/sysctl.d/99-glob.conf", "vm.swap* = 60\n", False),
        ("/etc/sysctl.d/99-other.conf", "vm.dirty_ratio = 60\n", False),
        ("/etc/sysctl.conf", "vm.swappiness = 60\n", False),
    ],
)
def test_winners(kernel, path, text, beaten):
    kernel.put(path, text)
    found = winners(kernel, SYSCTL, {"vm.swappiness": "10"})
    assert found == ({"vm.swappiness": (path, "60")} if beaten else {})


def test_debian_12s_link_to_sysctl_conf_counts_and_the_last_file_wins(kernel):
    kernel.put("/etc/sysctl.conf", "vm.swappiness = 70\n")
    kernel.put("/etc/sysctl.d/95-mine.conf", "vm.swappiness = 60\n")
    Path(kernel.root, "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert winners(kernel, SYSCTL, {"vm.swappiness": "10"}) == {"vm.swappiness": ("/etc/sysctl.d/99-sysctl.conf", "70")}


def test_a_still_later_file_may_agree_with_us_again(kernel):
    kernel.put("/etc/sysctl.d/95-mine.conf", "vm.swappiness = 60\n")
    kernel.put("/etc/sysctl.d/99-back.conf", "vm.swappiness = 10\n")
    assert winners(kernel, SYSCTL, {"vm.swappiness": "10"}) == {}


def test_a_run_reports_the_winner(kernel):
    kernel.put("/etc/sysctl.d/99-local.conf", "vm.swappiness = 60\n")
    done = kernel.tune(sysctl={"vm.swappiness": 10})
    assert done["overridden"] == {"vm.swappiness": {"file": "/etc/sysctl.d/99-local.conf", "value": "60"}}
    assert kernel.sysctl("vm.swappiness") == "10"
