# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""A named set of packages at exact versions, with the repository they come from: planned whole, then done."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ._apt_plan import refuse, resolve, simulate
from ._apt_repo import Repository, RepositoryError, check_key, owners_of, refuse_expired, rivals
from ._apt_request import RECORDS, Record, Request, SetError, Wish, check, load_record, pins
from ._apt_tools import LISTS, Apt, AptError, Step, release_text, stage
from ._dpkg import Package, interrupted, read_packages
from ._machine import Host
from ._openpgp import BadKey, armor, dearmor, expiries

INDEX_AGE_S = 86400
_UNFINISHED = ("half-installed", "unpacked", "half-configured")


@dataclass
class Plan:
    """What is to be done. ``files`` has the text of each file, None for one that goes."""

    files: Dict[str, Optional[str]]
    steps: List[Step]
    words: List[str]
    versions: Dict[str, str]
    fetch: bool = False  # the repository's index is to be fetched
    repair: bool = False  # dpkg was interrupted, and has to finish first
    waited: List[str] = field(default_factory=list)  # for which programs that had a lock


def ensure(host: Host, request: Request) -> Dict[str, Any]:
    """Make the machine hold the set, and return the module's result.

    :raises SetError, RepositoryError, AptError: nothing was changed, or what was changed has been put back.
    """
    check(request)
    record = load_record(host, request.record_path)
    have = read_packages(host.root)
    plan = make_plan(host, request, record, have)
    before = {path: host.read(path) for path in plan.files}
    changed = bool(plan.steps or plan.fetch or plan.repair) or before != plan.files
    if changed and not request.check_mode:
        apply(host, request, record, plan, have, before)
    return {
        "changed": changed,
        "diff": _diff(before, plan),
        "versions": plan.versions,
        "packages": [{"name": one.name, "before": one.before, "after": one.after} for one in plan.steps],
        "kept": [],
        "waited": plan.waited,
    }


def make_plan(host: Host, request: Request, record: Record, have: Mapping[str, Package]) -> Plan:
    """Read, resolve and let apt simulate; touches nothing but, where it is too old, the package index."""
    now = {name: package.version for name, package in have.items() if package.installed}
    there = {name for name, package in have.items() if _there(package)}
    key, source, files = "", "", {}  # type: str, str, Dict[str, Optional[str]]
    repository = request.repository
    if repository:
        key = wanted_key(host, repository, request.key)
        source = repository.source(
            repository.key_path, sorted({*owners_of(host.read(repository.source_path) or ""), request.name})
        )
        others = rivals(host, repository)
        if others:
            raise RepositoryError(
                "%s is already configured in %s, and apt refuses a repository that two files describe. Remove it there "
                "(apt-get purge cuda-keyring, where that package brought it), and run this again"
                % (repository.uri, ", ".join(others))
            )
        files = {repository.key_path: key, repository.source_path: source}
    unmet = [wish for wish in request.wishes if wish.name not in now or not wish.met_by(now[wish.name])]
    wanted = {wish.name for wish in request.wishes}
    leaving = sorted(({*request.absent} | ({*record.asked} & {*record.brought} - wanted)) & there)
    in_place = all(host.read(path) == text for path, text in files.items())
    fetch = bool(repository) and (not in_place or not release_text(host, repository))  # type: ignore[arg-type]
    # Where nothing is to come from it, a key may have expired.
    if repository and (unmet or fetch):
        key = valid_key(repository, key, request.key)
        files[repository.key_path] = key
    versions = {wish.name: now[wish.name] for wish in request.wishes if wish not in unmet}
    steps: List[Step] = []
    words: List[str] = []
    release = release_text(host, repository) if repository else ""
    repair = interrupted(host.root) or any(package.state in _UNFINISHED for package in have.values())
    waited: List[str] = []
    if unmet or leaving or fetch or repair:
        with _apt(host, request, key, unmet, fetch) as (apt, staged):
            release = staged or release
            chosen = resolve(apt, unmet, repository)
            versions.update(chosen)
            # The newest one need not be apt's candidate: one of backports, for instance, is not.
            free = {wish.name for wish in unmet if not wish.version}
            words = [
                "--purge",
                "install",
                *(name if name in free else "%s=%s" % (name, version) for name, version in sorted(versions.items())),
                *(n + "-" for n in leaving),
            ]
            steps = simulate(apt, words, have) if unmet or leaving else []
            versions.update({step.name: step.after for step in steps if step.name in free})
            refuse(request, record, steps, leaving, have)
            waited = apt.waited
    if repository:
        files[repository.preference_path] = repository.preference(release)
    files[request.pin_path] = pins(request, versions)
    new = {step.name for step in steps if step.after and step.name not in there}
    # What a killed run left half-done is there: it was that run that brought it.
    kept = {name for name in record.brought if name in there} - {step.name for step in steps if not step.after}
    files[request.record_path] = Record(sorted(wanted), sorted(kept | new)).text()
    return Plan(files, steps, words, versions, fetch, repair, waited)


