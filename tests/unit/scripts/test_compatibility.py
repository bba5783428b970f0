"""The page of what goes with what."""

from __future__ import annotations

import compatibility


def test_every_fact_is_on_the_page() -> None:
    page, facts = compatibility.page(), compatibility.facts()
    for section in ("branches", "toolkits", "gpus", "distributions", "locks", "rules", "sources", "forward_compat"):
        for key in getattr(facts, section):
            assert key.replace("_", " ") in page or key in page or key.replace(".", "-") in page, f"{section}.{key}"
    for row in facts.gpus.values():
        assert all(f"`{number}`" in page for number in row.ids)


def test_what_is_inferred_is_marked() -> None:
    page = compatibility.page()
    assert "| 590 | new feature | 2026-03? |" in page
    assert "| 580 | LTS | 2028-06 |" in page
    assert "460?" in page


def test_the_page_is_the_one_in_the_docs() -> None:
    assert compatibility.PAGE.read_text(encoding="utf-8") == compatibility.page()
