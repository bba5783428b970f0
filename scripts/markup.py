"""Ansible's documentation markup as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: Macros whose arguments may have escaped characters, and those that take them as they are.
_MACRO = re.compile(
    r"\b(?:(?P<escaped>O|V|RV|E|P)\((?P<value>(?:[^\\)]|\\.)*)\)|(?P<plain>[BICMULR])\((?P<text>[^)]*)\))|HORIZONTALLINE"
)


def markdown(text: str) -> str:
    """Turn macros such as `O(name=value)`, `V(x)`, `M(a.b.c)` or `L(text,link)` into Markdown."""

    def one(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "`" + re.sub(r"\\(.)", r"\1", match["value"]) + "`"
        if not match["plain"]:
            return "\n\n---\n\n"
        inner = match["text"]
        name, _, link = inner.rpartition(",")
        forms = {
            "B": f"**{inner}**",
            "I": f"*{inner}*",
            "U": f"<{inner}>",
            "L": f"[{name.strip()}]({link.strip()})",
            "R": name.strip(),
        }
        return forms.get(match["plain"], f"`{inner}`")

    return _MACRO.sub(one, text)


def sentences(description: str | Sequence[str], *, joint: str = "\n\n") -> str:
    """A description, one text or a list of paragraphs, as Markdown."""
    parts = [description] if isinstance(description, str) else description
    return joint.join(markdown(" ".join(str(part).split())) for part in parts)


def cell(text: str) -> str:
    """A text for a table's cell: on one line, its bars escaped."""
    return text.replace("\n\n", "<br>").replace("\n", " ").replace("|", "\\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; "" where it has no rows."""
    if not rows:
        return ""
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(" --- " for _ in head) + "|"]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines)
