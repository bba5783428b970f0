# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Make every container engine of a machine know NVIDIA's runtime, or make all of them forget it.

What was there before is remembered in /etc/gpuforge/container-engines.json.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from . import _container_engines as engines
from ._container_engines import Edit, Engine, EngineError
from ._machine import Host

RECORD = "/etc/gpuforge/container-engines.json"


def ensure(host: Host, wanted: Optional[Sequence[str]], default: bool, check_mode: bool) -> Dict[str, Any]:
    """Complete the configuration of the engines that are there, and undo that of those that left. Returns the result.

    :param wanted: names of engines to look at; None for all.
    :raises EngineError: nothing was changed.
    """
    there = engines.find(host)
    chosen = [engine for engine in there if wanted is None or engine.name in wanted]
    record = _load(host)
    edits, after = _edits(host, chosen, record, default)
    made = {folder for edit in edits if edit.text is not None for folder in host.missing_folders(edit.path)}
    if after:
        after["folders"] = sorted(made | {*record.get("folders", [])})
    text = json.dumps({"version": 1, **after}, indent=2, sort_keys=True) + "\n" if after else None
    edits.append(Edit(RECORD, text))
    return _finish(host, edits, chosen, check_mode)


def remove(host: Host, check_mode: bool) -> Dict[str, Any]:
    """Take back what was written."""
    there = engines.find(host)
    record = _load(host)
    edits, _after = _edits(host, [], record, False)
    result = _finish(host, [*edits, Edit(RECORD, None)], there, check_mode)
    if not check_mode:
        for folder in [*sorted(record.get("folders", []), reverse=True), os.path.dirname(RECORD)]:
            host.remove_folder(folder)
    return result


def _load(host: Host) -> Dict[str, Any]:
    text = host.read(RECORD)
    if text is None:
        return {}
    try:
        body = json.loads(text)
        if body.pop("version") != 1:
            raise ValueError("another version")
        return dict(body)
    except (ValueError, KeyError, AttributeError) as exc:
        raise EngineError("%s is damaged (%s): remove it, and what it describes, by hand" % (RECORD, exc)) from None


def _edits(
    host: Host, chosen: Sequence[Engine], record: Mapping[str, Any], default: bool
) -> Tuple[List[Edit], Dict[str, Any]]:
    """The edits, and what is to be remembered of them."""
    versions = {engine.name: engine.version for engine in chosen}
    edits: List[Edit] = []
    after: Dict[str, Any] = {}
    problems: List[str] = []
    for work in (_docker, _containerd):
        try:
            work(host, versions, record, default, edits, after)
        except EngineError as exc:
            problems.append(str(exc))
    _crio(versions, record, default, edits, after)
    if problems:
        raise EngineError("; ".join(problems))
    return edits, after


def _docker(
    host: Host,
    versions: Mapping[str, str],
    record: Mapping[str, Any],
    default: bool,
    edits: List[Edit],
    after: Dict[str, Any],
) -> None:
    text = host.read(engines.DOCKER)
    old = record.get("docker")
    if "docker" not in versions and old is None:
        return
    body = engines.read_docker(text)
    # What an earlier run wrote goes first: the version or the wish for a default may have changed since.
    bare = engines.without(body, old["ours"], old["before"]) if old else body
    if "docker" not in versions:
        if text is not None and old is not None:
            edits.append(Edit(engines.DOCKER, _restored(text, body, bare, old)))
        return
    ours = engines.docker(versions["docker"], default)
    wanted = engines.merged(bare, ours)
    edits.append(Edit(engines.DOCKER, text if text is not None and wanted == body else engines.render_docker(wanted)))
    before = {key: bare[key] for key in ours if key in bare}
    shown = old["text"] if old else text
    after["docker"] = {"ours": ours, "before": before, "text": shown}


