"""Refusals, half-done runs, and what a killed run leaves."""

from __future__ import annotations

import errno
import json
import os

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import TuningError

SWAPPINESS = "/proc/sys/vm/swappiness"
MAP_COUNT = "/proc/sys/vm/max_map_count"
BOTH = {
    "sysctl": {"vm.max_map_count": 300000, "vm.swappiness": 10},
    "limits": [{"item": "memlock", "value": "unlimited"}],
}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EINVAL, "Invalid argument: the kernel refuses this value"),
        (errno.EPERM, "Operation not permitted: the kernel does not permit it"),
        (errno.EROFS, "Read-only file system: the file system is read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_refused_write_is_reported_and_the_rest_applied(kernel, code, said):
    kernel.refuses[SWAPPINESS] = code
    done = kernel.tune(**BOTH)
    assert said in done["unsupported"]["vm.swappiness"]
    assert "vm.swappiness" not in done["applied"]
    assert kernel.sysctl("vm.max_map_count") == "300000"
    assert "# vm.swappiness = 10 is not set: the kernel answered" in kernel.owned()["/etc/sysctl.d/90-gpuforge.conf"]
    for check_mode in (True, False):
        again = kernel.tune(check_mode=check_mode, **BOTH)
        assert (again["changed"], again["unsupported"]) == (False, done["unsupported"])


def test_a_kernel_that_takes_the_value_later_gets_it(kernel):
    kernel.refuses[SWAPPINESS] = errno.EPERM
    kernel.tune(**BOTH)
    kernel.refuses.clear()
    done = kernel.tune(**BOTH)
    assert done["changed"]
    assert done["unsupported"] == {}
    assert kernel.sysctl("vm.swappiness") == "10"
    assert "vm.swappiness = 10\n" in kernel.owned()["/etc/sysctl.d/90-gpuforge.conf"]


def test_a_write_without_effect_is_found_by_reading_back(kernel):
    kernel.ignores.add(SWAPPINESS)
    done = kernel.tune(**BOTH)
    assert done["unsupported"] == {
        "vm.swappiness": "written without an error, but the kernel holds 60 instead of 10",
    }
    assert not kernel.tune(**BOTH)["changed"]


def test_a_value_the_kernel_rounds_is_no_success_and_is_put_back(kernel):
    kernel.gives[SWAPPINESS] = "16"
    done = kernel.tune(**BOTH)
    assert "holds 16 instead of 10" in done["unsupported"]["vm.swappiness"]
    assert kernel.writes[-1] == (SWAPPINESS, "60")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("vm.no_such_thing", 1, "the running kernel has no such value"),
        ("net.ipv4.neigh.default.gc_thresh1", 1, "or hides it in this network namespace"),
        ("kernel.sched_latency_ns", 1, "removed from sysctl in Linux 5.13"),
        (
            "sunrpc.tcp_max_slot_table_entries",
            128,
            "needs the module sunrpc, which kernel 6.1.0-56-amd64 does not have",
        ),
        (
            "net.ipv4.tcp_congestion_control",
            "bbr",
            "needs the module tcp_bbr, which kernel 6.1.0-56-amd64 does not have",
        ),
    ],
)
def test_keys_this_kernel_does_not_have(kernel, key, value, said):
    assert said in kernel.tune(sysctl={key: value})["unsupported"][key]
    with pytest.raises(TuningError, match=r"required settings can't be applied"):
        kernel.tune(sysctl={key: value}, required=[key])


def test_a_read_only_mount_is_told_without_writing(kernel):
    kernel.read_only.add(SWAPPINESS)
    done = kernel.tune(check_mode=True, **BOTH)
    assert "read-only here" in done["unsupported"]["vm.swappiness"]


