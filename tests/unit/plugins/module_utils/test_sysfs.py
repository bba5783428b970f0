"""Reading below a root: links stay inside, files may be gone, forbidden or hold any bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils import _sysfs
from ansible_collections.gpuforge.node.plugins.module_utils._sysfs import (
    Tree,
    format_cpulist,
    parse_cpulist,
    parse_cpumask,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.captures import write_tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("\n", set()),
        ("0", {0}),
        ("0-3", {0, 1, 2, 3}),
        ("0-1,8", {0, 1, 8}),
        ("0-1, 8\n", {0, 1, 8}),
        ("0-7:2/4", {0, 1, 4, 5}),
    ],
)
def test_cpulist(text: str, expected: set) -> None:
    assert parse_cpulist(text) == expected


@pytest.mark.parametrize("text", ["x", "3-1", "0-", "-1", "0-99999999", "1:2", "0-7:3/2", "0-7:1/0"])
def test_what_is_no_cpulist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"kernel list|out of order|stride"):
        parse_cpulist(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", set()),
        ("f", {0, 1, 2, 3}),
        ("00000001,00000000", {32}),
        ("00ff00ff", set(range(8)) | set(range(16, 24))),
        ("1,0000000f", {0, 1, 2, 3, 32}),
    ],
)
def test_cpumask(text: str, expected: set) -> None:
    assert parse_cpumask(text) == expected


@pytest.mark.parametrize("text", ["", "xyz", "1,,2", "0x1f"])
def test_what_is_no_cpumask_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bit mask"):
        parse_cpumask(text)


@given(st.sets(st.integers(0, 600)))
def test_a_list_reads_back(cpus: set) -> None:
    assert parse_cpulist(format_cpulist(cpus)) == cpus
    assert parse_cpumask(f"{sum(1 << cpu for cpu in cpus):x}"[:16] or "0") is not None


@given(st.text(max_size=60))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    for parse in (parse_cpulist, parse_cpumask):
        try:
            parse(text)
        except ValueError:
            continue


def test_links_stay_inside(tmp_path: Path) -> None:
    outside = write_tree(tmp_path / "outside", {"secret": "outside"})
    root = write_tree(
        tmp_path / "root",
        {"sys/real/name": "inside", "outside/secret": "inside"},
        {
            "sys/relative": "real/name",
            "sys/absolute": "/sys/real",
            "sys/climbing": "../../../../outside/secret",
            "sys/leaving": str(outside / "secret"),
            "sys/loop": "loop2",
            "sys/loop2": "loop",
            "sys/dangling": "nowhere",
        },
    )
    tree = Tree(str(root))
    assert tree.text("/sys/relative") == "inside"
    assert tree.text("/sys/absolute/name") == "inside"
    assert tree.text("/sys/climbing") == "inside"
    assert tree.text("/sys/../../outside/secret") == "inside"
    assert tree.text("/sys/leaving") is None
    assert [tree.text("/sys/" + name) for name in ("loop", "dangling", "none")] == [None, None, None]
    assert tree.resolve("/sys/absolute/name") == "/sys/real/name"
    assert tree.resolve("/") == "/"
    assert tree.link_name("/sys/leaving") == "secret"
    assert tree.link_name("/sys/real/name") is None
    assert tree.problems() == []


def test_a_file_that_appears_later_is_found(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    assert tree.text("/late") is None
    write_tree(tmp_path, {"late": "here"})
    assert tree.text("/late") == "here"


def test_bytes_of_any_kind(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "latin": b"M\xfcller\0\n",
            "number": b" 12 \n",
            "hex": b"0x10de\n",
            "word": b"abc\n",
            "empty": b"",
            "big": b"x" * (3 << 20),
        },
    )
    tree = Tree(str(root))
    assert tree.text("/latin") == "M\ufffdller"
    assert [tree.number("/" + name) for name in ("number", "hex", "word", "empty", "none")] == [
        12,
        0x10DE,
        None,
        None,
        None,
    ]
    assert len(tree.data("/big") or b"") == 1 << 20


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for ever
    (tmp_path / "directory").mkdir()
    tree = Tree(str(tmp_path))
    assert tree.data("/fifo") is None
    assert tree.data("/directory") is None
    assert tree.names("/fifo") == []
    assert tree.names("/directory/none") == []


def failing(number: int) -> Callable[..., bytes]:
    def fail(*_args: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.ENXIO])
def test_a_file_that_vanishes_while_read_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tree = Tree(str(write_tree(tmp_path, {"file": "1"})))
    monkeypatch.setattr(_sysfs.os, "read", failing(number))
    assert tree.text("/file") is None
    assert tree.problems() == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EIO])
def test_what_is_forbidden_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    tree = Tree(str(write_tree(tmp_path, {"dir/file": "1"})))
    monkeypatch.setattr(_sysfs.os, "open", failing(number))
    monkeypatch.setattr(_sysfs.os, "listdir", failing(number))
    assert tree.text("/dir/file") is None
    assert tree.names("/dir") == []
    assert [(found["id"], found["subject"]) for found in tree.problems()] == [
        ("unreadable", "/dir"),
        ("unreadable", "/dir/file"),
    ]
    assert os.strerror(number) in tree.problems()[0]["message"]


def test_a_forbidden_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sysfs.os, "readlink", failing(errno.EACCES))
    tree = Tree(str(tmp_path))
    assert tree.text("/sys/x") is None
    assert tree.link_name("/x") is None
    assert {found["subject"] for found in tree.problems()} == {"/sys", "/x"}
