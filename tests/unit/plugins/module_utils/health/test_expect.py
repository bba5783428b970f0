"""Expectations: read whole or refused with every problem."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.expect import (
    Expect,
    parse_expect,
    parse_expect_text,
    read_expect,
    version_matches,
)
from ansible_collections.gpuforge.node.plugins.module_utils._health.model import HealthError
from ansible_collections.gpuforge.node.plugins.module_utils._health.tree import Tree
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node


def test_none_is_no_expectation() -> None:
    assert parse_expect({"count": None, "model": None, "thresholds": None}) == Expect()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], ["JSON object"]),
        ({"cuont": 8}, ["unknown key 'cuont' (did you mean 'count'?)"]),
        ({"xyz": 8}, ["unknown key 'xyz' (known: count, model"]),
        (
            {"count": "8", "model": 5, "image": 1},
            ["count must be a whole number", "model must be text", "image must be"],
        ),
        ({"count": True}, ["count must be"]),
        ({"count": -1}, ["count must be"]),
        ({"driver": " "}, ["driver must be text"]),
        ({"thresholds": {"temprature_c": 5}}, ["thresholds must be", "temperature_c"]),
        ({"thresholds": {"temperature_c": "hot"}}, ["thresholds must be"]),
        ({"thresholds": 5}, ["thresholds must be"]),
    ],
)
def test_every_problem_is_named(data: object, words: list[str]) -> None:
    with pytest.raises(HealthError) as caught:
        parse_expect(data)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_file_that_is_not_json_is_named() -> None:
    with pytest.raises(HealthError, match=r"^/etc/x\.json is not JSON"):
        parse_expect_text("{", "/etc/x.json")
    with pytest.raises(HealthError, match=r"^/etc/x\.json: the expectation is wrong"):
        parse_expect_text('{"a": 1}', "/etc/x.json")


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ("535.309.01", "535.309.01", True),
        ("535.309.01", "535.309", True),
        ("535.309.01", "535", True),
        ("535.309.01", "535.", True),
        ("535.309.01", "53", False),
        ("535.309.01", "535.309.0", False),
        ("535", "535.309.01", False),
    ],
)
def test_versions_and_branches(found: str, wanted: str, same: bool) -> None:
    assert version_matches(found, wanted) is same


def test_where_it_comes_from(node: Node) -> None:
    tree = Tree(str(node.root))
    assert read_expect(tree) == Expect()
    node.json("/etc/gpuforge/expect.json", {"count": 4, "thresholds": {"temperature_c": 80}})
    assert read_expect(tree).count == 4
    assert read_expect(tree, {"count": 8}).count == 8
    expect = read_expect(tree, None, {"rows_remapped_uncorrected": None})
    assert expect.threshold("temperature_c") == 80
    assert expect.threshold("rows_remapped_uncorrected") is None
    assert expect.threshold("ecc_uncorrected_volatile") == 0