def test_a_required_value_refused_in_the_middle_undoes_everything(kernel):
    before = (kernel.sysctl("vm.max_map_count"), kernel.owned())
    kernel.refuses[SWAPPINESS] = errno.EINVAL
    with pytest.raises(TuningError, match=r"(?s)vm.swappiness: the kernel answered Invalid.*everything was put back"):
        kernel.tune(required=["vm.swappiness"], **BOTH)
    assert (kernel.sysctl("vm.max_map_count"), kernel.owned()) == before
    assert [path for path, _value in kernel.writes] == [MAP_COUNT, MAP_COUNT]


def test_a_required_value_refused_by_an_earlier_run_is_tried_again(kernel):
    kernel.refuses[SWAPPINESS] = errno.EINVAL
    kernel.tune(**BOTH)
    required = {**BOTH, "required": ["vm.swappiness"]}
    with pytest.raises(TuningError, match=r"vm\.swappiness: the kernel answered Invalid"):
        kernel.tune(check_mode=True, **required)
    with pytest.raises(TuningError, match="everything was put back"):
        kernel.tune(**required)
    kernel.refuses.clear()
    assert kernel.tune(**required)["applied"]["vm.swappiness"] == "10"


def test_a_required_section_is_its_first_part(kernel):
    kernel.read_only.add("/sys/kernel/mm/transparent_hugepage/enabled")
    with pytest.raises(TuningError, match=r"thp\.enabled"):
        kernel.tune(thp={"enabled": "always"}, required=["thp"])


def test_thp_words_this_kernel_lacks(kernel):
    kernel.put("/sys/kernel/mm/transparent_hugepage/defrag", "always [never]\n")
    done = kernel.tune(thp={"defrag": "defer+madvise"})
    assert done["unsupported"] == {"thp.defrag": "this kernel offers only always, never"}


def fail_at(kernel, monkeypatch, path, code):
    """Make writing one file fail, as a full or damaged file system does."""
    real = type(kernel).write_file

    def write_file(self, at, text, mode=0o644):
        if at == path:
            raise OSError(code, os.strerror(code), at)
        real(self, at, text, mode)

    monkeypatch.setattr(type(kernel), "write_file", write_file)


@pytest.mark.parametrize("path", ["/etc/sysctl.d/90-gpuforge.conf", "/etc/gpuforge/kernel-tuning.json"])
def test_no_space_left_puts_live_values_and_files_back(kernel, monkeypatch, path):
    kernel.tune(sysctl={"vm.dirty_ratio": 5})
    before = (kernel.owned(), kernel.sysctl("vm.swappiness"), kernel.sysctl("vm.dirty_ratio"))
    fail_at(kernel, monkeypatch, path, errno.ENOSPC)
    with pytest.raises(TuningError, match=r"No space left on device.*" + path + ".*everything was put back"):
        kernel.tune(**BOTH)
    assert (kernel.owned(), kernel.sysctl("vm.swappiness"), kernel.sysctl("vm.dirty_ratio")) == before


def test_what_can_not_be_put_back_is_named(kernel, monkeypatch):
    fail_at(kernel, monkeypatch, "/etc/sysctl.d/90-gpuforge.conf", errno.ENOSPC)
    real = type(kernel).write_value

    def write_value(self, path, value):
        if (path, value) == (SWAPPINESS, "60"):
            raise OSError(errno.EPERM, "Operation not permitted", path)
        real(self, path, value)

    monkeypatch.setattr(type(kernel), "write_value", write_value)
    with pytest.raises(TuningError, match=r"could NOT be put back: vm.swappiness"):
        kernel.tune(**BOTH)


