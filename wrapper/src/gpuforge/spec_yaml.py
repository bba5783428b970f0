# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""YAML with places: every value knows its line and column, every doubled key is found.

Only what JSON can say is accepted (text, numbers, booleans, null, lists, mappings with text as keys), because a spec
ends up in a JSON manifest. Dates stay the text that was written. Imported only when a spec is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gpuforge.errors import Problem

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp", "seq", "map")}


def dotted(path: Path) -> str:
    """A key path as people write it: ``disk.formats[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(slots=True)
class Document:
    """A YAML document: its data and what is wrong with it.

    ``places`` and ``keys`` are line and column (from 1) of each value and its key, ``raw`` each scalar as written,
    ``broken`` means that the data is of no use for further checks.
    """

    file: str
    data: Mapping[str, Any] = field(default_factory=dict)
    places: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    raw: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: bool = False

    def place(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value (or its key) at ``path``, else of what is around it; (0, 0) if unknown."""
        if key and path in self.keys:
            return self.keys[path]
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, (0, 0))

    def problem(self, path: Path, what: str, why: str = "", hint: str = "", *, key: bool = False) -> Problem:
        """A problem with the value (or its key) at ``path``."""
        line, column = self.place(path, key=key)
        return Problem(dotted(path), what, why, hint, f"{self.file}:{line}:{column}" if line else self.file)


def read_yaml(text: str, file: str) -> Document:
    """The document in ``text``; never raises for what a user can write."""
    document = Document(file)
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as exc:  # a character that no YAML file may hold
        return _broken(document, exc)
    try:
        root = loader.get_single_node()
        if root is None:
            document.problems.append(Problem("", "is empty", hint='write at least "name: …"', at=file))
        elif not isinstance(root, yaml.MappingNode):
            at = _mark(file, root.start_mark)
            document.problems.append(
                Problem("", "is not a mapping of keys to values", hint='start with "name: …"', at=at)
            )
        else:
            document.data = _Reader(document, loader).mapping(root, (), ())
    except yaml.MarkedYAMLError as exc:
        what = " ".join(part for part in (exc.context, exc.problem) if part)
        at = _mark(file, exc.problem_mark or exc.context_mark)
        document.problems.append(Problem("", f"is not valid YAML: {what}", hint=_yaml_hint(text, exc), at=at))
        document.broken = True
    except (yaml.YAMLError, RecursionError) as exc:
        return _broken(document, exc)
    finally:
        loader.dispose()
    document.broken = document.broken or (not document.data and bool(document.problems))
    return document


def _broken(document: Document, exc: Exception) -> Document:
    document.problems.append(Problem("", f"is not valid YAML: {' '.join(str(exc).split())}", at=document.file))
    document.broken = True
    return document


def _mark(file: str, mark: yaml.Mark | None) -> str:
    return file if mark is None else f"{file}:{mark.line + 1}:{mark.column + 1}"


def _position(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _yaml_hint(text: str, exc: yaml.MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and "\t" in lines[mark.line]:
        return "indent with spaces: YAML does not allow tabs"
    return "check the indentation, the colons and the quotes there and in the line above"


class _Reader:
    """Turns nodes into values and notes their places."""

    def __init__(self, document: Document, loader: yaml.SafeLoader) -> None:
        self.document = document
        self.loader = loader

    def value(self, node: yaml.Node, path: Path, parents: tuple[yaml.Node, ...]) -> Any:
        self.document.places[path] = _position(node)
        if node in parents:
            self.complain(path, node, "contains itself", "remove the alias")
            return None
        if node.tag not in _TAGS:
            tag = node.tag.replace(_TAG, "!!")
            self.complain(path, node, f"has the tag {tag}", "write plain text, a number, true or false")
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, parents)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index), (*parents, node)) for index, item in enumerate(node.value)]
        return self.scalar(node, path)

    def scalar(self, node: yaml.Node, path: Path) -> Any:
        self.document.raw[path] = text = str(node.value)
        if node.tag == _TAG + "timestamp":
            return text
        try:
            value = self.loader.construct_object(node, deep=True)
        except ValueError:  # such as "!!int abc"
            self.complain(path, node, f"is {text!r}, which is not what its tag says", "remove the tag")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self.complain(path, node, f"is {text}, not a finite number", "write a finite number")
            return None
        return value

    def mapping(self, node: yaml.MappingNode, path: Path, parents: tuple[yaml.Node, ...]) -> dict[str, Any]:
        self.document.places[path] = _position(node)
        seen: dict[str, yaml.Mark] = {}
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if isinstance(key, str) and key in seen:
                first = seen[key]
                self.complain(
                    (*path, key), key_node, f"is given twice, first in line {first.line + 1}", "keep one of the two"
                )
            elif isinstance(key, str):
                seen[key] = key_node.start_mark
        self.loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str":
                shown = key_node.value if isinstance(key_node, yaml.ScalarNode) else "a list or mapping"
                self.complain(path, key_node, f"has the key {shown}, which is not text", "put the key in quotes")
                continue
            key = str(key_node.value)
            here = (*path, key)
            result[key] = self.value(value_node, here, (*parents, node))
            self.document.keys[here] = _position(key_node)
            if not isinstance(value_node, yaml.ScalarNode):
                # A block starts on the line below its key: the key is what the eye looks for.
                self.document.places[here] = _position(key_node)
        return result

    def complain(self, path: Path, node: yaml.Node, what: str, hint: str) -> None:
        self.document.problems.append(
            Problem(dotted(path), what, hint=hint, at=_mark(self.document.file, node.start_mark))
        )
