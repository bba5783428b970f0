"""An operator's own file and NVIDIA's list of releases, laid over the facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import StackError, load_facts
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.cases import REFUSED
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.conftest import Ask


def release(version: str, day: str = "2026-12-01", *architectures: str) -> dict[str, Any]:
    return {
        "release_version": version, "release_date": day, "release_notes": "https://example.org/",
        "architectures": list(architectures or ("x86_64", "aarch64")), "runfile_url": {},
    }  # fmt: skip


#: In the form of NVIDIA's list; the numbers are made up.
RELEASES: dict[str, Any] = {
    "418": {"type": "lts branch", "driver_info": [release("418.226.00", "2021-12-01")]},
    "580": {"type": "lts branch", "driver_info": [release("580.200.03"), release("582.10", "2026-12-01", "windows")]},
    "595": {"type": "production branch", "driver_info": [release("595.91.07", "2026-08-01"), release("595.99.01")]},
    "630": {"type": "New Feature Branch", "driver_info": [release("630.10.01"), release("630.20.05", "2027-01-11")]},
}


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    path = tmp_path / "releases.json"
    path.write_text(json.dumps(RELEASES))
    return path


class TestOwnFile:
    def own(self, tmp_path: Path, text: str) -> str:
        path = tmp_path / "own.yml"
        path.write_text(text)
        return str(path)

    def test_a_row_keeps_what_is_not_named(self, tmp_path: Path, ask: Ask) -> None:
        text = "branches: {'535': {eol: '2027-12', source: [field], certainty: certain}}\n"
        facts = load_facts(self.own(tmp_path, text))
        assert (facts.branches["535"].eol, facts.branches["535"].newest) == ("2027-12", "535.309.01")
        assert "branch-ended" not in {item["rule"] for item in ask(compat=facts, driver="535")["warnings"]}

    def test_a_new_row(self, tmp_path: Path, ask: Ask) -> None:
        text = (
            "sources: {lab: {title: Our own trial, at: ''}}\n"
            "gpus: {X900: {ids: ['3fff'], generation: rubin, capability: '10.7', form: sxm, source: [lab],"
            " certainty: certain}}\n"
        )
        facts = load_facts(self.own(tmp_path, text))
        assert ask(compat=facts, gpus=["10de:3fff"])["resolved"]["gpus"][0]["generation"] == "rubin"

    def test_a_row_taken_out(self, tmp_path: Path, ask: Ask) -> None:
        facts = load_facts(self.own(tmp_path, "bad_versions: {container_toolkit 1.17.7: null}\n"))
        assert ask(compat=facts, container_toolkit="1.17.7")["refusals"] == []

    def test_a_newer_release_becomes_known(self, tmp_path: Path, ask: Ask) -> None:
        text = (
            "branches: {'595': {newest: '595.99.01', releases: ['595.91.07'], source: [field], certainty: certain}}\n"
        )
        assert not ask(driver="595.99.01")["passes"]
        facts = load_facts(self.own(tmp_path, text))
        assert ask(compat=facts, driver="595.99.01")["warnings"] == []
        assert ask(compat=facts, driver="production")["resolved"]["driver"]["version"] == "595.99.01"

    def test_what_becomes_inferred_only_warns(self, tmp_path: Path, ask: Ask) -> None:
        text = "generations: {volta: {last_branch: '580', source: [field], certainty: inferred}}\n"
        facts = load_facts(self.own(tmp_path, text))
        verdict = ask(compat=facts, driver="595", flavour="proprietary", gpus=["V100"])
        assert verdict["refusals"] == []
        assert "branch-too-new" in {item["rule"] for item in verdict["warnings"]}

    def test_a_bad_release_is_passed_over(self, tmp_path: Path, ask: Ask) -> None:
        text = (
            "bad_versions: {cuda 13.4.2: {component: cuda, versions: ['13.4.2'], harm: warn, why: it is made up,"
            " source: [field], certainty: certain}}\n"
        )
        facts = load_facts(self.own(tmp_path, text))
        assert ask(driver="615", cuda=["13.4"])["resolved"]["cuda"]["version"] == "13.4.2"
        assert ask(compat=facts, driver="615", cuda=["13.4"])["resolved"]["cuda"]["version"] == "13.4.1"
        assert ask(compat=facts, driver="newest", cuda=["newest"])["resolved"]["cuda"]["version"] == "13.4.1"

    def test_a_driver_that_is_bad_here_is_refused(self, tmp_path: Path, ask: Ask) -> None:
        text = (
            "bad_versions: {ours: {component: driver, versions: ['595.91.07'], harm: refuse, why: it crashes here,"
            " source: [field], certainty: certain}}\n"
        )
        facts = load_facts(self.own(tmp_path, text))
        found = ask(compat=facts, driver="595.91.07")
        assert [(item["rule"], item["why"]) for item in found["refusals"]] == [("bad-version", "it crashes here")]
        assert ask(compat=facts, driver="595")["resolved"]["driver"]["version"] == "595.84"
        assert found["nearest"]["resolved"]["driver"]["version"] == "595.84"

    @pytest.mark.parametrize("rule", sorted({case.rule for case in REFUSED}))
    def test_a_rule_can_be_made_to_warn(self, tmp_path: Path, rule: str, ask: Ask) -> None:
        text = f"rules: {{{rule}: {{harm: warn, source: [field], certainty: certain}}}}\n"
        facts = load_facts(self.own(tmp_path, text))
        for case in (case for case in REFUSED if case.rule == rule):
            verdict = ask(compat=facts, **case.request)
            assert rule not in {item["rule"] for item in verdict["refusals"]}
            assert rule in {item["rule"] for item in verdict["warnings"]}

    def test_its_date_counts(self, tmp_path: Path) -> None:
        facts = load_facts(self.own(tmp_path, "date: '2027-05-01'\n"))
        assert facts.date == "2027-05-01"
        assert facts.files[-1].endswith("own.yml")


class TestReleases:
    def test_new_releases_and_branches(self, releases: Path, ask: Ask) -> None:
        facts = load_facts(releases=str(releases))
        assert ask(compat=facts, driver="lts")["resolved"]["driver"]["version"] == "580.200.03"
        assert ask(compat=facts, driver="production")["resolved"]["driver"]["version"] == "595.99.01"
        new = ask(compat=facts, driver="new_feature")["resolved"]["driver"]
        assert (new["version"], new["class"], new["flavour"]) == ("630.20.05", "new_feature", "open")

    def test_older_releases_stay_known(self, releases: Path) -> None:
        facts = load_facts(releases=str(releases))
        assert "580.178.04" in facts.branches["580"].releases
        assert facts.branches["580"].eol == "2028-06"
        assert "418" not in facts.branches

    def test_releases_of_windows_are_none_of_ours(self, releases: Path) -> None:
        facts = load_facts(releases=str(releases))
        assert not [item for row in facts.branches.values() for item in row.releases if item.startswith("582")]

    def test_what_the_list_does_not_say_stays_inferred(self, releases: Path) -> None:
        facts = load_facts(releases=str(releases))
        assert facts.branches["630"].sure("class")
        assert not facts.branches["630"].sure("modules")

    def test_an_own_file_goes_over_the_list(self, releases: Path, tmp_path: Path) -> None:
        own = tmp_path / "own.yml"
        own.write_text("branches: {'630': {eol: '2027-03', source: [nvidia-releases], certainty: certain}}\n")
        assert load_facts(str(own), str(releases)).branches["630"].eol == "2027-03"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "is not JSON"),
            ("[]", "is not an object of branches"),
            ('{"580": {}}', "580: has no list driver_info"),
            ('{"580": {"driver_info": [{"release_version": 580}]}}', "release_version is 580"),
            ('{"580": {"driver_info": [{"release_version": "580.1.2"}]}}', "release_date is None"),
            ('{"latest": {"driver_info": []}}', "names no branch"),
            ("[" * 100_000, "is not JSON"),
        ],
    )
    def test_what_is_no_list(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "releases.json"
        path.write_text(text)
        with pytest.raises(StackError) as caught:
            load_facts(releases=str(path))
        assert any(words in problem for problem in caught.value.problems)

    @pytest.mark.parametrize("architectures", ["x86_64", [["x86_64"]], 5])
    def test_architectures_that_are_no_list(self, tmp_path: Path, architectures: Any) -> None:
        path = tmp_path / "releases.json"
        path.write_text(json.dumps({"580": {"driver_info": [{**release("580.1.2"), "architectures": architectures}]}}))
        with pytest.raises(StackError) as caught:
            load_facts(releases=str(path))
        assert f"architectures is {architectures!r}, not a list of texts" in caught.value.problems[0]

    def test_every_fault_of_a_list(self, tmp_path: Path) -> None:
        path = tmp_path / "releases.json"
        path.write_text(json.dumps({"580": {"driver_info": [{}, {"release_version": "580.1.1"}]}, "595": 1}))
        with pytest.raises(StackError) as caught:
            load_facts(releases=str(path))
        assert len(caught.value.problems) == 3
