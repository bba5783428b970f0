# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A named set of small files and links that one owner writes: what leaves the set leaves the machine.

The set is remembered in /etc/gpuforge/files/NAME.json, so that the next run knows what it wrote before, what somebody
changed since, and which folders were made for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from ._machine import Host

RECORDS = "/etc/gpuforge/files"
_VERSION = 1
_NAME = re.compile(r"^[a-z][a-z0-9_-]*$")


class FileSetError(Exception):
    """The wanted set is impossible or could not be written; the message has every reason."""


class Wanted(NamedTuple):
    """One file (``text`` and ``mode``) or link (``target``)."""

    path: str
    text: str = ""
    mode: int = 0o644
    target: Optional[str] = None


class Seen(NamedTuple):
    """What lies at a path now. ``kind`` is none, file, link or other."""

    kind: str
    text: str = ""
    mode: int = 0
    owner: int = 0

    def shown(self) -> str:
        """The text a diff shows."""
        return f"link to {self.text}\n" if self.kind == "link" else self.text


@dataclass
class Record:
    """What an earlier run wrote: digest of each file, target of each link, folders made."""

    files: Dict[str, str] = field(default_factory=dict)
    links: Dict[str, str] = field(default_factory=dict)
    folders: List[str] = field(default_factory=list)

    def text(self) -> str:
        """As it lies on disk."""
        body = {"version": _VERSION, "files": self.files, "links": self.links, "folders": self.folders}
        return json.dumps(body, indent=2, sort_keys=True) + "\n"


def record_path(name: str) -> str:
    """Where the set *name* is remembered."""
    return f"{RECORDS}/{name}.json"


