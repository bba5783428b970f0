# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A forgiving reader of the XML that nvidia-smi prints.

A strict parser is no use here: output stops in the middle when the program dies, warnings stand before, inside and
after it, command lines are printed unescaped, and bytes need not be UTF-8. What can be read is read, and the reader
says whether the document was whole. No entity or DTD is ever followed.
"""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Tuple

ROOT = "nvidia_smi_log"
_MARKUP = re.compile(
    r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|<![A-Za-z][^>]*>"
    r"|<(?P<close>/?)(?P<tag>[A-Za-z_][\w.\-]*)(?P<rest>(?:\s[^<>]*)?)>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([\w.\-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
# Free text written by others; nothing in it is markup.
_OPAQUE = frozenset(("process_name", "vgpu_name", "vm_name", "session_name"))
_MAX_DEPTH = 64


@dataclass
class Element:
    """One element: its name, attributes, children and own text (stripped)."""

    tag: str
    attributes: Dict[str, str] = field(default_factory=dict)
    children: List[Element] = field(default_factory=list)
    text: str = ""
    closed: bool = False

    def child(self, tag: str) -> Optional[Element]:
        """Return the first child of that name, or None."""
        return next((child for child in self.children if child.tag == tag), None)

    def find(self, path: str) -> Optional[Element]:
        """Return the first element at a path of names joined by ``/``, or None."""
        here: Optional[Element] = self
        for tag in path.split("/"):
            here = here.child(tag) if here is not None else None
        return here

    def leaves(self, prefix: str = "") -> Iterator[Tuple[str, str]]:
        """Yield (path, text) of every element without children."""
        for child in self.children:
            path = f"{prefix}/{child.tag}" if prefix else child.tag
            if child.children:
                yield from child.leaves(path)
            else:
                yield path, child.text


@dataclass(frozen=True)
class Document:
    """What was read: the root (None when there was none), text outside it, and whether the root was closed."""

    root: Optional[Element]
    before: str
    after: str
    whole: bool
    replaced: bool  # bytes that were not text had to be replaced


def decode(data: bytes) -> Tuple[str, bool]:
    """Return the text of captured output and whether bytes had to be replaced. UTF-16 (PowerShell) is understood."""
    # Stray bytes can look like the mark of UTF-16; real UTF-16 of this text is full of NULs.
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and b"\0" in data[:64]
    text = data.decode("utf-16" if wide else "utf-8-sig", "replace")
    return text.replace("\r\n", "\n").replace("\0", ""), "\ufffd" in text


def _attributes(rest: str) -> Dict[str, str]:
    return {name: html.unescape(one or two) for name, one, two in _ATTRIBUTE.findall(rest)}


def read_document(data: bytes) -> Document:
    """Read nvidia-smi's XML out of whatever surrounds it. Never raises."""
    text, replaced = decode(data)
    start = re.search(r"<" + ROOT + r"[\s>]", text)
    if start is None:
        return Document(None, re.sub(r"<[?!][^>]*>", "", text).strip(), "", False, replaced)
    before = re.sub(r"<[?!][^>]*>", "", text[: start.start()]).strip()
    root, end = _read_tree(text, start.start())
    after = re.sub(r"<[^<>]*>", "", text[end:]).strip() if root.closed else ""
    return Document(root, before, after, root.closed, replaced)


def _read_tree(text: str, position: int) -> Tuple[Element, int]:
    """Read one tree from *position*. Returns its root and where reading stopped."""
    holder = Element("")
    stack = [holder]
    while True:
        match = _MARKUP.search(text, position)
        if match is None:  # what follows the last tag may be half a value: it is not taken
            break
        if len(stack) > 1:
            stack[-1].text = (stack[-1].text + " " + html.unescape(text[position : match.start()]).strip()).strip()
        position = match.end()
        tag = match.group("tag")
        if tag is None:
            continue
        if match.group("close"):
            if any(element.tag == tag for element in stack[1:]):
                while stack[-1].tag != tag:  # elements left open by lost output end with their parent
                    stack.pop()
                stack.pop().closed = True
            if len(stack) == 1 and tag == ROOT:
                break
            continue
        rest = match.group("rest")
        element = Element(tag, _attributes(rest))
        stack[-1].children.append(element)
        if rest.rstrip().endswith("/"):
            element.closed = True
        elif tag in _OPAQUE:
            end = text.find(f"</{tag}>", position)
            if end < 0:
                break
            element.text, element.closed = text[position:end].strip(), True
            position = end + len(tag) + 3
        elif len(stack) < _MAX_DEPTH:
            stack.append(element)
    return (holder.children[0] if holder.children else Element(ROOT)), position