@pytest.mark.parametrize("step", ["live", "file", "state"])
def test_a_killed_run_is_completed_by_the_next(kernel, monkeypatch, step):
    """The process ends before the first live value, the first file, or the final record."""
    real_value, real_file = type(kernel).write_value, type(kernel).write_file
    seen = []

    def write_value(self, path, value):
        if step == "live":
            os._exit(9)
        real_value(self, path, value)

    def write_file(self, path, text, mode=0o644):
        seen.append(path)
        if (step == "file" and "sysctl.d" in path) or (step == "state" and seen.count(path) == 2):
            os._exit(9)
        real_file(self, path, text, mode)

    with monkeypatch.context() as patch:
        patch.setattr(type(kernel), "write_value", write_value)
        patch.setattr(type(kernel), "write_file", write_file)
        child = os.fork()
        if child == 0:
            kernel.tune(**BOTH)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    # The values from before are on disk, whatever the moment.
    assert json.loads(kernel.read("/etc/gpuforge/kernel-tuning.json"))["before"]["vm.swappiness"] == "60"
    done = kernel.tune(**BOTH)
    assert done["changed"]
    assert (kernel.sysctl("vm.swappiness"), kernel.sysctl("vm.max_map_count")) == ("10", "300000")
    assert not kernel.tune(**BOTH)["changed"]
    kernel.tune(state="absent")
    assert (kernel.sysctl("vm.swappiness"), kernel.sysctl("vm.max_map_count"), kernel.owned()) == ("60", "65530", {})


def test_leftovers_of_a_killed_write_are_overwritten(kernel):
    kernel.put("/etc/sysctl.d/90-gpuforge.conf.gpuforge-new", "half a l")
    kernel.tune(**BOTH)
    assert "/etc/sysctl.d/90-gpuforge.conf.gpuforge-new" not in kernel.owned()


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is damaged"), ("[]", "is damaged"), ('{"version": 9}', "has version 9"), ("{}", "damaged")],
)
def test_a_damaged_record_is_never_guessed(kernel, text, said):
    kernel.put("/etc/gpuforge/kernel-tuning.json", text)
    with pytest.raises(TuningError, match=said):
        kernel.tune(**BOTH)
    assert kernel.writes == []


def test_a_module_that_will_not_load(kernel):
    kernel.is_running = True
    kernel.put("/lib/modules/6.1.0-56-amd64/modules.dep", "kernel/net/ipv4/tcp_bbr.ko.xz:\n")
    kernel.programs["modprobe tcp_bbr"] = (1, "modprobe: ERROR: could not insert 'tcp_bbr': Operation not permitted")
    done = kernel.tune(sysctl={"net.ipv4.tcp_congestion_control": "bbr"})
    assert "the module tcp_bbr cannot be loaded" in done["unsupported"]["net.ipv4.tcp_congestion_control"]
    assert "/etc/modules-load.d/90-gpuforge.conf" not in kernel.owned()


def test_a_module_is_loaded_and_kept_for_the_next_boot(kernel):
    kernel.is_running = True
    kernel.put("/lib/modules/6.1.0-56-amd64/modules.dep", "kernel/net/ipv4/tcp_bbr.ko.xz:\n")
    options = {"sysctl": {"net.ipv4.tcp_congestion_control": "bbr"}}
    assert kernel.tune(check_mode=True, **options)["unsupported"] == {}
    assert kernel.ran == []
    done = kernel.tune(**options)
    assert kernel.ran == ["modprobe tcp_bbr"]
    assert "module tcp_bbr loaded" in done["diff"][-2]["after"]
    assert kernel.owned()["/etc/modules-load.d/90-gpuforge.conf"].endswith("\ntcp_bbr\n")
    kernel.set_sysctl("net.ipv4.tcp_available_congestion_control", "reno cubic bbr")
    assert not kernel.tune(**options)["changed"]


def test_a_loaded_module_is_unloaded_when_the_run_fails(kernel, monkeypatch):
    kernel.is_running = True
    kernel.put("/lib/modules/6.1.0-56-amd64/modules.dep", "kernel/net/ipv4/tcp_bbr.ko.xz:\n")
    fail_at(kernel, monkeypatch, "/etc/sysctl.d/90-gpuforge.conf", errno.ENOSPC)
    with pytest.raises(TuningError, match="everything was put back"):
        kernel.tune(sysctl={"net.ipv4.tcp_congestion_control": "bbr"})
    assert kernel.ran == ["modprobe tcp_bbr", "modprobe -r tcp_bbr"]
    assert kernel.sysctl("net.ipv4.tcp_congestion_control") == "cubic"
