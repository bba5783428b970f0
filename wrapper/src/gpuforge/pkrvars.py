# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Packer variables files (``*.pkrvars.hcl``) as plain values with their places. python-hcl2 is imported only here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from gpuforge.errors import Problem, SpecError

Kind = Literal["text", "number", "bool", "other"]

_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Assignment:
    """``name = value``. ``text`` is the value as text, ``kind`` what was written, ``at`` FILE:LINE:COLUMN."""

    name: str
    text: str
    kind: Kind
    at: str


def read_pkrvars(text: str, file: str) -> tuple[dict[str, Assignment], list[Problem]]:
    """Every assignment by name, and what is wrong with the file.

    Raises:
        SpecError: the text is no HCL at all.
    """
    from hcl2 import parses_to_tree
    from lark.exceptions import UnexpectedInput

    try:
        tree = parses_to_tree(text)
    except UnexpectedInput as exc:
        at = f"{file}:{exc.line}:{exc.column}" if exc.line and exc.line > 0 else file
        hint = 'a variables file has lines such as image_name = "gpu-train"'
        problem = Problem("", "is not valid HCL from here on", hint=hint, at=at)
        raise SpecError(f"{file} has a problem", doing="importing Packer variables", problems=[problem]) from None
    found: dict[str, Assignment] = {}
    problems: list[Problem] = []
    for node in (node for body in tree.children for node in body.children):
        kind = getattr(node, "data", "")
        if kind not in ("attribute", "block"):
            continue
        token = next(node.scan_values(lambda _: True))
        at = f"{file}:{token.line}:{token.column}"
        name = str(token)
        if kind == "block":
            problems.append(Problem(name, "is a block", "a variables file has assignments only", "remove it", at))
        elif name in found:
            first = found[name].at.rsplit(":", 2)[1]
            problems.append(Problem(name, f"is given twice, first in line {first}", hint="keep one of the two", at=at))
        else:
            value, value_kind = _value(node.children[-1])
            found[name] = Assignment(name, value, value_kind, at)
    return found, problems


def _value(expression: Any) -> tuple[str, Kind]:
    """A plain value as text; anything else (a list, a reference, a function) is "other"."""
    children = list(getattr(expression, "children", ()))
    rule = getattr(expression, "data", "")
    if rule == "expr_term" and len(children) == 1:
        return _value(children[0])
    if rule in ("int_lit", "float_lit"):
        return str(children[0]), "number"
    if rule == "unary_op" and str(children[0]) == "-":
        text, kind = _value(children[1])
        return f"-{text}", kind if kind == "number" else "other"
    if rule == "literal_value" and str(children[0]) in ("true", "false"):
        return str(children[0]), "bool"
    if rule == "string":
        parts = [_string_part(part) for part in children[1:-1]]
        if None not in parts:
            return "".join(part or "" for part in parts), "text"
    return "", "other"


def _string_part(part: Any) -> str | None:
    """A piece of a string, None where it stands for something else (an interpolation)."""
    tokens = list(getattr(part, "children", ()))
    if len(tokens) != 1 or not isinstance(tokens[0], str):
        return None
    token: Any = tokens[0]  # a lark Token is text with a type
    if token.type in ("ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE"):
        return str(token)[1:]
    return _ESCAPE.sub(_unescape, str(token))


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _SIMPLE.get(match[3], match[0])
