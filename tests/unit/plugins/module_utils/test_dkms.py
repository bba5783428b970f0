"""Kernels, and what DKMS built for them, read from trees laid out as dkms 3.0.10 and 3.2.2 leave them."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._dkms import (
    Build,
    Kernel,
    builds,
    compiler_lines,
    kernels,
    sort_key,
    wanted_headers,
)
from ansible_collections.gpuforge.node.plugins.module_utils._dpkg import Package

OLD, NEW = "6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"
# What a real build of the open module 535.261.03 says on Debian's 6.1.192, shortened in the middle.
MAKE_LOG = """\
DKMS make.log for nvidia-current-open-535.261.03 for kernel 6.1.0-56-cloud-amd64 (x86_64)
Sun Nov 22 10:00:00 UTC 2026
make[1]: Entering directory '/usr/src/linux-headers-6.1.0-56-common'
%s
  CC [M]  /var/lib/dkms/nvidia-current-open/535.261.03/build/nvidia/nv-pci.o
/var/lib/dkms/nvidia-current-open/535.261.03/build/nvidia/nv-pci.c: In function 'nv_resize_pcie_bars':
/var/lib/dkms/nvidia-current-open/535.261.03/build/nvidia/nv-pci.c:210:9: error: too few arguments to function
  210 |     r = pci_resize_resource(pci_dev, NV_GPU_BAR1, requested_size);
      |         ^~~~~~~~~~~~~~~~~~~
  CC [M]  /var/lib/dkms/nvidia-current-open/535.261.03/build/nvidia/nv-frontend.o
