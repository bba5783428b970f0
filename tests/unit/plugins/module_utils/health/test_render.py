"""The four ways in which a report is written."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.model import Report, Result
from ansible_collections.gpuforge.node.plugins.module_utils._health.render import FORMATS

NASTY = 'quote " back\\slash\nline <tag> & \x00\x1b[31m ünï'
REPORT = Report(
    "isolate",
    (
        Result("driver.module", "driver", "fail", "critical", NASTY, "a module", "build it"),
        Result("system.units", "system", "unknown", "critical", "no bus", "no failed unit", "look"),
        Result("gpu.lost", "gpu", "skipped", "critical", "no GPU", "none", "power off"),
        Result("gpu.heat", "gpu", "skipped", "warning", "no GPU", "none", "fans"),
        Result("gpu.count", "gpu", "pass", "critical", "0", "any", "look"),
    ),
)
# The text format as its page describes it: comments, or a name, labels with three escapes, a number.
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"[a-zA-Z_:][a-zA-Z0-9_:]*\{{{LABEL}(?:,{LABEL})*\}} -?[0-9.]+")
COMMENT = re.compile(r"# (?:HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+")


def test_json_is_the_contract() -> None:
    data = json.loads(FORMATS["json"](REPORT))
    assert data["verdict"] == "isolate"
    assert data["summary"] == {"pass": 1, "fail": 1, "unknown": 1, "skipped": 2}
    assert set(data["checks"][0]) == {"id", "group", "status", "severity", "observed", "expected", "remedy"}
    assert data["checks"][0]["observed"] == NASTY


def test_text_says_what_to_do() -> None:
    text = FORMATS["text"](REPORT)
    assert "to do: build it" in text
    assert "to do: look" in text
    assert "gpu (2 checks)" in text
    assert "power off" not in text
    assert text.endswith("verdict: isolate (1 pass, 1 fail, 1 unknown, 2 skipped)\n")


def test_junit_parses_and_counts() -> None:
    top = ElementTree.fromstring(FORMATS["junit"](REPORT))
    assert [top.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["5", "1", "1", "2"]
    assert [suite.get("name") for suite in top] == ["driver", "system", "gpu"]
    marks = {case.get("name"): [child.tag for child in case] for case in top.iter("testcase")}
    assert marks == {
        "driver.module": ["failure"],
        "system.units": ["error"],
        "gpu.lost": ["skipped"],
        "gpu.heat": ["skipped"],
        "gpu.count": [],
    }
    failure = next(top.iter("failure"))
    assert "ünï" in failure.get("message", "")
    assert "to do: build it" in (failure.text or "")


def test_prometheus_is_well_formed() -> None:
    text = FORMATS["prometheus"](REPORT)
    assert text.endswith("\n")
    for line in text.splitlines():
        assert SAMPLE.fullmatch(line) or COMMENT.fullmatch(line), line
    assert 'gpuforge_check_status{check="driver.module",group="driver",severity="critical",status="fail"} 1' in text
    assert 'gpuforge_check_status{check="driver.module",group="driver",severity="critical",status="pass"} 0' in text
    assert 'gpuforge_node_verdict{verdict="isolate"} 1' in text
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples)) == 5 * 4 + 5
    assert sum(line.endswith(" 1") for line in samples) == 5 + 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_of_nothing_can_be_written(name: str) -> None:
    assert FORMATS[name](Report("ok", ()))
