"""Reading and writing below a root, and never beside it."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host


@pytest.fixture
def host(tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (tmp_path / "outside").write_text("outside\n")
    (root / "outside").write_text("inside\n")
    return Host(str(root))


@pytest.mark.parametrize("target", ["/outside", "../../../../outside", "../outside"])
def test_links_stay_inside(host, tmp_path, target):
    (tmp_path / "root/etc/link").symlink_to(target)
    assert host.read("/etc/link") == "inside\n"
    host.write_file("/etc/link", "new\n")
    assert (tmp_path / "root/outside").read_text() == "new\n"
    assert (tmp_path / "outside").read_text() == "outside\n"


def test_a_loop_of_links_is_nothing_to_read(host, tmp_path):
    (tmp_path / "root/etc/loop").symlink_to("loop")
    assert host.read("/etc/loop") is None
    with pytest.raises(OSError, match="symbolic links"):
        host.write_file("/etc/loop", "x")


def test_a_file_is_whole_or_untouched(host, tmp_path, monkeypatch):
    host.write_file("/etc/new/a.conf", "one\n")
    file = tmp_path / "root/etc/new/a.conf"
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("one\n", 0o644)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        host.write_file("/etc/new/a.conf", "two\n")
    assert file.read_text() == "one\n"
    assert [path.name for path in file.parent.iterdir()] == ["a.conf"]


def test_links_are_replaced_in_one_step(host, tmp_path):
    host.write_link("/etc/wants/x.service", "/etc/x.service")
    host.write_link("/etc/wants/x.service", "/dev/null")
    assert host.readlink("/etc/wants/x.service") == "/dev/null"
    host.remove("/etc/wants/x.service")
    host.remove("/etc/wants/x.service")
    assert host.readlink("/etc/wants/x.service") is None


def test_bytes_that_are_no_text_are_read(host, tmp_path):
    (tmp_path / "root/etc/odd").write_bytes(b"a\xff\n")
    assert host.read("/etc/odd") == "a\ufffd\n"


def test_programs(host):
    assert host.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\nerr")
    assert host.run(["no-such-program-here"]) == (127, "no-such-program-here is not installed")
    assert host.run(["sleep", "5"], timeout_s=0.1)[0] == 124


def test_a_missing_value_is_no_writable_one(host):
    assert host.writable("/proc/sys/vm/x") == (False, "the running kernel has no such value")
