"""Whole runs: check, run, again, modify, remove."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_files import HEADER

SET = {
    "sysctl": {
        "vm.swappiness": {"value": {"rule": "swappiness"}, "reason": "swap late", "source": "vm.rst"},
        "vm.max_map_count": {"at_least": 262144},
        "net.ipv4.tcp_rmem": {"rule": "tcp_buffer"},
        "net.core.somaxconn": {"at_least": 1024},
    },
    "thp": {"enabled": "always", "defrag": "defer+madvise"},
    "limits": [{"item": "memlock", "value": "unlimited"}, {"domain": "@ml", "item": "nproc", "value": "100"}],
    "systemd_limits": {"memlock": "infinity", "nofile": "1024:1048576"},
    "modules": ["ib_umad"],
}
STATE = "/etc/gpuforge/kernel-tuning.json"


def state(kernel) -> dict:
    return json.loads(kernel.read(STATE))


@pytest.fixture
def kernel(kernel):
    kernel.put("/sys/module/ib_umad/refcnt", "0\n")
    return kernel


def test_check_run_again(kernel):
    before = kernel.owned()
    predicted = kernel.tune(check_mode=True, **SET)
    assert predicted["changed"]
    assert kernel.owned() == before == {}
    assert kernel.writes == []

    done = kernel.tune(**SET)
    assert done["diff"] == predicted["diff"]
    assert {key: done[key] for key in done if key != "diff"} == {
        key: predicted[key] for key in predicted if key != "diff"
    }
    assert done["applied"] == {
        "vm.swappiness": "1",
        "vm.max_map_count": "262144",
        "net.ipv4.tcp_rmem": "4096 131072 67108864",
        "thp.enabled": "always",
        "thp.defrag": "defer+madvise",
        "limits.*.-.memlock": "unlimited",
        "limits.@ml.-.nproc": "100",
        "systemd_limits.memlock": "infinity",
        "systemd_limits.nofile": "1024:1048576",
        "modules.ib_umad": "loaded at boot",
    }
    assert done["left"] == {"net.core.somaxconn": "the kernel's own value is at least that"}
    assert (done["unsupported"], done["pending_reboot"], done["released"], done["deferred"]) == ({}, {}, {}, [])
    assert kernel.sysctl("vm.swappiness") == "1"

    files, writes = kernel.owned(), list(kernel.writes)
    for check_mode in (True, False):
        again = kernel.tune(check_mode=check_mode, **SET)
        assert (again["changed"], again["diff"], again["files"]) == (False, [], [])
    assert (kernel.owned(), kernel.writes) == (files, writes)


def test_the_files(kernel):
    kernel.tune(**SET)
    owned = kernel.owned()
    assert owned["/etc/sysctl.d/90-gpuforge.conf"] == HEADER + (
        "# net.core.somaxconn: left as it is: the kernel's own value is at least that\n"
        "net.ipv4.tcp_rmem = 4096 131072 67108864\n"
        "vm.max_map_count = 262144\n"
        "# swap late [vm.rst]\n"
        "vm.swappiness = 1\n"
    )
    assert owned["/etc/security/limits.d/90-gpuforge.conf"] == HEADER + (
        "* - memlock unlimited\nroot - memlock unlimited\n@ml - nproc 100\n"
    )
    manager = HEADER + "[Manager]\nDefaultLimitMEMLOCK=infinity\nDefaultLimitNOFILE=1024:1048576\n"
    assert owned["/etc/systemd/system.conf.d/90-gpuforge.conf"] == manager
    assert owned["/etc/systemd/user.conf.d/90-gpuforge.conf"] == manager
    assert owned["/etc/modules-load.d/90-gpuforge.conf"] == HEADER + "ib_umad\n"
    assert owned["/etc/tmpfiles.d/90-gpuforge.conf"] == HEADER + (
        "w! /sys/kernel/mm/transparent_hugepage/defrag - - - - defer+madvise\n"
        "w! /sys/kernel/mm/transparent_hugepage/enabled - - - - always\n"
    )
    assert not [path for path in owned if "gpuforge-tuning" in path]


def test_modify_releases_what_is_no_longer_wanted(kernel):
    kernel.tune(**SET)
    smaller = {"sysctl": {"vm.max_map_count": 300000}}
    predicted = kernel.tune(check_mode=True, **smaller)
    done = kernel.tune(**smaller)
    assert done["diff"] == predicted["diff"]
    assert (
        done["released"]
        == predicted["released"]
        == {
            "vm.swappiness": "put back to 60",
            "net.ipv4.tcp_rmem": "put back to 4096 131072 6291456",
            "thp.enabled": "put back to madvise",
            "thp.defrag": "put back to madvise",
        }
    )
    assert kernel.sysctl("vm.swappiness") == "60"
    assert "[madvise]" in kernel.read("/sys/kernel/mm/transparent_hugepage/enabled")
    assert set(kernel.owned()) == {"/etc/sysctl.d/90-gpuforge.conf", STATE}
    assert state(kernel)["before"] == {"vm.max_map_count": "65530"}
    assert not kernel.tune(**smaller)["changed"]


def test_a_released_value_that_somebody_else_changed_stays(kernel):
    kernel.tune(sysctl={"vm.swappiness": 1})
    kernel.set_sysctl("vm.swappiness", "33")
    done = kernel.tune(sysctl={"vm.max_map_count": 300000})
    assert done["released"] == {"vm.swappiness": "left at 33: somebody else changed it"}
    assert kernel.sysctl("vm.swappiness") == "33"


def test_absent_restores_everything(kernel):
    values = {key: kernel.sysctl(key) for key in SET["sysctl"]}
    kernel.tune(**SET)
    predicted = kernel.tune(check_mode=True, state="absent")
    done = kernel.tune(state="absent")
    assert done["changed"]
    assert done["diff"] == predicted["diff"]
    assert kernel.owned() == {}
    assert {key: kernel.sysctl(key) for key in SET["sysctl"]} == values
    again = kernel.tune(state="absent")
    assert (again["changed"], again["diff"]) == (False, [])


def test_a_value_from_before_is_remembered_across_changes(kernel):
    for wanted in (10, 20, 30):
        kernel.tune(sysctl={"vm.swappiness": wanted})
    kernel.tune(state="absent")
    assert kernel.sysctl("vm.swappiness") == "60"


def test_a_rule_gives_the_same_on_the_second_run_though_the_value_is_there_now(kernel):
    options = {"sysctl": {"vm.min_free_kbytes": {"rule": "min_free_kbytes"}}}
    first = kernel.tune(**options)
    assert kernel.tune(**options)["applied"] == first["applied"]
    assert not kernel.tune(**options)["changed"]


def test_bytes_that_rule_out_a_ratio_are_put_back_through_the_ratio(kernel):
    kernel.tune(sysctl={"vm.dirty_bytes": 8388608})
    assert kernel.sysctl("vm.dirty_ratio") == "0"
    kernel.refuses["/proc/sys/vm/dirty_bytes"] = 22  # the kernel takes no 0 there
    kernel.tune(state="absent")
    assert (kernel.sysctl("vm.dirty_ratio"), kernel.sysctl("vm.dirty_bytes")) == ("20", "0")


def test_a_file_that_was_somebody_elses_comes_back(kernel):
    kernel.put("/etc/sysctl.d/90-gpuforge.conf", "vm.swappiness = 5\n")
    kernel.tune(sysctl={"vm.max_map_count": 300000})
    assert "swappiness" not in kernel.owned()["/etc/sysctl.d/90-gpuforge.conf"]
    kernel.tune(sysctl={"vm.max_map_count": 300001})
    kernel.tune(state="absent")
    assert kernel.owned() == {"/etc/sysctl.d/90-gpuforge.conf": "vm.swappiness = 5\n"}


def test_a_file_edited_by_hand_is_shown_and_put_right(kernel):
    kernel.tune(sysctl={"vm.swappiness": 10})
    path = "/etc/sysctl.d/90-gpuforge.conf"
    kernel.put(path, kernel.read(path) + "vm.dirty_ratio = 1\n")
    done = kernel.tune(sysctl={"vm.swappiness": 10})
    assert done["drifted"] == [path]
    assert "vm.dirty_ratio = 1" in done["diff"][0]["before"]
    assert "vm.dirty_ratio" not in kernel.read(path)
    assert kernel.tune(sysctl={"vm.swappiness": 10})["drifted"] == []


def test_a_value_changed_live_is_put_right(kernel):
    kernel.tune(sysctl={"vm.swappiness": 10})
    kernel.set_sysctl("vm.swappiness", "77")
    done = kernel.tune(sysctl={"vm.swappiness": 10})
    assert done["changed"]
    assert done["diff"][0]["before"] == "vm.swappiness = 77\n"
    assert kernel.sysctl("vm.swappiness") == "10"


def test_systemd_is_told_only_of_new_limits(kernel):
    assert kernel.tune(systemd_limits={"memlock": "infinity"})["reexec"]
    assert not kernel.tune(systemd_limits={"memlock": "infinity"})["reexec"]
    assert not kernel.tune(systemd_limits={"memlock": "infinity"}, sysctl={"vm.swappiness": 1})["reexec"]
    assert kernel.tune(state="absent")["reexec"]


def test_numa_balancing_is_its_own_option(kernel):
    assert kernel.tune(numa_balancing=False)["applied"] == {"kernel.numa_balancing": "0"}
    assert kernel.sysctl("kernel.numa_balancing") == "0"


def test_nothing_wanted_is_nothing_done(kernel):
    assert not kernel.tune()["changed"]
    assert kernel.owned() == {}
