"""Every rule on a combination that it is there for, and on a neighbour that it leaves alone."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.model import Compat
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.cases import REFUSED, UNKNOWN, WARNED, Case
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.conftest import TODAY, Ask

CODE = Path(__file__).resolve().parents[5] / "plugins" / "plugin_utils" / "_stack"


def name(case: Case) -> str:
    return f"{case.rule}-{'-'.join(str(value) for value in case.request.values())}".replace(" ", "_")


def text(finding: dict) -> str:
    return f"{finding['what']} {finding['why']} {finding['hint']}"


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_what_is_certain_refuses(case: Case, ask: Ask) -> None:
    verdict = ask(**case.request)
    assert not verdict["passes"]
    assert verdict["resolved"] is None
    (found, *_) = [item for item in verdict["refusals"] if item["rule"] == case.rule]
    assert found["certainty"] == "certain"
    for words in case.says:
        assert words in text(found)
    assert {*case.also} <= {item["rule"] for item in verdict["refusals"]}
    others = {item["rule"] for item in verdict["refusals"]} - {case.rule, *case.also}
    assert others == set(), "a case is about one rule; others are named in `also`"


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_the_nearest_that_works_is_named(case: Case, ask: Ask) -> None:
    verdict = ask(**case.request)
    assert verdict["nearest"] is not None
    assert case.nearest in verdict["nearest"]["text"]
    assert verdict["nearest"]["changes"]
    assert verdict["nearest"]["resolved"] is not None


@pytest.mark.parametrize("case", WARNED, ids=name)
def test_what_is_not_certain_warns(case: Case, ask: Ask) -> None:
    verdict = ask(**case.request)
    assert verdict["refusals"] == []
    (found, *_) = [item for item in verdict["warnings"] if item["rule"] == case.rule]
    for words in case.says:
        assert words in text(found)


@pytest.mark.parametrize("case", (*REFUSED, *WARNED), ids=name)
def test_a_neighbour_passes(case: Case, ask: Ask) -> None:
    verdict = ask(**case.works)
    assert verdict["refusals"] == []
    assert case.rule not in {item["rule"] for item in verdict["warnings"]}


@pytest.mark.parametrize("request_", UNKNOWN, ids=str)
def test_the_unknown_passes_only_when_it_is_allowed(request_: dict, ask: Ask) -> None:
    verdict = ask(**request_)
    assert not verdict["passes"]
    rules = {item["rule"] for item in verdict["refusals"]}
    allowed = ask(**request_, allow_unknown=True)
    assert allowed["refusals"] == []
    assert rules <= {item["rule"] for item in allowed["warnings"]}


def test_old_facts_warn(ask: Ask) -> None:
    late = TODAY + datetime.timedelta(days=183)
    assert "data-old" not in {item["rule"] for item in ask(today=late)["warnings"]}
    found = [item for item in ask(today=late + datetime.timedelta(days=1))["warnings"] if item["rule"] == "data-old"]
    assert "184 days" in found[0]["what"]


def test_all_reasons_at_once(ask: Ask) -> None:
    verdict = ask(
        driver="615.71.09", branch="610", flavour="proprietary", gpus=["V100"], cuda=["13.4"], dcgm="3.3.9",
        container_toolkit="1.17.7", parts={"fabricmanager": "595.84"}, packages=["cuda-13-4"], locks=["training"],
        distribution="rhel9",
    )  # fmt: skip
    assert {item["rule"] for item in verdict["refusals"]} == {
        "branch-mismatch", "module-not-packaged", "branch-too-new", "toolkit-gpu", "component-old", "bad-version",
        "part-version", "package-trap", "lock-gpu", "lock-glibc",
    }  # fmt: skip
    assert verdict["nearest"] is not None


def test_every_rule_has_a_case(facts: Compat) -> None:
    tried = {case.rule for case in (*REFUSED, *WARNED)} | {"data-old"}
    assert set(facts.rules) - tried == set()
    # A rule that may refuse is seen refusing somewhere, unless everything it looks at is inferred.
    refusing = {key for key, row in facts.rules.items() if row.harm == "refuse" and row.certainty == "certain"}
    assert refusing - {case.rule for case in REFUSED} == set()


def test_the_code_and_the_facts_name_the_same_rules(facts: Compat) -> None:
    texts = [path.read_text(encoding="utf-8") for path in sorted(CODE.glob("rules_*.py"))]
    literals = {word for text in texts for word in re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)}
    assert literals == set(facts.rules)
