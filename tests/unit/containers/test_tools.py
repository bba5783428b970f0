"""The tools that the container tests stand on: a fault in them would pass silently in all of those."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.tests.containers import base_images, engine, tree_state

RUNNER = Path(__file__).resolve().parents[2] / "containers/run_molecule.py"


def answers(monkeypatch: pytest.MonkeyPatch, *said: str) -> list[Path | None]:
    """Let podman answer one after the other; returns the configurations that it was tried with."""
    tried: list[Path | None] = []
    rest = iter(said)

    def try_start(_image: str, configuration: Path | None) -> str:
        tried.append(configuration)
        return next(rest)

    monkeypatch.setattr(engine, "try_start", try_start)
    return tried


def test_a_machine_that_needs_nothing_gets_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, "")
    assert engine.settings("image", tmp_path / "work") == {}
    assert not (tmp_path / "work").exists()


def test_the_first_settings_that_work_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tried = answers(monkeypatch, "no cgroups", "no limits", "")
    found = engine.settings("image", tmp_path)
    assert found == {"CONTAINERS_CONF": str(tried[-1])}
    assert Path(found["CONTAINERS_CONF"]).read_text() == engine.CANDIDATES["runc"]


def test_where_nothing_works_every_answer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers(monkeypatch, "first", "second", "third", "fourth")
    with pytest.raises(engine.EngineError) as caught:
        engine.settings("image", tmp_path)
    assert all(word in str(caught.value) for word in ("first", "second", "third", "fourth", "lowered limits"))


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ([], "missing"),
        ([{"Labels": None, "Created": 1e12}], "made by another recipe"),
        ([{"Labels": {"gpuforge.recipe": "old"}, "Created": 1e12}], "made by another recipe"),
        ([{"Labels": {"gpuforge.recipe": "now"}, "Created": 0}], "days old"),
        ([{"Labels": {"gpuforge.recipe": "now"}, "Created": 1e12}], ""),
    ],
)
def test_why_an_image_is_made_again(monkeypatch: pytest.MonkeyPatch, images: list[object], reason: str) -> None:
    monkeypatch.setattr(base_images, "run", lambda _: json.dumps(images))
    monkeypatch.setattr(base_images, "recipe_digest", lambda _: "now")
    said = base_images.why_stale("debian12", max_age_days=7)
    assert said.endswith(reason) if reason else said == ""


def test_another_archive_is_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = base_images.recipe_digest("bookworm")
    monkeypatch.setenv("GPUFORGE_DEBIAN_MIRROR", "http://mirror.example/debian")
    assert base_images.recipe_digest("bookworm") != before


def test_differences_are_told_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_state, "packaged", lambda: {"/usr/bin/new-tool"})
    before = {"/a": "1", "/b": "1", "/c": "1", "/var/cache/x": "1", "package p": "1 installed"}
    after = {"/a": "1", "/b": "2", "/d": "1", "/var/cache/x": "2", "/usr/bin/new-tool": "1", "package q": "1 installed"}
    lines = tree_state.differences(before, after, ["/var/cache/*"])
    assert [line.rsplit(": ", 1)[0] for line in lines] == [
        "different: /b",
        "gone: /c",
        "new: /d",
        "gone: package p",
        "new: package q",
    ]


def test_a_file_of_a_package_that_was_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_state, "packaged", lambda: {"/etc/conf"})
    assert tree_state.differences({"/etc/conf": "1"}, {"/etc/conf": "2"}, []) == ["different: /etc/conf: 1 -> 2"]


@pytest.mark.parametrize("change", ["content", "mode", "kind"])
def test_every_change_of_a_file_shows(tmp_path: Path, change: str) -> None:
    file = tmp_path / "file"
    file.write_text("1")
    before = tree_state.describe(file)
    if change == "content":
        file.write_text("2")
    elif change == "mode":
        file.chmod(0o600)
    else:
        file.unlink()
        file.symlink_to("elsewhere")
    assert tree_state.describe(file) != before


def test_an_unknown_action_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_state, "files", dict)
    monkeypatch.setattr(tree_state, "packages", dict)
    with pytest.raises(SystemExit, match="unknown action"):
        tree_state.main(["forget", "/nowhere"])


def test_every_scenario_has_what_its_sequence_runs() -> None:
    scenarios = [path.parent for path in (RUNNER.parents[2] / "molecule").glob("*/molecule.yml")]
    assert {"default", "framework", "image_seal"} <= {path.name for path in scenarios}
    for scenario in scenarios:
        assert (scenario / "converge.yml").is_file(), scenario
        assert (scenario / "absent.yml").is_file(), scenario
        assert list(scenario.glob("tests/test_*.py")), scenario


@pytest.mark.parametrize(
    ("line", "missed"),
    [
        ("WARNING  [x > side_effect] Executed: Missing playbook (Remove from test_sequence to suppress)", True),
        ("WARNING  [x > verify] Skipping, no tests found.", True),
        ("INFO     [x > verify] Executed: Successful", False),
    ],
)
def test_what_molecule_only_warns_of_is_no_pass(monkeypatch: pytest.MonkeyPatch, line: str, missed: bool) -> None:
    monkeypatch.syspath_prepend(str(RUNNER.parent))
    runner = importlib.import_module(RUNNER.stem)
    assert runner.left_out(f"INFO first\n{line}\n") == (line if missed else "")
