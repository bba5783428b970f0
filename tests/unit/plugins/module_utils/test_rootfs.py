"""Reading below another root never leaves it."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._rootfs import inside, names, read_text


@pytest.fixture
def root(tmp_path):
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("inside\n")
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    (tmp_path / "etc/up").symlink_to("../../../../../usr/lib/os-release")
    (tmp_path / "etc/loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    "path", ["/etc/os-release", "etc/os-release", "/lib/os-release", "/etc/up", "/../lib/os-release"]
)
def test_every_way_to_a_file_stays_inside(root, path):
    assert inside(str(root), path) == str(root / "usr/lib/os-release")
    assert read_text(str(root), path) == "inside\n"


def test_the_last_component_need_not_exist(root):
    assert inside(str(root), "/lib/new") == str(root / "usr/lib/new")


def test_a_loop_is_an_error(root):
    with pytest.raises(OSError, match="too many symbolic links in /etc/loop"):
        inside(str(root), "/etc/loop")


def test_names(root):
    assert names(str(root), "/lib") == ["os-release"]
    assert names(str(root), "/absent") == []


def test_bytes_that_are_no_text(root):
    (root / "etc/odd").write_bytes(b"a\xff\n")
    assert read_text(str(root), "/etc/odd") == "a\ufffd\n"
