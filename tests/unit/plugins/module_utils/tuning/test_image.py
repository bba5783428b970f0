"""An image: nothing of the builder in it, and the rest worked out at boot."""

from __future__ import annotations

import json

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_boot import compare, tune
from ansible_collections.gpuforge.node.plugins.module_utils._tuning_model import TuningError

STATE = "/etc/gpuforge/kernel-tuning.json"
BOOT = "/run/gpuforge/kernel-tuning.json"
UNIT = "/etc/systemd/system/gpuforge-tuning.service"
SET = {
    "sysctl": {
        "vm.swappiness": {"rule": "swappiness"},
        "vm.max_map_count": {"at_least": 262144},
        "net.core.rmem_max": {"rule": "socket_buffer"},
        "vm.dirty_ratio": 5,
        "vm.not_in_this_kernel": 1,
    },
    "thp": {"enabled": "always"},
    "hugepages": {"percent": 1.0},
    "governor": {"governor": "performance"},
    "limits": [{"item": "memlock", "value": "unlimited"}],
}
PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


class Builder(Host):
    """A chroot whose /proc and /sys are the build machine's: reading them is the mistake to find."""

    def read(self, path):
        assert not path.startswith(("/proc", "/sys")), path
        return super().read(path)

    def exists(self, path):
        assert not path.startswith(("/proc", "/sys")), path
        return super().exists(path)

    def glob(self, pattern):
        assert not pattern.startswith(("/proc", "/sys")), pattern
        return super().glob(pattern)

    def write_value(self, path, value):
        raise AssertionError(path)

    def run(self, argv, timeout_s=60.0):
        raise AssertionError(argv)


@pytest.fixture
def bake(kernel):
    """Bake into the tree of a machine that boots afterwards."""
    from ansible_collections.gpuforge.node.plugins.module_utils._tuning_run import run

    def bake(check_mode=False, **options):
        return run({"live": False, **options}, check_mode, Builder(kernel.root))

    return bake


def test_a_bake_reads_nothing_of_the_builder_and_freezes_nothing_of_it(kernel, bake):
    predicted = bake(check_mode=True, **SET)
    assert kernel.owned() == {}
    done = bake(**SET)
    assert done["diff"] == predicted["diff"]
    assert done["deferred"] == ["net.core.rmem_max", "vm.max_map_count", "vm.swappiness", "hugepages", "governor"]
    assert done["pending_reboot"]["vm.dirty_ratio"] == "set when the image boots"
    owned = kernel.owned()
    assert [line for line in owned["/etc/sysctl.d/90-gpuforge.conf"].splitlines() if line[0] != "#"] == [
        "vm.dirty_ratio = 5",
        "vm.not_in_this_kernel = 1",
    ]
    assert "nr_hugepages" not in owned["/etc/tmpfiles.d/90-gpuforge.conf"]
    assert UNIT in owned
    assert not bake(**SET)["changed"]
    assert bake(state="absent")["changed"]
    assert kernel.owned() == {}


def test_two_bakes_make_the_same_bytes(kernel, bake):
    bake(**SET)
    first = kernel.owned()
    bake(state="absent")
    bake(**SET)
    assert kernel.owned() == first


def test_a_module_the_images_kernel_lacks_is_found_in_the_bake(kernel, bake):
    kernel.put("/lib/modules/6.1.0-9-cloud/modules.dep", "kernel/net/ipv4/tcp_bbr.ko:\n")
    kernel.put("/lib/modules/6.1.0-56-cloud/modules.dep", "kernel/net/sunrpc/sunrpc.ko.xz: kernel/x.ko\n")
    wanted = {"net.ipv4.tcp_congestion_control": "bbr", "sunrpc.tcp_max_slot_table_entries": 128}
    done = bake(sysctl=wanted)
    assert done["unsupported"] == {
        "net.ipv4.tcp_congestion_control": "needs the module tcp_bbr, which kernel 6.1.0-56-cloud does not have",
    }
    assert kernel.owned()["/etc/modules-load.d/90-gpuforge.conf"].endswith("\nsunrpc\n")