def _restored(text: str, body: Mapping[str, Any], bare: Mapping[str, Any], old: Mapping[str, Any]) -> Optional[str]:
    """Docker's file as it was, letter by letter where nobody else changed it since; None where we made it."""
    original = old["text"]
    if bare == engines.read_docker(original):
        return None if original is None else str(original)
    return text if bare == body else engines.render_docker(bare)


def _containerd(
    host: Host,
    versions: Mapping[str, str],
    record: Mapping[str, Any],
    default: bool,
    edits: List[Edit],
    after: Dict[str, Any],
) -> None:
    text = host.read(engines.CONTAINERD)
    if "containerd" in versions:
        edit = engines.containerd(text, versions["containerd"], default)
        _refuse_imported(host, text or "", versions["containerd"])
        if not (text is None and not edit.text):
            edits.append(edit)
        if not edit.note:
            made = record["containerd"]["made"] if "containerd" in record else text is None
            after["containerd"] = {"made": made}
    elif text is not None and "containerd" in record:
        rest = engines.without_containerd(text)
        edits.append(Edit(engines.CONTAINERD, rest if rest or not record["containerd"]["made"] else None))


def _refuse_imported(host: Host, text: str, version: str) -> None:
    """Refuse files that containerd 1 would take the plugin's whole section from, ours in it lost without a word."""
    patterns = engines.containerd_imports(text, version)
    found = [path for pattern in patterns for path in host.glob(pattern) if engines.has_section(host.read(path) or "")]
    if found:
        raise EngineError(
            "%s imports %s, with a section of the CRI plugin: containerd 1 takes the whole section from there, so the "
            "runtime would be lost. Move it into %s, and run this again"
            % (engines.CONTAINERD, ", ".join(found), engines.CONTAINERD)
        )


def _crio(
    versions: Mapping[str, str],
    record: Mapping[str, Any],
    default: bool,
    edits: List[Edit],
    after: Dict[str, Any],
) -> None:
    if "crio" in versions:
        edits.append(Edit(engines.CRIO, engines.crio(default)))
        after["crio"] = {}
    elif "crio" in record:
        edits.append(Edit(engines.CRIO, None))


def _finish(host: Host, edits: Sequence[Edit], shown: Sequence[Engine], check_mode: bool) -> Dict[str, Any]:
    before = {edit.path: host.read(edit.path) for edit in edits}
    todo = [edit for edit in edits if before[edit.path] != edit.text]
    if todo and not check_mode:
        _apply(host, todo, before)
    touched = {edit.path for edit in todo}
    notes = {edit.path: edit.note for edit in edits}
    paths = {"docker": engines.DOCKER, "containerd": engines.CONTAINERD, "crio": engines.CRIO}
    return {
        "changed": bool(todo),
        "engines": {
            engine.name: {
                "version": engine.version,
                "changed": paths.get(engine.name) in touched,
                "note": notes.get(paths.get(engine.name, ""), ""),
            }
            for engine in shown
        },
        "diff": [
            {
                "before_header": edit.path,
                "after_header": edit.path,
                "before": before[edit.path] or "",
                "after": edit.text or "",
            }
            for edit in todo
        ],
    }


def _apply(host: Host, todo: Sequence[Edit], before: Mapping[str, Optional[str]]) -> None:
    done: List[Edit] = []
    made = [folder for edit in todo if edit.text is not None for folder in host.missing_folders(edit.path)]
    try:
        for edit in todo:
            done.append(edit)
            _put(host, edit.path, edit.text)
    except OSError as exc:
        for edit in done:
            _put(host, edit.path, before[edit.path])
        for folder in sorted(made, reverse=True):
            host.remove_folder(folder)
        raise EngineError("%s: %s; everything is as it was" % (exc.filename, exc.strerror or exc)) from exc


def _put(host: Host, path: str, text: Optional[str]) -> None:
    if text is None:
        host.remove(path)
        return
    mode = os.stat(host.real(path)).st_mode & 0o7777 if host.exists(path) else 0o644
    host.write_file(path, text, mode)
