"""Devices and choices that depend on the machine."""

from __future__ import annotations

import pytest

POLICY = "/sys/devices/system/cpu/cpufreq/policy%d/"
GOVERNOR = {"governor": {"governor": "performance", "epp": "performance"}}
PAGES = "/sys/devices/system/node/node%d/hugepages/hugepages-2048kB/nr_hugepages"


def frequency(kernel, driver: str, governors: str = "performance powersave") -> None:
    for number in (0, 1):
        kernel.put(POLICY % number + "scaling_governor", "powersave\n")
        kernel.put(POLICY % number + "scaling_available_governors", governors + "\n")
        kernel.put(POLICY % number + "scaling_driver", driver + "\n")
        kernel.put(POLICY % number + "energy_performance_preference", "balance_performance\n")


def test_governor_on_every_policy_and_after_the_next_boot(kernel):
    frequency(kernel, "acpi-cpufreq")
    done = kernel.tune(**GOVERNOR)
    assert set(done["applied"]) == {"governor.policy0", "governor.policy1", "epp.policy0", "epp.policy1"}
    assert kernel.read(POLICY % 1 + "scaling_governor") == "performance\n"
    tmpfiles = kernel.owned()["/etc/tmpfiles.d/90-gpuforge.conf"]
    assert "w! /sys/devices/system/cpu/cpufreq/policy*/scaling_governor - - - - performance\n" in tmpfiles
    assert "policy*/energy_performance_preference - - - - performance\n" in tmpfiles
    assert not kernel.tune(**GOVERNOR)["changed"]
    kernel.tune(state="absent")
    assert kernel.read(POLICY % 0 + "scaling_governor") == "powersave\n"


@pytest.mark.parametrize("driver", ["intel_pstate", "amd-pstate-epp"])
def test_active_drivers_fix_the_preference_under_the_performance_governor(kernel, driver):
    frequency(kernel, driver)
    assert set(kernel.tune(**GOVERNOR)["applied"]) == {"governor.policy0", "governor.policy1"}
    assert "epp.policy0" in kernel.tune(governor={"governor": "powersave", "epp": "performance"})["applied"]


def test_a_governor_the_driver_lacks(kernel):
    frequency(kernel, "acpi-cpufreq", "ondemand powersave")
    done = kernel.tune(governor={"governor": "performance"})
    assert done["unsupported"]["governor.policy0"] == "the driver offers only ondemand, powersave"
    assert "/etc/tmpfiles.d/90-gpuforge.conf" not in done["files"]


def test_no_frequency_control_and_virtual_machines_are_left(kernel, virtual):
    assert "virtual machine" in virtual.tune(**GOVERNOR)["left"]["governor"]
    frequency(virtual, "acpi-cpufreq")
    assert "virtual machine" in virtual.tune(**GOVERNOR)["left"]["governor"]
    assert virtual.read(POLICY % 0 + "scaling_governor") == "powersave\n"


def test_bare_metal_without_frequency_control(kernel):
    assert kernel.tune(**GOVERNOR)["left"] == {"governor": "this kernel has no frequency control"}


def test_huge_pages_per_node(kernel):
    options = {"hugepages": {"nodes": {"0": 1.0, "1": 2.0}}}
    done = kernel.tune(**options)
    assert done["applied"] == {"hugepages.node0": "327", "hugepages.node1": "655"}
    assert kernel.read(PAGES % 1) == "655\n"
    assert "w! %s - - - - 655\n" % (PAGES % 1) in kernel.owned()["/etc/tmpfiles.d/90-gpuforge.conf"]
    assert not kernel.tune(**options)["changed"]
    kernel.tune(state="absent")
    assert kernel.read(PAGES % 1) == "0\n"


def test_fewer_huge_pages_than_wanted_wait_for_a_reboot(kernel):
    kernel.gives[PAGES % 0] = "300"
    options = {"hugepages": {"nodes": {0: 1.0}}}
    done = kernel.tune(**options)
    assert done["changed"]
    assert done["pending_reboot"]["hugepages.node0"].startswith("300 of 327 pages now")
    assert "- - - - 327" in kernel.owned()["/etc/tmpfiles.d/90-gpuforge.conf"]
    again = kernel.tune(**options)
    assert (again["changed"], again["pending_reboot"]) == (False, done["pending_reboot"])
    assert not kernel.tune(check_mode=True, **options)["changed"]


def test_a_small_machine_gets_no_huge_pages(virtual):
    done = virtual.tune(hugepages={"percent": 1.0})
    assert done["left"] == {"hugepages": "less than 64 GiB of memory"}
    assert not [path for path, _value in virtual.writes if "hugepages" in path]


def test_a_page_size_this_kernel_lacks(kernel):
    done = kernel.tune(hugepages={"percent": 1.0, "size_kib": 1048576})
    assert done["unsupported"] == {"hugepages": "the running kernel has no such value"}


