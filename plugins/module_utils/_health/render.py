# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Writes a report for people, programs, CI systems and Prometheus."""

from __future__ import annotations

import json
import re
from itertools import groupby
from typing import Callable, Dict, List, Mapping
from xml.etree import ElementTree

from .model import FAIL, SKIPPED, STATUSES, UNKNOWN, VERDICTS, Report, Result

#: Characters that XML 1.0 does not allow at all (section 2.2, Char), not even as references.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_json(report: Report) -> str:
    """The report's contract as indented JSON."""
    return json.dumps(report.to_dict(), indent=2, ensure_ascii=False) + "\n"


def as_text(report: Report) -> str:
    """One line a check; what is wrong is followed by what was expected and what to do.

    Neighbours of one group that were all skipped for one reason share a line.
    """
    width = max((len(result.id) for result in report.results), default=0)
    lines = []
    for _key, grouped in groupby(report.results, lambda item: (item.status, item.group, item.observed)):
        alike = list(grouped)
        first = alike[0]
        if first.status == SKIPPED and len(alike) > 1:
            lines.append(f"{SKIPPED} {f'{first.group} ({len(alike)} checks)':<{width}}  {first.observed}")
            continue
        for result in alike:
            lines.append(f"{result.status:<7} {result.id:<{width}}  {result.observed}")
            if result.status in (FAIL, UNKNOWN):
                lines.append(f"{'':{width + 8}}  expected: {result.expected}")
                lines.append(f"{'':{width + 8}}  to do: {result.remedy}")
    counts = ", ".join(f"{number} {status}" for status, number in report.counts.items() if number)
    return "\n".join([*lines, f"verdict: {report.verdict} ({counts})"]) + "\n"


def as_junit(report: Report) -> str:
    """JUnit's XML: one suite a group; an unknown check is an error, which no reader takes for a pass."""
    counts = report.counts
    top = ElementTree.Element(
        "testsuites",
        name="gpuforge-node",
        tests=str(len(report.results)),
        failures=str(counts[FAIL]),
        errors=str(counts[UNKNOWN]),
        skipped=str(counts[SKIPPED]),
    )
    groups: Dict[str, List[Result]] = {}
    for result in report.results:
        groups.setdefault(result.group, []).append(result)
    for group, results in groups.items():
        number = {status: str(sum(result.status == status for result in results)) for status in STATUSES}
        suite = ElementTree.SubElement(
            top,
            "testsuite",
            name=group,
            tests=str(len(results)),
            failures=number[FAIL],
            errors=number[UNKNOWN],
            skipped=number[SKIPPED],
        )
        for result in results:
            case = ElementTree.SubElement(suite, "testcase", classname=f"gpuforge.{group}", name=result.id)
            tag = {FAIL: "failure", UNKNOWN: "error", SKIPPED: "skipped"}.get(result.status)
            if tag:
                note = ElementTree.SubElement(case, tag, message=_NOT_XML.sub("?", result.observed))
                if tag != "skipped":
                    note.text = _NOT_XML.sub("?", f"expected: {result.expected}\nto do: {result.remedy}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def _label(value: str) -> str:
    """A label value of Prometheus' text format: backslash, quote and line feed are escaped."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def as_prometheus(report: Report) -> str:
    """Prometheus' text format 0.0.4: each state of each check and each verdict as 0 or 1.

    All states are written, so that an alert on ``status="fail"`` finds its series before the first failure.
    """
    lines = [
        "# HELP gpuforge_check_status 1 for the state that the check is in, 0 for the others.",
        "# TYPE gpuforge_check_status gauge",
    ]
    for result in report.results:
        labels = f'check="{_label(result.id)}",group="{_label(result.group)}",severity="{_label(result.severity)}"'
        lines += [
            f'gpuforge_check_status{{{labels},status="{status}"}} {int(result.status == status)}' for status in STATUSES
        ]
    lines += [
        "# HELP gpuforge_node_verdict 1 for what the checks say to do with the node, 0 for the others.",
        "# TYPE gpuforge_node_verdict gauge",
        *(f'gpuforge_node_verdict{{verdict="{name}"}} {int(report.verdict == name)}' for name in VERDICTS),
    ]
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "junit": as_junit,
    "prometheus": as_prometheus,
}