def test_a_key_that_left_the_kernel_long_ago_is_not_written_into_an_image(kernel, bake):
    done = bake(sysctl={"kernel.sched_latency_ns": 1, "vm.dirty_ratio": 5}, modules=["ib_umad"])
    assert "removed from sysctl in Linux 5.13" in done["unsupported"]["kernel.sched_latency_ns"]
    assert "\nkernel.sched_latency_ns" not in kernel.owned()["/etc/sysctl.d/90-gpuforge.conf"]


def test_boot_works_the_rest_out(kernel, bake):
    bake(**SET)
    assert [found.status for found in compare(kernel) if found.name == "vm.swappiness"] == ["unknown"]
    etc = kernel.owned()

    would = tune(kernel, apply=False)
    assert (kernel.writes, kernel.read(BOOT)) == ([], None)
    done = tune(kernel)
    assert (
        done["values"]
        == would["values"]
        == {
            "vm.swappiness": ["60", "1"],
            "vm.max_map_count": ["65530", "262144"],
            "net.core.rmem_max": ["212992", "67108864"],
            "hugepages": ["0", "655"],
        }
    )
    assert done["left"] == {"governor": "this kernel has no frequency control"}
    assert kernel.read(PAGES) == "655\n"
    assert kernel.owned() == etc
    # What sysctl.d and tmpfiles.d set at boot is not this call's business.
    assert kernel.sysctl("vm.dirty_ratio") == "20"
    assert not tune(kernel)["changed"]


def test_compare_after_boot(kernel, bake):
    bake(**SET)
    tune(kernel)
    kernel.set_sysctl("vm.dirty_ratio", "5")
    kernel.put("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
    found = {one.name: one for one in compare(kernel)}
    assert {name for name, one in found.items() if one.status != "pass"} == {"vm.not_in_this_kernel"}
    assert found["vm.not_in_this_kernel"].status == "unknown"
    kernel.set_sysctl("vm.swappiness", "60")
    found = {one.name: one for one in compare(kernel)}
    assert (found["vm.swappiness"].status, found["vm.swappiness"].found) == ("fail", "60")


def test_an_image_on_another_machine_is_right_there(kernel, bake, virtual):
    bake(**SET)
    done = tune(virtual)
    assert done["values"] == {"vm.swappiness": ["60", "10"], "vm.max_map_count": ["65530", "262144"]}
    assert set(done["left"]) == {"net.core.rmem_max", "hugepages", "governor"}


def test_a_required_value_refused_at_boot_fails_and_undoes(kernel, bake):
    bake(required=["vm.swappiness"], **SET)
    kernel.refuses["/proc/sys/vm/swappiness"] = 22
    with pytest.raises(TuningError, match="everything was put back"):
        tune(kernel)
    assert kernel.sysctl("vm.max_map_count") == "65530"


def test_boot_without_a_record(kernel):
    for call in (tune, compare):
        with pytest.raises(TuningError, match="never tuned"):
            call(kernel)


def test_an_image_tuned_again_on_its_machine_keeps_its_values_over_a_reboot(kernel, bake):
    bake(**SET)
    tune(kernel)
    wanted = {**SET, "sysctl": {key: SET["sysctl"][key] for key in SET["sysctl"] if key != "vm.not_in_this_kernel"}}
    done = kernel.tune(**wanted)
    assert done["applied"]["vm.max_map_count"] == "262144"
    assert "vm.max_map_count = 262144\n" in kernel.owned()["/etc/sysctl.d/90-gpuforge.conf"]
    assert UNIT not in kernel.owned()
    assert json.loads(kernel.read(STATE))["before"]["vm.max_map_count"] == "65530"
    assert not kernel.tune(**wanted)["changed"]
    kernel.tune(state="absent")
    assert kernel.sysctl("vm.max_map_count") == "65530"
    assert kernel.read(PAGES) == "0\n"
    assert kernel.read(BOOT) is None


def test_absent_on_a_booted_image_puts_what_boot_did_back(kernel, bake):
    bake(**SET)
    tune(kernel)
    kernel.tune(state="absent")
    assert kernel.sysctl("vm.max_map_count") == "65530"
    assert kernel.read(PAGES) == "0\n"
    assert kernel.owned() == {}