def test_read_ahead_of_whole_disks(kernel):
    for name in ("nvme0n1", "sda", "vda", "dm-0", "md0", "loop0", "sr0"):
        kernel.put("/sys/block/%s/queue/read_ahead_kb" % name, "128\n")
    done = kernel.tune(read_ahead={"disks_kib": 4096, "nfs_kib": {"value": 15380, "reason": "long reads"}})
    assert {name for name in done["applied"] if name.endswith(("n1", "a", "0"))} == {
        "read_ahead.nvme0n1",
        "read_ahead.sda",
        "read_ahead.vda",
    }
    assert kernel.read("/sys/block/dm-0/queue/read_ahead_kb") == "128\n"
    rules = kernel.owned()["/etc/udev/rules.d/90-gpuforge.rules"].splitlines()
    assert rules[1].endswith('ATTR{queue/read_ahead_kb}="4096"')
    assert rules[2] == "# long reads"
    assert "'$$4 == id " in rules[3], "udev's way to write a dollar"
    assert rules[3].endswith('ATTR{read_ahead_kb}="15380"')


def device(kernel, address, klass, node, cpus, irqs):
    folder = "/sys/bus/pci/devices/%s/" % address
    kernel.put(folder + "class", klass + "\n")
    kernel.put(folder + "numa_node", "%d\n" % node)
    kernel.put(folder + "local_cpulist", cpus + "\n")
    for irq in irqs:
        kernel.put(folder + "msi_irqs/%d" % irq, "msix\n")
        kernel.put("/proc/irq/%d/smp_affinity_list" % irq, "0-7\n")


@pytest.fixture
def devices(kernel):
    device(kernel, "0000:17:00.0", "0x030200", 0, "0-3", [40])
    device(kernel, "0000:b1:00.0", "0x020700", 1, "4-7", [50, 51])
    device(kernel, "0000:b2:00.0", "0x010802", 1, "4-7", [60])
    device(kernel, "0000:00:1f.0", "0x060100", 0, "0-3", [70])
    device(kernel, "0000:99:00.0", "0x020000", -1, "0-7", [80])
    return kernel


def test_interrupts_stay_on_the_devices_node(devices):
    done = devices.tune(irq_affinity=["gpu", "nic"])
    assert done["applied"] == {"irq.40": "0-3", "irq.50": "4-7", "irq.51": "4-7"}
    assert devices.read("/proc/irq/51/smp_affinity_list") == "4-7\n"
    owned = devices.owned()
    assert owned["/etc/systemd/system/multi-user.target.wants/gpuforge-tuning.service"] == (
        "/etc/systemd/system/gpuforge-tuning.service"
    )
    assert "tune --apply" in owned["/etc/systemd/system/gpuforge-tuning.service"]
    assert "irq" not in owned["/etc/gpuforge/kernel-tuning.json"].split('"request"')[0].replace("irq_affinity", "")
    assert not devices.tune(irq_affinity=["gpu", "nic"])["changed"]


def test_a_cpu_list_written_otherwise_is_the_same(devices):
    devices.put("/proc/irq/40/smp_affinity_list", "0,1,2-3\n")
    devices.tune(irq_affinity=["gpu"])
    assert devices.writes == []


def test_an_interrupt_the_kernel_manages_itself_is_reported(devices):
    devices.refuses["/proc/irq/60/smp_affinity_list"] = 5
    done = devices.tune(irq_affinity=["nvme"])
    assert "Input/output error" in done["unsupported"]["irq.60"]


def test_interrupts_are_left_where_irqbalance_runs(devices):
    devices.put("/run/irqbalance/irqbalance.sock", "")
    assert "irqbalance" in devices.tune(irq_affinity=["gpu"])["left"]["irq_affinity"]


def test_interrupts_are_left_in_a_virtual_machine_and_with_one_node(devices):
    devices.put("/sys/devices/system/node/node1/cpulist", "\n")
    assert "one NUMA node" in devices.tune(irq_affinity=["gpu"])["left"]["irq_affinity"]
    devices.put("/proc/cpuinfo", "flags\t: hypervisor\n")
    assert "virtual machine" in devices.tune(irq_affinity=["gpu"])["left"]["irq_affinity"]


def test_swap_off(kernel):
    kernel.is_running = True
    kernel.put("/proc/swaps", "Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n")
    done = kernel.tune(swap="off")
    assert kernel.ran == ["swapoff /dev/vdb"]
    assert kernel.owned()["/etc/systemd/system/swap.target"] == "/dev/null"
    assert done["diff"][1]["before"] == "swap on /dev/vdb\n"
    kernel.put("/proc/swaps", "Filename Type Size Used Priority\n")
    assert not kernel.tune(swap="off")["changed"]
    assert kernel.tune(state="absent")["files"] == ["/etc/systemd/system/swap.target"]


def test_swap_stays_on_a_small_machine(virtual):
    virtual.is_running = True
    virtual.put("/proc/swaps", "Filename Type Size Used Priority\n/dev/vdb partition 1 0 -2\n")
    assert "less than 16 GiB" in virtual.tune(swap="off")["left"]["swap"]
    assert virtual.ran == []
    assert "/etc/systemd/system/swap.target" not in virtual.owned()
