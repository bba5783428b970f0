"""Trees for the group driver: Debian's layout, and each way in which it breaks."""

from __future__ import annotations

import gzip
import lzma

from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import (
    DRIVER,
    KERNEL,
    OLD_KERNEL,
    Case,
    Node,
    cpio,
    elf,
)

MODULE = f"/lib/modules/{KERNEL}/updates/dkms/nvidia-current.ko"
NVRM = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {DRIVER}  Thu Jan  1 00:00:00 UTC 2026\nGCC version:  gcc\n"
NVRM_OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.91.07  Release Build  (x)\n"


def no_driver_wanted(node: Node) -> None:
    node.packages(libc6="2.36-9")
    node.kernel()


def in_a_container(node: Node) -> None:
    good(node)
    node.file("/run/systemd/container", "podman\n")


def good(node: Node) -> None:
    node.driver()


def good_beside_an_older_kernel(node: Node) -> None:
    node.driver()
    node.kernel(OLD_KERNEL)


def only_the_older_kernel_has_it(node: Node) -> None:
    node.driver(release=OLD_KERNEL)
    node.kernel(KERNEL)


def no_kernel(node: Node) -> None:
    node.packages(nvidia_smi=DRIVER)


def expected_but_absent(node: Node) -> None:
    no_driver_wanted(node)
    node.expect["count"] = 8


def gpu_without_driver(node: Node) -> None:
    no_driver_wanted(node)
    node.gpu_on_bus()


