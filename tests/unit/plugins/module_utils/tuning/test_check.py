"""What is refused before anything is touched."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import TuningError


def refusal(kernel, **options) -> str:
    with pytest.raises(TuningError) as caught:
        kernel.tune(**options)
    assert kernel.writes == []
    assert kernel.owned() == {}
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sysctl": {"vm.swappiness": 300}}, "sysctl.vm.swappiness: 300 is outside 0 to 200"),
        ({"sysctl": {"vm.swappiness": 1.5}}, "must be a number or a text, not float"),
        ({"sysctl": {"vm.swappiness": [1]}}, "must be a number or a text, not list"),
        ({"sysctl": {"vm.swapiness": 1}}, "unknown key (did you mean vm.swappiness?)"),
        ({"sysctl": {"swappiness": 1}}, "no sysctl key"),
        ({"sysctl": {"vm/../../../etc/passwd": 1}}, "no sysctl key"),
        ({"sysctl": {"vm..swappiness": 1}}, "no sysctl key"),
        ({"sysctl": {"vm.new_key": ""}}, "must not be empty"),
        ({"sysctl": {"vm.swappiness": "1\n2"}}, "must be one line"),
        ({"sysctl": {"vm.nr_hugepages": 2048}}, "use the hugepages option"),
        ({"sysctl": {"vm.swappiness": {"rule": "swapiness"}}}, "no rule 'swapiness' (did you mean swappiness?)"),
        ({"sysctl": {"vm.swappiness": {"rule": "x", "at_least": 1}}}, "a computed value is"),
        ({"sysctl": {"vm.max_map_count": {"at_least": "many"}}}, "at_least needs a whole number"),
        ({"sysctl": {"vm.dirty_bytes": 8388608, "vm.dirty_ratio": 5}}, "each sets the other to 0"),
        ({"sysctl": {"vm/swappiness": 1, "vm.swappiness": 1}}, "the same key as"),
        ({"sysctl": {"vm.min_free_kbytes": 13421773}}, "more than 5 % of this machine's memory"),
        ({"sysctl": {"net.ipv4.tcp_congestion_control": "brr"}}, "did you mean 'bbr'?"),
        (
            {"sysctl": {"net.ipv4.neigh.default.gc_thresh%d" % n: 9 - n for n in (1, 2, 3)}},
            "gc_thresh1, 2 and 3 must not fall",
        ),
        ({"sysctl": {"vm.swappiness": {"value": 1, "resaon": "x"}}}, "unknown field resaon"),
        ({"sysctl": {"kernel.numa_balancing": 0}, "numa_balancing": True}, "also given as sysctl"),
        ({"thp": {"enabled": "sometimes"}}, "'sometimes' is none of always, madvise, never"),
        ({"thp": {"enable": "always"}}, "thp.enable: no such setting"),
        ({"governor": {"governor": "very fast"}}, "must be one lower-case word"),
        ({"governor": {"speed": "performance"}}, "governor.speed: no such setting"),
        ({"read_ahead": {"disks_kib": -1}}, "whole number from 0 to 65536"),
        ({"read_ahead": {"floppies_kib": 1}}, "read_ahead.floppies_kib: no such setting"),
        ({"irq_affinity": ["sound"]}, "no device kind 'sound'"),
        ({"swap": "maybe"}, "'maybe' is neither keep nor off"),
        ({"modules": ["a; reboot"]}, "'a; reboot' is no module name"),
        ({"hugepages": {"percent": 80}}, "at most 50 percent"),
        ({"hugepages": {"percent": True}}, "at most 50 percent"),
        ({"hugepages": {"size_kib": 2048}}, "needs percent"),
        ({"hugepages": {"percent": 1, "nodes": {0: 1}}}, "exclude each other"),
        ({"hugepages": {"nodes": {"a": 1}}}, "'a' is no node id"),
        ({"hugepages": {"percent": 1, "size_kib": 3}}, "no page size"),
        ({"hugepages": {"pages": 2048}}, "hugepages.pages: no such setting"),
        ({"limits": [{"item": "memlok", "value": "unlimited"}]}, "no such limit (did you mean memlock?)"),
        ({"limits": [{"item": "memlock", "value": "lots"}]}, "neither a number nor unlimited"),
        ({"limits": [{"item": "nofile", "value": "unlimited"}]}, "nofile has no unlimited"),
        ({"limits": [{"item": "nofile", "value": "2000000"}]}, "every login would be refused"),
        ({"limits": [{"item": "nice", "value": "-30"}]}, "out of range"),
        ({"limits": [{"item": "core", "value": "0", "type": "both"}]}, "none of soft, hard, -"),
        ({"limits": [{"item": "core", "value": "0", "domain": "a b"}]}, "is no domain"),
        ({"limits": [{"value": "0"}]}, "needs item and value"),
        (
            {
                "limits": [
                    {"item": "core", "type": "soft", "value": "2"},
                    {"item": "core", "type": "hard", "value": "1"},
                ]
            },
            "the soft limit is above the hard limit",
        ),
        ({"systemd_limits": {"memlok": "infinity"}}, "did you mean memlock?"),
        ({"systemd_limits": {"memlock": "unlimited"}}, "no limit such as infinity"),
        ({"profiles": [{"sysctls": {}}]}, "profiles[0].sysctls: no such section"),
        ({"profiles": [{"sysctl": ["a"]}]}, "profiles[0].sysctl: must be a mapping"),
        ({"profiles": [{"modules": "a"}]}, "profiles[0].modules: must be a list"),
        ({"profiles": [{"swap": 1}]}, "profiles[0].swap: has the wrong type"),
    ],
)
def test_refused(kernel, options, said):
    assert said in refusal(kernel, **options)


def test_a_key_the_kernel_has_is_never_called_misspelt(kernel):
    kernel.set_sysctl("vm.swapiness", "5")
    assert kernel.tune(sysctl={"vm.swapiness": 6})["applied"] == {"vm.swapiness": "6"}


def test_in_an_image_the_builders_kernel_says_nothing_about_keys(kernel):
    kernel.set_sysctl("vm.swapiness", "5")
    assert "did you mean" in refusal(kernel, live=False, sysctl={"vm.swapiness": 6})


def test_all_problems_at_once(kernel):
    text = refusal(
        kernel,
        sysctl={"vm.swappiness": 300, "vm.swapiness": 1, "net.ipv4.tcp_rmem": "1"},
        thp={"enabled": "no"},
        limits=[{"item": "nofile", "value": "unlimited"}],
        swap="maybe",
    )
    assert text.count("\n  - ") == 6


def test_a_raised_nr_open_permits_a_higher_nofile(kernel):
    kernel.set_sysctl("fs.nr_open", "1048576")
    done = kernel.tune(sysctl={"fs.nr_open": 4194304}, limits=[{"item": "nofile", "value": "4194304"}])
    assert done["applied"]["limits.*.-.nofile"] == "4194304"


def test_a_null_takes_a_key_of_an_earlier_profile_out(kernel):
    profiles = [{"sysctl": {"vm.swappiness": 1, "net.core.somaxconn": 1000}, "governor": {"governor": "performance"}}]
    done = kernel.tune(
        profiles=[*profiles, {"governor": {"governor": None}}], sysctl={"vm.swappiness": None, "vm.dirty_ratio": 5}
    )
    assert {name for name in done["applied"] if "." in name} == {"net.core.somaxconn", "vm.dirty_ratio"}


def test_later_profiles_and_the_users_own_values_win(kernel):
    profiles = [
        {"sysctl": {"vm.swappiness": 1, "vm.dirty_ratio": 1}, "limits": [{"item": "core", "value": 0}]},
        {"sysctl": {"vm.swappiness": 2}, "limits": [{"item": "core", "type": "soft", "value": 1}]},
        {"limits": [{"item": "core", "value": 2}]},
    ]
    done = kernel.tune(profiles=profiles, sysctl={"vm.dirty_ratio": 7})
    assert done["applied"] == {"vm.swappiness": "2", "vm.dirty_ratio": "7", "limits.*.-.core": "2"}
