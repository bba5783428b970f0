"""The pages that are written from specs."""

from __future__ import annotations

import pytest

import docs
from markup import markdown, sentences, table


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("V(absent) and O(a_state=present)", "`absent` and `a_state=present`"),
        (r"V(a\)b) ends", "`a)b` ends"),
        ("M(ansible.builtin.copy), C(vars/)", "`ansible.builtin.copy`, `vars/`"),
        ("B(bold) I(slanted)", "**bold** *slanted*"),
        ("L(the page, https://example.org/x)", "[the page](https://example.org/x)"),
        ("U(https://example.org)", "<https://example.org>"),
        ("NV(not a macro) PXB(x)", "NV(not a macro) PXB(x)"),
    ],
)
def test_macros(text: str, wanted: str) -> None:
    assert markdown(text) == wanted


def test_paragraphs_and_wrapped_lines() -> None:
    assert sentences(["One\n  sentence.", "V(x)."]) == "One sentence.\n\n`x`."


def test_a_table_survives_bars_and_paragraphs() -> None:
    assert table(["A", "B"], [["x|y", "one\n\ntwo"]]).splitlines()[-1] == "| x\\|y | one<br>two |"
    assert table(["A"], []) == ""


def test_options_are_shown_with_sub_options() -> None:
    options = {
        "a": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "description": "D.",
            "options": {"b": {"type": "int"}},
        },
        "c": {"required": True, "description": "E.", "choices": ["x", "y"]},
    }
    assert docs.option_rows(options, "options") == [
        ["`a`", "list of dict", "`[]`", "D."],
        ["`a.b`", "int", "", ""],
        ["`c`", "str", "required", 'E.\n\nOne of: `"x"`, `"y"`.'],
    ]


def test_a_table_of_the_front_page_is_replaced_between_its_marks() -> None:
    text = "a\n<!-- roles -->\nold\n<!-- end roles -->\nb\n"
    new = docs.contents(text, "roles", [["x", "y"]])
    assert new.startswith("a\n<!-- roles -->\n| Name | What it does |\n")
    assert "old" not in new
    assert new.endswith("| x | y |\n<!-- end roles -->\nb\n")
    assert docs.contents(new, "roles", [["x", "y"]]) == new


def test_a_front_page_without_marks_is_refused() -> None:
    with pytest.raises(SystemExit, match="<!-- roles -->"):
        docs.contents("nothing", "roles", [])