def _there(package: Package) -> bool:
    return package.state not in ("not-installed", "config-files")


def wanted_key(host: Host, repository: Repository, fetch: Callable[[], bytes]) -> str:
    """The armored key: the one that is there while it is right, else a fetched one that is.

    :raises RepositoryError: the key is another one than expected.
    """
    now = host.read(repository.key_path)
    if now is not None:
        try:
            check_key(repository, now.encode())
        except RepositoryError:
            now = None  # somebody changed it, or the fingerprint that is wanted has changed
    if now is not None:
        return now
    data = fetch()
    check_key(repository, data)
    try:
        return armor(dearmor(data))
    except BadKey as exc:
        raise RepositoryError("the key of %s: %s" % (repository.uri, exc)) from None


def valid_key(repository: Repository, key: str, fetch: Callable[[], bytes]) -> str:
    """The key, or where it has expired the one that its owner has prolonged since. Raises RepositoryError."""
    if not any(end <= time.time() for end in expiries(key.encode()).values()):
        return key
    data = fetch()
    check_key(repository, data)
    refuse_expired(repository, data, time.time())
    return armor(dearmor(data))


@contextlib.contextmanager
def _apt(host: Host, request: Request, key: str, unmet: Sequence[Wish], fetch: bool) -> Iterator[Tuple[Apt, str]]:
    """Apt as it is, or on a stage where the repository's index is not there or lacks what is wanted."""
    own = Apt(host, lock_s=request.lock_s)
    if unmet and request.update and not request.check_mode and _index_age(host) > INDEX_AGE_S:
        own.update()
    # A family's pins have to be among the preferences before apt plans.
    pinned = [(request.pin_path, pins(request, {}) or "")] if request.family else []
    lacking = fetch or bool(unmet and any(text not in (host.read(path) or "") for path, text in pinned))
    if not lacking and request.repository and unmet:
        known = own.versions([wish.name for wish in unmet])
        lacking = any(not any(wish.met_by(one) for one in known.get(wish.name, [])) for wish in unmet)
    if lacking and request.repository:
        with stage(host, request.repository, key, pinned, request.lock_s) as staged:
            yield staged
    else:
        yield own, ""


def _index_age(host: Host) -> float:
    """Seconds since the package index was fetched; the folder's time changes with each new file in it."""
    return time.time() - os.stat(host.real(LISTS)).st_mtime


def apply(
    host: Host,
    request: Request,
    record: Record,
    plan: Plan,
    have: Mapping[str, Package],
    before: Mapping[str, Optional[str]],
) -> None:
    """Write the files, then let apt act. The files are put back where apt changed nothing."""
    made = [folder for path in plan.files for folder in host.missing_folders(path)]
    apt = Apt(host, lock_s=request.lock_s)
    try:
        for path, text in plan.files.items():
            _set(host, path, text)
        if plan.fetch and request.repository:
            apt.update(request.repository.source_path)
        if plan.repair:
            _repair(apt, plan)
        if plan.steps:
            apt.act(plan.words)
            _drop_unneeded(host, apt, request, record)
        plan.waited += apt.waited
    except (AptError, OSError):
        if read_packages(host.root) == have:
            for path, text in before.items():
                _set(host, path, text)
            if request.repository and before[request.repository.source_path] is None:
                _drop_lists(host, request.repository)
            for folder in sorted(made, reverse=True):
                host.remove_folder(folder)
        raise


def _repair(apt: Apt, plan: Plan) -> None:
    """Let dpkg finish. What it cannot finish because it is broken may be about to be replaced; apt says so if not."""
    try:
        apt.repair()
    except AptError:
        if not plan.steps:
            raise


