"""Programs out of a pinned wheel: plan, installation, refusal, removal."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _pinned_wheel as core


def make_wheel(path: Path, version: str = "1.0", programs: tuple[str, ...] = ("tool",)) -> str:
    """Write a wheel and return its SHA-256."""
    with zipfile.ZipFile(path, "w") as archive:
        for program in programs:
            archive.writestr(f"some_tool-{version}.data/scripts/{program}", f"#!/bin/sh\n# {program} {version}\n")
        archive.writestr(f"some_tool-{version}.dist-info/METADATA", "Name: some-tool\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wanted(tmp_path: Path) -> core.Wanted:
    digest = make_wheel(tmp_path / "some_tool.whl")
    return core.Wanted(
        "some-tool", "1.0", digest, ("tool",), str(tmp_path / "bin"), str(tmp_path / "share/some-tool.json")
    )


def plan(wanted: core.Wanted, present: bool = True) -> core.Plan:
    return core.make_plan(wanted, core.read_installed(wanted.record), present)


def install(wanted: core.Wanted) -> None:
    """Install from the wheel beside the folder of programs."""
    core.install(wanted, plan(wanted), lambda _: str(Path(wanted.directory).parent / "some_tool.whl"))


def test_first_installation(wanted: core.Wanted) -> None:
    first = plan(wanted)
    assert (first.changed, first.before) == (True, "")
    assert '"version": "1.0"' in first.after
    install(wanted)
    tool = Path(wanted.directory, "tool")
    assert tool.read_text().endswith("tool 1.0\n")
    assert tool.stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in Path(wanted.directory).iterdir()) == ["tool"]


def test_second_run_changes_nothing_and_fetches_nothing(wanted: core.Wanted) -> None:
    install(wanted)
    again = plan(wanted)
    assert not again.changed
    assert again.before == again.after != ""


@pytest.mark.parametrize("damage", ["changed", "gone", "link"])
def test_a_program_that_is_not_as_written_is_put_back(wanted: core.Wanted, damage: str) -> None:
    install(wanted)
    tool = Path(wanted.directory, "tool")
    good = tool.read_bytes()
    tool.unlink()
    if damage == "changed":
        tool.write_text("something else")
    if damage == "link":
        other = tool.with_name("other")
        other.write_bytes(good)
        tool.symlink_to(other)
    assert plan(wanted).changed
    install(wanted)
    assert tool.read_bytes() == good
    assert not tool.is_symlink()


def test_another_version_takes_its_place_and_stale_programs_go(wanted: core.Wanted, tmp_path: Path) -> None:
    digest = make_wheel(tmp_path / "some_tool.whl", programs=("tool", "extra"))
    install(dataclasses.replace(wanted, sha256=digest, programs=("tool", "extra")))
    digest = make_wheel(tmp_path / "some_tool.whl", version="2.0")
    newer = dataclasses.replace(wanted, version="2.0", sha256=digest)
    assert '"version": "1.0"' in plan(newer).before
    install(newer)
    assert [path.name for path in Path(wanted.directory).iterdir()] == ["tool"]
    assert Path(wanted.directory, "tool").read_text().endswith("tool 2.0\n")


def test_a_wheel_with_another_digest_is_never_opened(wanted: core.Wanted) -> None:
    other = dataclasses.replace(wanted, sha256="0" * 64)
    with pytest.raises(core.WheelError, match="nothing was installed"):
        install(other)
    assert not Path(wanted.directory).exists()
    assert not Path(wanted.record).exists()


def test_a_program_that_the_wheel_lacks_is_named_with_what_it_has(wanted: core.Wanted) -> None:
    with pytest.raises(core.WheelError, match="no program other; it has: tool"):
        install(dataclasses.replace(wanted, programs=("other",)))


def test_a_run_that_was_killed_before_its_record_is_done_again(wanted: core.Wanted) -> None:
    install(wanted)
    Path(wanted.record).unlink()
    assert plan(wanted).changed
    install(wanted)
    assert not plan(wanted).changed


def test_removal_takes_what_the_record_names_and_nothing_else(wanted: core.Wanted) -> None:
    install(wanted)
    stranger = Path(wanted.directory, "stranger")
    stranger.write_text("")
    gone = plan(wanted, present=False)
    assert gone.changed
    core.uninstall(wanted, gone)
    assert list(Path(wanted.directory).iterdir()) == [stranger]
    assert not Path(wanted.record).parent.exists()
    assert not plan(wanted, present=False).changed


def test_removal_without_a_record_leaves_a_program_of_the_same_name(wanted: core.Wanted) -> None:
    tool = Path(wanted.directory, "tool")
    tool.parent.mkdir()
    tool.write_text("from elsewhere")
    assert not plan(wanted, present=False).changed
    core.uninstall(wanted, plan(wanted, present=False))
    assert tool.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1, "sha256": 2, "files": 3}', "no json"])
def test_a_record_that_is_not_ours_is_refused(wanted: core.Wanted, text: str) -> None:
    core.write_atomically(wanted.record, text.encode(), 0o644)
    with pytest.raises(core.WheelError, match=r"some-tool\.json is not a record"):
        plan(wanted)


def test_every_problem_is_told_at_once(wanted: core.Wanted) -> None:
    wrong = dataclasses.replace(wanted, sha256="ABC", version="latest", programs=("a/b",))
    assert [problem.split()[0] for problem in core.problems(wrong)] == ["sha256", "version", "programs"]
    assert core.problems(dataclasses.replace(wanted, programs=())) == [
        "programs is empty: name at least one executable of the wheel"
    ]
    assert core.problems(wanted) == []


def test_the_record_is_readable_json(wanted: core.Wanted) -> None:
    install(wanted)
    record = json.loads(Path(wanted.record).read_text())
    assert record["sha256"] == wanted.sha256
    assert list(record["files"]) == [str(Path(wanted.directory, "tool"))]
