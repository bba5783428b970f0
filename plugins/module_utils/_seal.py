# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Sealing: take out of a file tree what must not be shared by two machines. Plans first, then acts.

The rules are data (`_seal_rules`), finding is `_seal_find`; this is the plan and its execution.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from ._rootfs import inside
from ._seal_find import Guard, find, homes, is_regular
from ._seal_rules import BLANK, DROP_LINES, EMPTY, REMOVE, REMOVE_FILES, RULES, Rule

BLANK_MODE = 0o444
"""Mode of a file that a BLANK rule makes: what systemd gives /etc/machine-id, machine-id(5)."""


class SealError(Exception):
    """Sealing is not possible or was not complete; the message lists every cause."""


@dataclass(frozen=True)
class Step:
    """One thing to do to one file. ``path`` is a host path; ``text`` is the new content for DROP_LINES."""

    rule: str
    action: str
    path: str
    text: str = ""

    def told(self, root: str) -> str:
        """Return the step as a line, with the path as the image sees it."""
        base = os.path.realpath(root).rstrip("/")
        return "%s: %s %s" % (self.rule, self.action, self.path[len(base) :])


def choose(keep: Sequence[str], extra: Sequence[str]) -> List[Rule]:
    """Return the rules without those named in ``keep``, with one more for the patterns in ``extra``.

    :raises SealError: a name is of no rule, or a pattern is not absolute (``~/`` counts) or has no name in it.
    """
    names = [rule.id for rule in RULES]
    wrong = ["there is no rule %r: the rules are %s" % (name, ", ".join(names)) for name in keep if name not in names]
    for pattern in extra:
        if not re.match(r"(~/|/)[^/*?\[]+", pattern) or "/../" in pattern + "/":
            wrong.append("%r is no absolute path below a named folder (such as /var/lib/example/*)" % pattern)
    if wrong:
        raise SealError("; ".join(wrong))
    chosen = [rule for rule in RULES if rule.id not in keep]
    if extra:
        chosen.append(Rule("extra", REMOVE, tuple(extra), "Asked for.", "the caller"))
    return chosen


def make_plan(root: str, rules: Sequence[Rule], guard: Guard) -> List[Step]:
    """Return what has to be done below ``root``, in order; nothing when the tree is sealed already.

    :raises OSError: a folder cannot be read: what was not seen must not count as clean.
    """
    users = homes(root)
    steps: List[Step] = []
    gone: List[str] = []
    for rule in rules:
        if rule.action == BLANK:
            steps += [Step(rule.id, BLANK, path) for path in _not_blank(root, rule)]
            continue
        for path in find(root, rule.paths, guard, users):
            if any(path == other or path.startswith(other + "/") for other in gone):
                continue
            step = _step(rule, path, guard)
            steps += step
            gone += [one.path for one in step if one.action == REMOVE]
    return steps


def _not_blank(root: str, rule: Rule) -> List[str]:
    paths = [inside(root, pattern) for pattern in rule.paths]
    return [path for path in paths if not os.path.exists(path) or os.path.getsize(path) > 0]


def _step(rule: Rule, path: str, guard: Guard) -> List[Step]:
    folder = os.path.isdir(path) and not os.path.islink(path)
    if rule.action == REMOVE:
        if not folder or not guard.reaches_into(path):
            return [Step(rule.id, REMOVE, path)]
        inner = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        return [step for child in inner if not guard.holds(child) for step in _step(rule, child, guard)]
    if folder:
        return []
    if rule.action == REMOVE_FILES:
        return [Step(rule.id, REMOVE, path)]
    if not is_regular(path):
        return []
    if rule.action == EMPTY:
        return [Step(rule.id, EMPTY, path)] if os.path.getsize(path) else []
    text = _read(path)
    kept = _without(text, re.compile(rule.lines, re.IGNORECASE), rule.instead)
    return [Step(rule.id, DROP_LINES, path, kept)] if kept != text else []


def _read(path: str) -> str:
    # Bytes that are no UTF-8 survive the round trip.
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read()


def _without(text: str, lines: re.Pattern[str], instead: str) -> str:
    out = []
    for line in text.splitlines(keepends=True):
        if not lines.match(line):
            out.append(line)
        elif instead:
            out.append(instead + "\n")
    return "".join(out)


def apply(steps: Sequence[Step]) -> None:
    """Do every step, also when one fails.

    :raises SealError: with every path that could not be dealt with. The tree is then not to be captured.
    """
    failed: List[str] = []
    for step in steps:
        try:
            _do(step)
        except OSError as error:
            failed.append("%s: %s" % (step.path, error.strerror or error))
    if failed:
        raise SealError("not sealed, so do not capture this tree: " + "; ".join(failed))


def _do(step: Step) -> None:
    if step.action == REMOVE:
        if os.path.isdir(step.path) and not os.path.islink(step.path):
            shutil.rmtree(step.path)
        else:
            os.unlink(step.path)
    elif step.action == EMPTY:
        os.truncate(step.path, 0)
    elif step.action == BLANK:
        made = not os.path.exists(step.path)
        with open(step.path, "wb") as stream:
            if made:
                os.fchmod(stream.fileno(), BLANK_MODE)
    else:
        # In place: owner, mode and links of the file stay.
        with open(step.path, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(step.text)


def by_rule(steps: Sequence[Step], root: str) -> Dict[str, List[str]]:
    """Return rule id -> paths as the image sees them, of the rules that found something."""
    base = os.path.realpath(root).rstrip("/")
    found: Dict[str, List[str]] = {}
    for step in steps:
        found.setdefault(step.rule, []).append(step.path[len(base) :])
    return found


def own_files(root: str, paths: Sequence[Optional[str]]) -> Tuple[str, ...]:
    """Return those of ``paths`` that the running program needs and a rule would take away from under it.

    Ansible unpacks a module below a temporary folder or below .ansible in a home; the caller passes its own file,
    its temporary folder and Python's search path.
    """
    base = os.path.realpath(root).rstrip("/")
    places = (base + "/tmp/", base + "/var/tmp/")
    real = [os.path.realpath(path) for path in paths if path]
    return tuple(path for path in real if path.startswith(places) or "/.ansible/" in path)
