"""A set of files: written whole, remembered, released, put back when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._file_set import FileSetError, Wanted, ensure, record_path
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

UNIT = Wanted("/etc/systemd/system/a.service", "[Unit]\n")
LINK = Wanted("/etc/systemd/system/b.wants/a.service", target="/etc/systemd/system/a.service")
DROP_IN = Wanted("/etc/x.d/10.conf", "x\n", 0o600)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    return Host(str(tmp_path))


def tree(host: Host) -> dict[str, str]:
    root = Path(host.root)
    return {
        "/" + str(path.relative_to(root)): f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_a_set_comes_once_and_goes_without_a_trace(host: Host) -> None:
    before = sorted(Path(host.root).rglob("*"))
    assert ensure(host, "set", [UNIT, LINK, DROP_IN], check_mode=True)["changed"]
    assert sorted(Path(host.root).rglob("*")) == before
    result = ensure(host, "set", [UNIT, LINK, DROP_IN])
    assert result["files"] == sorted([UNIT.path, LINK.path, DROP_IN.path])
    assert tree(host)[LINK.path] == f"-> {UNIT.path}"
    assert (Path(host.root) / "etc/x.d/10.conf").stat().st_mode & 0o7777 == 0o600
    again = ensure(host, "set", [UNIT, LINK, DROP_IN])
    assert (again["changed"], again["diff"]) == (False, [])
    assert ensure(host, "set", [])["changed"]
    assert sorted(Path(host.root).rglob("*")) == [path for path in before if path.name != "gpuforge"]
    assert not ensure(host, "set", [])["changed"]


def test_what_leaves_the_set_leaves_the_machine(host: Host) -> None:
    ensure(host, "set", [UNIT, LINK, DROP_IN])
    assert ensure(host, "set", [UNIT])["files"] == sorted([LINK.path, DROP_IN.path])
    assert DROP_IN.path not in tree(host)
    ensure(host, "set", [])
    assert not (Path(host.root) / "etc/x.d").exists()


def test_folders_of_others_stay(host: Host) -> None:
    ensure(host, "set", [DROP_IN])
    (Path(host.root) / "etc/x.d/20-mine.conf").write_text("")
    ensure(host, "set", [])
    assert list(tree(host)) == ["/etc/x.d/20-mine.conf"]


def test_what_is_remembered_of_a_set_is_shown_too(host: Host) -> None:
    told = ensure(host, "set", [UNIT], check_mode=True)["diff"]
    assert [item["after_header"] for item in told] == [UNIT.path, "/etc/gpuforge/files/set.json"]
    ensure(host, "set", [UNIT])
    (record,) = [item for item in ensure(host, "set", [])["diff"] if item["after_header"] != UNIT.path]
    assert UNIT.path in record["before"]
    assert record["after"] == ""


def test_two_sets_do_not_know_each_other(host: Host) -> None:
    ensure(host, "one", [UNIT])
    ensure(host, "two", [DROP_IN])
    ensure(host, "one", [])
    assert DROP_IN.path in tree(host)
    assert not ensure(host, "two", [DROP_IN])["changed"]


def test_drift_is_put_right_and_told(host: Host) -> None:
    ensure(host, "set", [UNIT, DROP_IN, LINK])
    (Path(host.root) / UNIT.path[1:]).write_text("[Unit]\nAfter=x\n")
    (Path(host.root) / DROP_IN.path[1:]).chmod(0o644)
    (Path(host.root) / LINK.path[1:]).unlink()
    result = ensure(host, "set", [UNIT, DROP_IN, LINK])
    assert (result["drifted"], len(result["files"])) == ([UNIT.path], 3)
    shown = {item["after_header"]: item for item in result["diff"]}
    assert "mode 0600" in shown[DROP_IN.path]["after"]
    assert shown[UNIT.path]["before"] == "[Unit]\nAfter=x\n"
    assert not ensure(host, "set", [UNIT, DROP_IN, LINK])["changed"]


def test_a_link_in_the_place_of_a_file_is_replaced_and_its_target_kept(host: Host) -> None:
    other = Path(host.root) / "etc/other"
    other.write_text("theirs")
    (Path(host.root) / UNIT.path[1:]).symlink_to(other)
    ensure(host, "set", [UNIT])
    assert tree(host)[UNIT.path] == "[Unit]\n"
    assert other.read_text() == "theirs"


def test_a_failure_half_way_puts_everything_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(host, "set", [UNIT, LINK])
    before = tree(host)

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device", "/etc/x.d")

    with monkeypatch.context() as patch:
        patch.setattr(host, "write_link", full)
        with pytest.raises(FileSetError, match="No space left on device; everything is as it was"):
            ensure(host, "set", [UNIT._replace(text="new\n"), DROP_IN, LINK._replace(target="/elsewhere")])
    assert tree(host) == before
    assert not (Path(host.root) / "etc/x.d").exists()
    assert not ensure(host, "set", [UNIT, LINK])["changed"]


@pytest.mark.parametrize(
    ("name", "items", "says"),
    [
        ("Set", [UNIT], "name:"),
        ("set", [Wanted("etc/x", "")], "no plain absolute path"),
        ("set", [Wanted("/etc/../x", "")], "no plain absolute path"),
        ("set", [UNIT, UNIT], "2 times"),
        ("set", [Wanted("/etc/x", "", 0o17777)], "out of range"),
        ("set", [Wanted("/etc/x", target="")], "no target"),
        ("set", [Wanted("/etc/systemd", "")], "neither a file nor a link"),
    ],
)
def test_impossible_sets_are_refused_before_anything_is_written(host: Host, name: str, items: list, says: str) -> None:
    with pytest.raises(FileSetError, match=says):
        ensure(host, name, [DROP_IN, *items])
    assert tree(host) == {}


def test_a_damaged_record_is_told(host: Host) -> None:
    host.write_file(record_path("set"), json.dumps({"version": 9}))
    with pytest.raises(FileSetError, match="remove it to start anew"):
        ensure(host, "set", [UNIT])