def load_record(host: Host, name: str) -> Optional[Record]:
    """The record of a set, or None where there is none.

    :raises FileSetError: it is damaged: what is owned is then not known.
    """
    text = host.read(record_path(name))
    if text is None:
        return None
    try:
        body = json.loads(text)
        if body["version"] != _VERSION:
            raise ValueError("another version")
        return Record(dict(body["files"]), dict(body["links"]), list(body["folders"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise FileSetError(f"{record_path(name)} is damaged ({exc}); remove it to start anew") from exc


def digest(text: str) -> str:
    """SHA-256 of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def look(host: Host, path: str) -> Seen:
    """What lies at *path*; raises OSError when that cannot be told."""
    real = host.real(path, follow_last=False)
    try:
        info = os.lstat(real)
    except (FileNotFoundError, NotADirectoryError):
        return Seen("none")
    if stat.S_ISLNK(info.st_mode):
        return Seen("link", os.readlink(real))
    if not stat.S_ISREG(info.st_mode):
        return Seen("other")
    with open(real, encoding="utf-8", errors="replace", newline="") as stream:
        return Seen("file", stream.read(), stat.S_IMODE(info.st_mode), info.st_uid)


def check(name: str, wanted: List[Wanted]) -> List[str]:
    """Return everything that is wrong with a set before anything is read."""
    problems = [] if _NAME.match(name) else [f"name: {name!r} is no name such as multinode"]
    seen: Dict[str, int] = {}
    for item in wanted:
        if not item.path.startswith("/") or os.path.normpath(item.path) != item.path or item.path == "/":
            problems.append(f"{item.path!r} is no plain absolute path")
        if item.target is None and not 0 <= item.mode <= 0o7777:
            problems.append(f"{item.path}: mode {item.mode:o} is out of range")
        if item.target is not None and not item.target:
            problems.append(f"{item.path}: the link has no target")
        seen[item.path] = seen.get(item.path, 0) + 1
    return problems + [f"{path} is in the set {count} times" for path, count in seen.items() if count > 1]


def _right(item: Wanted, now: Seen, own_uid: int) -> bool:
    if item.target is not None:
        return now.kind == "link" and now.text == item.target
    return now.kind == "file" and (now.text, now.mode, now.owner) == (item.text, item.mode, own_uid)


def ensure(host: Host, name: str, wanted: List[Wanted], *, check_mode: bool = False) -> Dict[str, Any]:
    """Make the machine hold exactly the set; an empty one removes all of it. Returns the module's result.

    :raises FileSetError: nothing was changed, or what was changed has been put back.
    """
    problems = check(name, wanted)
    if problems:
        raise FileSetError("; ".join(problems))
    record = load_record(host, name)
    before = record or Record()
    try:
        paths = dict.fromkeys([item.path for item in wanted] + sorted([*before.files, *before.links]))
        now = {path: look(host, path) for path in paths}
    except OSError as exc:
        raise FileSetError(f"{exc.filename}: {exc.strerror or exc}") from exc
    odd = [path for path, seen in now.items() if seen.kind == "other"]
    if odd:
        raise FileSetError(f"neither a file nor a link, so it is left alone: {', '.join(odd)}")
    drifted = [path for path, sha in before.files.items() if now[path].kind == "file" and digest(now[path].text) != sha]
    uid = os.geteuid()
    todo = [item for item in wanted if not _right(item, now[item.path], uid)]
    leaving = [path for path in paths if path not in {item.path for item in wanted} and now[path].kind != "none"]
    after = Record(
        {item.path: digest(item.text) for item in wanted if item.target is None},
        {item.path: item.target for item in wanted if item.target is not None},
        sorted({*before.folders, *(folder for item in wanted for folder in host.missing_folders(item.path))}),
    )
    stale = (after.text() != before.text() or record is None) if wanted else record is not None
    changed = bool(todo or leaving or stale)
    diff = _diff(todo, leaving, now)
    if stale:
        path, old = record_path(name), before.text() if record else ""
        new = after.text() if wanted else ""
        diff.append({"before_header": path, "after_header": path, "before": old, "after": new})
    if changed and not check_mode:
        _apply(host, name, todo, leaving, after if wanted else None, before, now)
    return {
        "changed": changed,
        "files": sorted([item.path for item in todo] + leaving),
        "drifted": sorted(drifted),
        "diff": diff,
    }


def _apply(
    host: Host,
    name: str,
    todo: List[Wanted],
    leaving: List[str],
    after: Optional[Record],
    before: Record,
    now: Mapping[str, Seen],
) -> None:
    done: List[str] = []
    made = host.missing_folders(record_path(name))
    try:
        # The record first: whoever kills this run leaves files that the next one knows as its own.
        if after is not None:
            host.write_file(record_path(name), after.text())
        for item in todo:
            done.append(item.path)
            _write(host, item)
        for path in leaving:
            host.remove(path)
            done.append(path)
    except OSError as exc:
        for path in done:
            if look(host, path) != now[path]:
                _put_back(host, path, now[path])
        if before.files or before.links:
            host.write_file(record_path(name), before.text())
        else:
            host.remove(record_path(name))
        new = [folder for folder in after.folders if folder not in before.folders] if after is not None else []
        for folder in sorted([*made, *new], reverse=True):
            host.remove_folder(folder)
        raise FileSetError(f"{exc.filename}: {exc.strerror or exc}; everything is as it was") from exc
    if after is None:
        host.remove(record_path(name))
        for folder in [RECORDS, os.path.dirname(RECORDS), *sorted(before.folders, reverse=True)]:
            host.remove_folder(folder)


def _write(host: Host, item: Wanted) -> None:
    if item.target is not None:
        host.write_link(item.path, item.target)
        return
    if host.readlink(item.path) is not None:
        host.remove(item.path)  # the set wants a file here; what the link leads to is not ours
    host.write_file(item.path, item.text, item.mode)


def _put_back(host: Host, path: str, seen: Seen) -> None:
    if seen.kind == "none":
        host.remove(path)
    elif seen.kind == "link":
        host.write_link(path, seen.text)
    else:
        host.write_file(path, seen.text, seen.mode)


def _diff(todo: List[Wanted], leaving: List[str], now: Mapping[str, Seen]) -> List[Dict[str, str]]:
    found = []
    for item in todo:
        after = f"link to {item.target}\n" if item.target is not None else item.text
        seen = now[item.path]
        before = seen.shown()
        if before == after:  # only the mode or the owner
            before, after = f"mode {seen.mode:04o}, owner {seen.owner}\n", f"mode {item.mode:04o}, owner 0\n"
        found.append({"before_header": item.path, "after_header": item.path, "before": before, "after": after})
    for path in leaving:
        found.append({"before_header": path, "after_header": path, "before": now[path].shown(), "after": ""})
    return found