def _drop_unneeded(host: Host, apt: Apt, request: Request, record: Record) -> None:
    """Take away what an earlier run of this set brought and nothing needs any more."""
    unneeded = _purge_unneeded(apt, record)
    if unneeded:
        now = load_record(host, request.record_path)
        now.brought = [name for name in now.brought if name not in unneeded]
        host.write_file(request.record_path, now.text())


def remove(host: Host, request: Request) -> Dict[str, Any]:
    """Take away what the set brought, its pins, and the repository when nobody else uses it."""
    record = load_record(host, request.record_path)
    have = read_packages(host.root)
    apt = Apt(host, lock_s=request.lock_s)
    leaving = [name for name in record.asked if name in record.brought and name in have and _there(have[name])]
    leaving, kept = _may_leave(apt, request, record, leaving)
    steps = apt.simulate(["--auto-remove", "purge", *leaving]) if leaving else []
    steps = [step for step in steps if step.name in record.brought]
    files: Dict[str, Optional[str]] = {request.pin_path: None, request.record_path: None}
    repository, last = request.repository, False
    text = host.read(repository.source_path) if repository else None
    if repository and text is not None and request.name in owners_of(text):
        others = [name for name in owners_of(text) if name != request.name]
        last = not others
        files[repository.source_path] = None if last else repository.source(repository.key_path, others)
        if last:
            files.update({repository.key_path: None, repository.preference_path: None})
    before = {path: host.read(path) for path in files}
    changed = bool(steps) or before != files
    if changed and not request.check_mode:
        if interrupted(host.root):
            _repair(apt, Plan(files, steps, [], {}))
        if leaving:
            apt.act(["purge", *leaving])
        _purge_unneeded(apt, record)
        for path, wanted in files.items():
            _set(host, path, wanted)
        if repository and last:
            _drop_lists(host, repository)
        for folder in (RECORDS, os.path.dirname(RECORDS)):
            host.remove_folder(folder)
    return {
        "changed": changed,
        "diff": _diff(before, Plan(files, steps, [], {})),
        "versions": {},
        "packages": [{"name": one.name, "before": one.before, "after": ""} for one in steps],
        "kept": kept,
        "waited": apt.waited,
    }


def _may_leave(apt: Apt, request: Request, record: Record, names: List[str]) -> Tuple[List[str], List[str]]:
    """Those of the packages that may go, and those that stay because something needs them that came otherwise.

    :raises SetError: a repository's own packages are needed. They do not stay without their repository.
    """

    def strange(which: Sequence[str]) -> List[str]:
        steps = apt.simulate(["purge", *which]) if which else []
        return [step.name for step in steps if not step.after and step.name not in record.brought]

    others = strange(names)
    if others and request.repository:
        raise SetError("%s would go with it, and did not come with it" % ", ".join(others))
    kept = [name for name in names if strange([name])] if others else []
    return [name for name in names if name not in kept], kept


def _purge_unneeded(apt: Apt, record: Record) -> List[str]:
    """Purge what the set brought and nothing needs any more; return its names."""
    unneeded = [step.name for step in apt.simulate(["autoremove"]) if not step.after and step.name in record.brought]
    if unneeded:
        apt.act(["purge", *unneeded])
    return unneeded


def _drop_lists(host: Host, repository: Repository) -> None:
    for path in host.glob("%s/%s*" % (LISTS, repository.list_name())):
        host.remove(path)


def _set(host: Host, path: str, text: Optional[str]) -> None:
    if text is None:
        host.remove(path)
    elif host.read(path) != text:
        host.write_file(path, text)


def _diff(before: Mapping[str, Optional[str]], plan: Plan) -> List[Dict[str, str]]:
    found = []
    for path, text in plan.files.items():
        if before[path] != text:
            old, new = before[path] or "", text or ""
            found.append({"before_header": path, "after_header": path, "before": old, "after": new})
    if plan.steps:
        old = "".join("%s %s\n" % (one.name, one.before) for one in plan.steps if one.before)
        new = "".join("%s %s\n" % (one.name, one.after) for one in plan.steps if one.after)
        found.append({"before_header": "packages", "after_header": "packages", "before": old, "after": new})
    if plan.repair:
        words = {"before": "interrupted\n", "after": "whole\n"}
        found.append({"before_header": "dpkg", "after_header": "dpkg", **words})
    return found
