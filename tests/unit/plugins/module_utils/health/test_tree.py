"""Files of another machine, read as that machine sees them."""

from __future__ import annotations

import os

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.tree import Tree
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node


@pytest.fixture
def tree(node: Node) -> Tree:
    return Tree(str(node.root))


def test_absolute_links_stay_inside(node: Node, tree: Tree) -> None:
    """The same path exists outside, with another content: the outside must not be read."""
    outside = node.root.parent / "secret"
    outside.write_text("outside")
    node.file(str(outside), "inside")
    node.link("/etc/link", str(outside))
    node.link("/etc/chain", "/etc/link")
    assert tree.read_text("/etc/chain") == "inside"
    assert tree.real("/etc/chain") == str(outside)


def test_a_link_out_by_dots_stays_inside(node: Node, tree: Tree) -> None:
    (node.root.parent / "secret").write_text("outside")
    node.link("/etc/up", "../../../../../secret")
    assert not tree.is_file("/etc/up")
    with pytest.raises(FileNotFoundError):
        tree.read_text("/etc/up")
    node.file("/secret", "inside")
    assert tree.read_text("/etc/up") == "inside"


def test_linked_folders_are_followed_inside(node: Node, tree: Tree) -> None:
    node.file("/usr/lib/modules/6.1/modules.dep", "x")
    node.link("/lib", "usr/lib")
    assert tree.names("/lib/modules") == ["6.1"]
    assert tree.glob("/lib/modules/*/modules.*") == ["/lib/modules/6.1/modules.dep"]
    assert list(tree.files_below("/lib/modules")) == ["/lib/modules/6.1/modules.dep"]


def test_circles_end(node: Node, tree: Tree) -> None:
    node.link("/a", "/b")
    node.link("/b", "/a")
    with pytest.raises(OSError):
        tree.read_text("/a")


def test_glob_leaves_hidden_names_unless_asked(node: Node, tree: Tree) -> None:
    for name in (".hidden", "shown"):
        node.file(f"/tmp/{name}")
    assert tree.glob("/tmp/*") == ["/tmp/shown"]
    assert tree.glob("/tmp/.*") == ["/tmp/.hidden"]
    assert tree.glob("/nowhere/*") == []
    assert tree.glob("/tmp/shown/*") == []


def test_dangling_links_are_there(node: Node, tree: Tree) -> None:
    node.link("/var/lib/cloud/instance", "/nowhere")
    assert tree.exists("/var/lib/cloud/instance")
    assert not tree.is_file("/var/lib/cloud/instance")


def test_walk_does_not_follow_and_leaves_out(node: Node, tree: Tree) -> None:
    node.file("/etc/a/b")
    node.file("/etc/skip/c")
    node.link("/etc/link", "/etc/a")
    node.link("/etc/a/link", "/etc/a/b")
    assert list(tree.files_below("/etc", ["/etc/skip"])) == ["/etc/a/b"]
    assert list(tree.files_below("/nowhere")) == []


@pytest.mark.parametrize("question", ["exists", "is_file", "is_dir", "is_link"])
def test_what_is_forbidden_is_not_taken_for_absent(
    node: Node, tree: Tree, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    node.file("/var/lib/dkms/mok.key")

    def forbidden(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "lstat", forbidden)
    with pytest.raises(PermissionError):
        getattr(tree, question)("/var/lib/dkms/mok.key")


def test_walk_says_what_it_cannot_read(node: Node, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    node.file("/etc/a/b")

    def forbidden(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(PermissionError):
        list(tree.files_below("/etc"))


def test_the_running_machine_is_read_as_it_is() -> None:
    tree = Tree("/")
    assert tree.read_text("/proc/self/status").startswith("Name:")
    assert tree.glob("/proc/sel[f]") == ["/proc/self"]