def packed(node: Node) -> None:
    good(node)
    plain = node.root / MODULE[1:]
    node.file(MODULE + ".xz", lzma.compress(plain.read_bytes()))
    plain.unlink()
    node.file(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/nvidia-current.ko.xz:\n")


def packed_with_zstd(node: Node) -> None:
    good(node)
    node.file(MODULE + ".zst", b"\x28\xb5\x2f\xfd")
    node.file(f"/lib/modules/{KERNEL}/modules.dep", "updates/dkms/nvidia-current.ko.zst:\n")
    node.answer("modinfo", f"filename:       {MODULE}.zst\0version={DRIVER}\0vermagic={KERNEL} SMP\0")


def packed_with_zstd_without_kmod(node: Node) -> None:
    packed_with_zstd(node)
    node.programs.clear()


def module_gone(node: Node) -> None:
    good(node)
    (node.root / MODULE[1:]).unlink()


def module_of_another_kernel(node: Node) -> None:
    good(node)
    node.file(MODULE, elf({"version": DRIVER, "vermagic": f"{OLD_KERNEL} SMP"}))


def module_cut_short(node: Node) -> None:
    good(node)
    whole = node.root / MODULE[1:]
    whole.write_bytes(whole.read_bytes()[:-40])


def module_is_no_elf(node: Node) -> None:
    good(node)
    node.file(MODULE, "not a module")


def no_modules_dep(node: Node) -> None:
    good(node)
    (node.root / f"lib/modules/{KERNEL}/modules.dep").unlink()


def not_from_dkms(node: Node) -> None:
    good(node)
    (node.root / "var/lib/dkms").rename(node.root / "elsewhere")


def built_not_installed(node: Node) -> None:
    good(node)
    (node.root / f"var/lib/dkms/nvidia-current/kernel-{KERNEL}-x86_64").unlink()


def build_failed(node: Node) -> None:
    built_not_installed(node)
    base = node.root / f"var/lib/dkms/nvidia-current/{DRIVER}"
    (base / KERNEL).rename(node.root / "elsewhere")
    log = (
        f"DKMS make.log for nvidia-current-{DRIVER} for kernel {KERNEL} (x86_64)\nnv.c:12:3: error: too few arguments\n"
    )
    node.file(f"/var/lib/dkms/nvidia-current/{DRIVER}/build/make.log", log)


def library_of_another_version(node: Node) -> None:
    good(node)
    folder = node.root / "usr/lib/x86_64-linux-gnu/nvidia/current"
    (folder / "libnvidia-ml.so.1").unlink()
    node.file("/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.535.261.03")
    node.link("/usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.1", "libnvidia-ml.so.535.261.03")


def no_library(node: Node) -> None:
    good(node)
    (node.root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1").unlink()


def library_link_to_nowhere(node: Node) -> None:
    good(node)
    (node.root / f"usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-ml.so.{DRIVER}").unlink()


def branch_expected(node: Node) -> None:
    good(node)
    node.expect["driver"] = "535"


def other_branch_expected(node: Node) -> None:
    good(node)
    node.expect["driver"] = "53"


def runs_newest(node: Node) -> None:
    good(node)
    node.file("/proc/sys/kernel/osrelease", KERNEL + "\n")


def runs_older(node: Node) -> None:
    good_beside_an_older_kernel(node)
    node.file("/proc/sys/kernel/osrelease", OLD_KERNEL + "\n")


def loaded(node: Node) -> None:
    runs_newest(node)
    node.file("/proc/driver/nvidia/version", NVRM)


def loaded_before_an_upgrade(node: Node) -> None:
    runs_newest(node)
    node.file("/proc/driver/nvidia/version", NVRM_OPEN)


def loaded_and_unreadable_on_disk(node: Node) -> None:
    loaded(node)
    node.file(MODULE, "not a module")


def gpu_and_nothing_loaded(node: Node) -> None:
    runs_newest(node)
    node.gpu_on_bus()


def _blacklist(node: Node) -> None:
    node.file("/etc/nvidia/current/nvidia-blacklists-nouveau.conf", "# see\nblacklist nouveau\n")
    # Debian: two alternatives in a row, both absolute.
    node.link("/etc/alternatives/glx--nouveau.conf", "/etc/nvidia/current/nvidia-blacklists-nouveau.conf")
    node.link("/etc/modprobe.d/nvidia-blacklists-nouveau.conf", "/etc/alternatives/glx--nouveau.conf")


def blacklisted(node: Node) -> None:
    good(node)
    _blacklist(node)


def blacklist_commented_out(node: Node) -> None:
    good(node)
    node.file("/etc/modprobe.d/blacklist.conf", "#blacklist nouveau\nblacklist nouveau_other\n")


def blacklist_masked(node: Node) -> None:
    good(node)
    node.file("/usr/lib/modprobe.d/nvidia.conf", "blacklist nouveau\n")
    node.file("/etc/modprobe.d/nvidia.conf", "")


def _initramfs(node: Node, **files: str) -> None:
    blacklisted(node)
    archive = cpio({"usr/lib/modules/x/ext4.ko": "module", **files})
    early = cpio({"kernel/x86/microcode/GenuineIntel.bin": "microcode"})
    node.file(f"/boot/initrd.img-{KERNEL}", early + b"\0" * 300 + gzip.compress(archive))


def initramfs_without_nouveau(node: Node) -> None:
    _initramfs(node)


def initramfs_with_blacklist(node: Node) -> None:
    _initramfs(node, **{"usr/lib/modules/x/nouveau.ko": "", "etc/modprobe.d/x.conf": "blacklist nouveau\n"})


def initramfs_with_empty_blacklist(node: Node) -> None:
    _initramfs(node, **{"usr/lib/modules/x/nouveau.ko": "", "etc/modprobe.d/nvidia-blacklists-nouveau.conf": "#\n"})


def initramfs_with_nouveau(node: Node) -> None:
    _initramfs(node, **{"usr/lib/modules/x/nouveau.ko.xz": "", "etc/blacklist.txt": "blacklist nouveau\n"})


def initramfs_cut_short(node: Node) -> None:
    initramfs_with_blacklist(node)
    whole = node.root / f"boot/initrd.img-{KERNEL}"
    whole.write_bytes(whole.read_bytes()[:-40])


def initramfs_of_another_kind(node: Node) -> None:
    blacklisted(node)
    node.file(f"/boot/initrd.img-{KERNEL}", b"\x99what is this")


CASES = (
    *(
        Case(check, "skipped", no_driver_wanted, "no driver package")
        for check in (
            "driver.kernel",
            "driver.module",
            "driver.dkms",
            "driver.userland",
            "driver.version",
            "driver.running_kernel",
            "driver.loaded",
            "driver.nouveau",
            "driver.nouveau_initramfs",
        )
    ),
    Case("driver.module", "skipped", in_a_container, "container"),
    Case("driver.kernel", "pass", good_beside_an_older_kernel, KERNEL),
    Case("driver.kernel", "fail", no_kernel, "none"),
    Case("driver.module", "pass", good, DRIVER),
    Case("driver.module", "pass", packed, DRIVER),
    Case("driver.module", "pass", packed_with_zstd, DRIVER),
    Case("driver.module", "unknown", packed_with_zstd_without_kmod, "modinfo is not installed"),
    Case("driver.module", "fail", only_the_older_kernel_has_it, f"no NVIDIA module for {KERNEL}"),
    Case("driver.module", "fail", expected_but_absent, "no NVIDIA module"),
    Case("driver.module", "fail", gpu_without_driver, "no NVIDIA module"),
    Case("driver.module", "fail", module_gone, "listed but missing"),
    Case("driver.module", "fail", module_of_another_kernel, f"was built for {OLD_KERNEL}"),
    Case("driver.module", "unknown", module_cut_short, "cut short"),
    Case("driver.module", "unknown", module_is_no_elf, "not a 64-bit"),
    Case("driver.module", "unknown", no_modules_dep, "modules.dep"),
    Case("driver.module", "skipped", no_kernel),
    Case("driver.dkms", "pass", good, f"nvidia-current/{DRIVER} installed"),
    Case("driver.dkms", "fail", built_not_installed, f"nvidia-current/{DRIVER} built"),
    Case("driver.dkms", "fail", build_failed, "error: too few arguments"),
    Case("driver.dkms", "fail", only_the_older_kernel_has_it, "added"),
    Case("driver.dkms", "skipped", not_from_dkms),
    Case("driver.dkms", "skipped", no_kernel),
    Case("driver.userland", "pass", good, f"both {DRIVER}"),
    Case("driver.userland", "fail", library_of_another_version, "library 535.261.03"),
    Case("driver.userland", "fail", no_library, "no libnvidia-ml.so.1"),
    Case("driver.userland", "fail", library_link_to_nowhere, "no libnvidia-ml.so.1"),
    Case("driver.userland", "fail", only_the_older_kernel_has_it, "module missing"),
    Case("driver.userland", "unknown", module_is_no_elf),
    Case("driver.version", "pass", branch_expected, DRIVER),
    Case("driver.version", "fail", other_branch_expected, DRIVER),
    Case("driver.version", "skipped", good, "no driver version is expected"),
    Case("driver.running_kernel", "pass", runs_newest, KERNEL),
    Case("driver.running_kernel", "fail", runs_older, f"running {OLD_KERNEL}"),
    Case("driver.running_kernel", "unknown", good, "osrelease"),
    Case("driver.loaded", "pass", loaded, f"both {DRIVER}"),
    Case("driver.loaded", "fail", loaded_before_an_upgrade, "loaded 595.91.07"),
    Case("driver.loaded", "fail", gpu_and_nothing_loaded, "not loaded"),
    Case("driver.loaded", "unknown", loaded_and_unreadable_on_disk),
    Case("driver.loaded", "skipped", runs_newest, "no GPU on the bus"),
    Case("driver.nouveau", "pass", blacklisted, "nvidia-blacklists-nouveau.conf"),
    Case("driver.nouveau", "fail", good, "nothing keeps nouveau"),
    Case("driver.nouveau", "fail", blacklist_commented_out),
    Case("driver.nouveau", "fail", blacklist_masked),
    Case("driver.nouveau_initramfs", "pass", initramfs_without_nouveau, "no nouveau among 2 files"),
    Case("driver.nouveau_initramfs", "pass", initramfs_with_blacklist, "etc/modprobe.d/x.conf"),
    Case("driver.nouveau_initramfs", "fail", initramfs_with_empty_blacklist, "without its blacklist"),
    Case("driver.nouveau_initramfs", "fail", initramfs_with_nouveau, "without its blacklist"),
    Case("driver.nouveau_initramfs", "unknown", initramfs_cut_short, "ended before"),
    Case("driver.nouveau_initramfs", "unknown", initramfs_of_another_kind, "unknown compression"),
    Case("driver.nouveau_initramfs", "skipped", blacklisted),
)
