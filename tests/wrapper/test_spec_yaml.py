# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""YAML with places: doubled keys, what JSON cannot say, broken files."""

from __future__ import annotations

import pytest

from gpuforge.spec_yaml import dotted, read_yaml

CASES: dict[str, tuple[str, list[str]]] = {
    "empty file": ("", ['s.yml: is empty\n    write at least "name: …"']),
    "comment only": ("# nothing\n", ['s.yml: is empty\n    write at least "name: …"']),
    "a list": ("- a\n", ['s.yml:1:1: is not a mapping of keys to values\n    start with "name: …"']),
    "doubled key": ("a: 1\nb: 2\na: 3\n", ["s.yml:3:1: a: is given twice, first in line 1\n    keep one of the two"]),
    "doubled key below": (
        "a:\n  b: 1\n  b: 2\n",
        ["s.yml:3:3: a.b: is given twice, first in line 2\n    keep one of the two"],
    ),
    "two doubled keys": (
        "a: 1\na: 2\nb: 1\nb: 1\n",
        [
            "s.yml:2:1: a: is given twice, first in line 1\n    keep one of the two",
            "s.yml:4:1: b: is given twice, first in line 3\n    keep one of the two",
        ],
    ),
    "key that is no text": (
        "a: {1: x}\n",
        ["s.yml:1:5: a: has the key 1, which is not text\n    put the key in quotes"],
    ),
    "key that is a list": (
        "a: {[1]: x}\n",
        ["s.yml:1:5: a: has the key a list or mapping, which is not text\n    put the key in quotes"],
    ),
    "infinity": ("a: .inf\n", ["s.yml:1:4: a: is .inf, not a finite number\n    write a finite number"]),
    "tag of Python": (
        "a: !!python/object/apply:os.system [x]\n",
        ["s.yml:1:4: a: has the tag !!python/object/apply:os.system\n    write plain text, a number, true or false"],
    ),
    "binary": (
        "a: !!binary aGk=\n",
        ["s.yml:1:4: a: has the tag !!binary\n    write plain text, a number, true or false"],
    ),
    "wrong tag": ("a: !!int x\n", ["s.yml:1:4: a: is 'x', which is not what its tag says\n    remove the tag"]),
    "itself": ("a: &x [*x]\n", ["s.yml:1:4: a[0]: contains itself\n    remove the alias"]),
    "tab": (
        "a:\n\tb: 1\n",
        [
            (
                "s.yml:2:1: is not valid YAML: while scanning for the next token found character '\\t' that "
                "cannot start any token\n    indent with spaces: YAML does not allow tabs"
            )
        ],
    ),
    "open bracket": (
        "a: [1\nb: 2\n",
        [
            (
                "s.yml:2:2: is not valid YAML: while parsing a flow sequence expected ',' or ']', but got ':'\n"
                "    check the indentation, the colons and the quotes there and in the line above"
            )
        ],
    ),
    "unknown alias": (
        "a: *b\n",
        [
            (
                "s.yml:1:4: is not valid YAML: found undefined alias 'b'\n"
                "    check the indentation, the colons and the quotes there and in the line above"
            )
        ],
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        [
            (
                "s.yml:2:1: is not valid YAML: expected a single document in the stream but found another document\n"
                "    check the indentation, the colons and the quotes there and in the line above"
            )
        ],
    ),
    "control character": (
        "a: \x01\n",
        [
            (
                "s.yml: is not valid YAML: unacceptable character #x0001: special characters are not allowed "
                'in "<unicode string>", position 3'
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_says_exactly_this(case: str) -> None:
    text, expected = CASES[case]
    assert [problem.render() for problem in read_yaml(text, "s.yml").problems] == expected


def test_deep_nesting_is_refused_not_fatal() -> None:
    document = read_yaml("a: " + "[" * 5000, "s.yml")
    assert document.broken
    assert "not valid YAML" in document.problems[0].what


def test_values_keep_their_types_and_dates_their_text() -> None:
    document = read_yaml("a: 2026-01-02\nb: 1\nc: 1.5\nd: yes\ne: [x, ~]\nf: '1'\n", "s.yml")
    assert not document.problems
    assert document.data == {"a": "2026-01-02", "b": 1, "c": 1.5, "d": True, "e": ["x", None], "f": "1"}


def test_merged_keys_give_way_to_own_ones() -> None:
    document = read_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", "s.yml")
    assert not document.problems
    assert document.data["b"] == {"x": 1, "y": 3}


def test_places() -> None:
    document = read_yaml("a:\n  b: [1,\n    2]\n", "s.yml")
    assert document.place(("a", "b", 1)) == (3, 5)
    assert document.place(("a", "b")) == (2, 3)
    assert document.place(("a", "zzz")) == (1, 1)
    assert document.place(("a", "b"), key=True) == (2, 3)


def test_dotted() -> None:
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