make[3]: *** [build/nvidia/nv-pci.o] Error 1
""" % ("  gcc-12 -Wp,-MMD -nostdinc " + "-I./include " * 60 + "-Werror=implicit error: not an error, an option")


def add_kernel(root, release, headers=True):
    (root / "boot").mkdir(exist_ok=True)
    (root / "boot" / ("vmlinuz-" + release)).write_bytes(b"")
    (root / "lib/modules" / release).mkdir(parents=True)
    if headers:
        (root / "usr/src/linux-headers-" / release / "include").mkdir(parents=True)
        (root / "lib/modules" / release / "build").symlink_to("/usr/src/linux-headers-/" + release)


def add_module(root, name, version, *installed, built=()):
    tree = root / "var/lib/dkms" / name
    (tree / version).mkdir(parents=True)
    (tree / version / "source").symlink_to("/usr/src/%s-%s" % (name, version))
    for kernel in (*installed, *built):
        (tree / version / kernel / "x86_64/module").mkdir(parents=True)
        (tree / version / kernel / "x86_64/module" / (name + ".ko.xz")).write_bytes(b"")
        (tree / version / kernel / "x86_64/log").mkdir()
        (tree / version / kernel / "x86_64/log/make.log").write_text("fine\n")
    for kernel in installed:
        (tree / ("kernel-%s-x86_64" % kernel)).symlink_to("%s/%s/x86_64" % (version, kernel))
    return tree


def test_kernels_are_ordered_by_number(tmp_path):
    add_kernel(tmp_path, NEW)
    add_kernel(tmp_path, OLD, headers=False)
    assert kernels(str(tmp_path)) == [Kernel(OLD, False), Kernel(NEW, True)]


def test_a_folder_of_modules_alone_is_no_kernel(tmp_path):
    (tmp_path / "lib/modules/6.1.0-1-amd64/updates").mkdir(parents=True)
    assert kernels(str(tmp_path)) == []


def test_headers_are_looked_for_inside_the_root(tmp_path):
    add_kernel(tmp_path, NEW, headers=False)
    # On the machine that reads, /usr/include exists; in the tree it does not.
    (tmp_path / "lib/modules" / NEW / "build").symlink_to("/usr")
    assert kernels(str(tmp_path)) == [Kernel(NEW, False)]


def test_order():
    releases = ["6.12.9-amd64", "6.12.117+deb13-amd64", "6.1.0-10-amd64", "6.1.0-9-amd64"]
    assert sorted(releases, key=sort_key) == [releases[3], releases[2], releases[0], releases[1]]


@pytest.mark.parametrize(
    "oldest_first",
    [
        ("6.12~rc6-amd64", "6.12-amd64"),
        ("6.12-rc4-amd64", "6.12-amd64", "6.12.1-amd64"),
        ("6.1.0-9-amd64", "6.1.0-51-amd64", "6.1.0-51-cloud-amd64"),
        ("6.12.48+deb13-amd64", "6.12.48+deb13-cloud-amd64", "6.12.94+deb13-amd64"),
        ("6.8.0-45-generic", "6.8.0-45-lowlatency", "6.8.0-101-generic"),
    ],
)
def test_order_is_that_of_grub(oldest_first):
    # As sort -V has it, and GRUB's version_test_gt, which takes -rc for ~rc.
    assert sorted(set(oldest_first), key=sort_key) == list(oldest_first)


def test_states_of_a_build(tmp_path):
    for release in (OLD, NEW):
        add_kernel(tmp_path, release)
    add_module(tmp_path, "a", "1", OLD, built=[NEW])
    add_module(tmp_path, "b", "2")
    log = "/var/lib/dkms/a/1/%s/x86_64/log/make.log"
    assert builds(str(tmp_path)) == [
        Build("a", "1", OLD, "installed", log % OLD),
        Build("a", "1", NEW, "built", log % NEW),
        Build("b", "2", OLD, "added"),
        Build("b", "2", NEW, "added"),
    ]
    assert {build.name for build in builds(str(tmp_path), "b")} == {"b"}
    assert builds(str(tmp_path), "absent") == []


def test_a_link_to_another_version_is_not_installed(tmp_path):
    add_kernel(tmp_path, NEW)
    tree = add_module(tmp_path, "a", "1", NEW)
    (tree / ("kernel-%s-x86_64" % NEW)).unlink()
    (tree / ("kernel-%s-x86_64" % NEW)).symlink_to("0/%s/x86_64" % NEW)
    assert [build.status for build in builds(str(tmp_path))] == ["built"]


def test_a_failed_build_tells_the_compilers_lines_for_its_own_kernel_only(tmp_path):
    for release in (OLD, NEW):
        add_kernel(tmp_path, release)
    tree = add_module(tmp_path, "nvidia-current-open", "535.261.03")
    (tree / "535.261.03/build").mkdir()
    (tree / "535.261.03/build/make.log").write_text(MAKE_LOG)
    older, newest = builds(str(tmp_path))
    assert (older.status, older.errors) == ("added", ())
    assert newest.status == "failed"
    assert newest.log == "/var/lib/dkms/nvidia-current-open/535.261.03/build/make.log"
    assert [line for line in newest.errors if "error: too few arguments" in line]


def test_compiler_lines_are_the_errors_with_their_neighbours():
    lines = compiler_lines(MAKE_LOG)
    assert lines[0].endswith("In function 'nv_resize_pcie_bars':")
    assert "error: too few arguments" in lines[1]
    assert lines[2].strip().startswith("210 |")
    assert not [line for line in lines if "gcc-12" in line]


def test_many_errors_are_cut_and_long_lines_too():
    log = "\n".join("x.c:%d:1: error: %s" % (number, "y" * 400) for number in range(500))
    lines = compiler_lines(log, limit=40)
    assert len(lines) == 40
    assert max(len(line) for line in lines) == 300


def test_a_log_without_an_error_line_gives_its_end():
    log = "\n".join("line %d" % number for number in range(100))
    assert compiler_lines(log) == ["line %d" % number for number in range(85, 100)]
    assert compiler_lines("") == []


@pytest.mark.parametrize(
    "line",
    [
        "x.c:1:2: fatal error: linux/foo.h: No such file or directory",
        'ERROR: modpost: "foo" [nvidia.ko] undefined!',
        "ld: x.o: undefined reference to `foo'",
        "cc1: error: No space left on device",
    ],
)
def test_kinds_of_errors(line):
    assert line in compiler_lines("\n".join(["ok"] * 30 + [line] + ["ok"] * 30))


def test_wanted_headers():
    installed = [
        "linux-image-cloud-amd64",
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-6.1.0-9-amd64-unsigned",
        "linux-image-6.1.0-56-cloud-amd64-dbg",
        "linux-base",
    ]
    packages = {name: Package(name, "1", name, "installed") for name in installed}
    packages["linux-image-gone"] = Package("linux-image-gone", "1", "x", "config-files")
    assert wanted_headers(packages) == [
        "linux-headers-6.1.0-56-cloud-amd64",
        "linux-headers-6.1.0-9-amd64",
        "linux-headers-cloud-amd64",
    ]
