# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""apt's programs, on the machine's own settings or on a stage: a copy of the settings with a repository that is not
configured yet, so that what apt would do is known before anything of the machine is touched."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ._apt_faults import lock_of, meaning
from ._apt_repo import Repository
from ._machine import Host

LISTS = "/var/lib/apt/lists"
PREFERENCES = "/etc/apt/preferences.d"
SOURCES = "/etc/apt/sources.list.d"
_UPDATE_S, _INSTALL_S, _ASK_S = 600.0, 7200.0, 120.0  # a CUDA toolkit is gigabytes
#: How long another program may have apt's or dpkg's lock, and how often to look; in seconds.
LOCK_S, _LOOK_S = 300.0, 3.0
#: What packages' scripts get of the task's environment: the way out to the network, and what DKMS signs with.
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "sign_file", "mok_signing_key", "mok_certificate")
_STEP = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+))?", re.MULTILINE)
_MADISON = re.compile(r"^\s*(\S+) [|]\s*(\S+) [|]", re.MULTILINE)


class AptError(Exception):
    """apt refused or failed; the message has its last lines."""


class Step(NamedTuple):
    """What apt would do with one package: ``before`` "" for a new one, ``after`` "" for one that goes."""

    name: str
    before: str
    after: str


class Apt:
    """apt-get and apt-cache. ``settings`` are its ``-o`` values.

    :param lock_s: seconds to wait for a lock that another program has.
    """

    def __init__(self, host: Host, settings: Sequence[str] = (), lock_s: float = LOCK_S) -> None:
        self._host = host
        self._settings = tuple("-o=" + one for one in settings)
        self._lock_s = lock_s
        self.waited: List[str] = []  # for whom, and how long

    def _run(self, argv: Sequence[str], doing: str, timeout_s: float) -> str:
        # The host gives programs an environment of its own.
        passed = [name + "=" + os.environ[name] for name in _PASSED if name in os.environ]
        began, lock = time.monotonic(), lock_of("")
        # Not apt's own waiting: it knows one lock of the three, and does not say for whom it waited.
        while True:
            code, text = self._host.run(["env", "DEBIAN_FRONTEND=noninteractive", *passed, *argv], timeout_s)
            other = lock_of(text) if code else None
            past = time.monotonic() - began
            if other is None or past + _LOOK_S > self._lock_s:
                break
            lock = other
            time.sleep(_LOOK_S)
        if other:
            words = "%s failed: %s has %s, and still had it after %d s. Let it end, and run this again"
            raise AptError(words % (doing, other.who, other.path, past))
        if lock:
            self.waited.append("%s waited %d s for %s, which had %s" % (doing, past, lock.who, lock.path))
        if code:
            words = meaning(text)
            said = "\n".join(text.splitlines()[-12:])
            raise AptError("%s failed%s (%s):\n%s" % (doing, words and ": " + words, " ".join(argv[:3]), said))
        return text

    def update(self, source_path: Optional[str] = None) -> None:
        """Fetch the package index, of one source file or of all. Any part that fails is an error."""
        only: Tuple[str, ...] = ()
        if source_path:
            only = (
                "-o=Dir::Etc::SourceList=" + source_path,
                "-o=Dir::Etc::SourceParts=-",
                "-o=APT::Get::List-Cleanup=0",
            )
        options = ("-qq", "-o=APT::Update::Error-Mode=any")
        self._run(["apt-get", *self._settings, *only, *options, "update"], "Fetching the package index", _UPDATE_S)

    def versions(self, names: Sequence[str]) -> Dict[str, List[str]]:
        """The versions that can be had of each package, the newest first; no entry for one that is not known."""
        found: Dict[str, List[str]] = {}
        if names:
            text = self._run(["apt-cache", *self._settings, "madison", *names], "Asking what there is", _ASK_S)
            for name, version in _MADISON.findall(text):
                found.setdefault(name, [])
                if version not in found[name]:
                    found[name].append(version)
        return found

    def simulate(self, words: Sequence[str]) -> List[Step]:
        """What apt-get would do; packages on hold are in it, so that the caller can say which."""
        options = (*_QUIET, "--allow-change-held-packages", "--simulate")
        text = self._run(["apt-get", *self._settings, *options, *words], "Planning the packages", _ASK_S)
        return [
            Step(name, before, after if word == "Inst" else "") for word, name, before, after in _STEP.findall(text)
        ]

    def act(self, words: Sequence[str]) -> None:
        """Let apt-get do it."""
        options, keep = (*_QUIET, "-o=Dpkg::Options::=--force-confdef"), "-o=Dpkg::Options::=--force-confold"
        self._run(["apt-get", *self._settings, *options, keep, *words], "Changing the packages", _INSTALL_S)

    def repair(self) -> None:
        """Finish what a run that was killed left half-done."""
        self._run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"], "Repairing dpkg", _INSTALL_S)


_QUIET = (
    "-qq",
    "--yes",
    "--no-install-recommends",
    "--allow-downgrades",
    "-o=APT::AutoRemove::SuggestsImportant=false",
)


def release_text(host: Host, repository: Repository, lists: str = LISTS) -> str:
    """The text of the repository's Release file in apt's lists, "" where its index was never fetched."""
    for name in ("InRelease", "Release"):
        text = host.read("%s/%s%s" % (lists, repository.list_name(), name))
        if text:
            return text
    return ""


@contextlib.contextmanager
def stage(
    host: Host,
    repository: Repository,
    key: str,
    preferences: Sequence[Tuple[str, str]] = (),
    lock_s: float = LOCK_S,
) -> Iterator[Tuple[Apt, str]]:
    """Yield apt with the repository's index fetched to a folder of its own, and the text of its Release file.

    :param key: the armored key.
    :param lock_s: see Apt.
    :param preferences: files of apt's preferences (path, text) that count instead of the machine's of that name.
    :raises AptError: the repository cannot be reached or is signed by another key.
    """
    folder = tempfile.mkdtemp(prefix="gpuforge-apt-")
    try:
        os.chmod(folder, 0o755)
        paths = {name: os.path.join(folder, name) for name in ("lists", "sources", "preferences")}
        for path in paths.values():
            os.mkdir(path)
        os.mkdir(os.path.join(paths["lists"], "partial"))
        _link(host, LISTS, paths["lists"], ("partial", "lock", "auxfiles"))
        _link(host, SOURCES, paths["sources"], (os.path.basename(repository.source_path),))
        own = os.path.basename(repository.preference_path)
        _link(host, PREFERENCES, paths["preferences"], (own, *(os.path.basename(path) for path, _text in preferences)))
        for path, text in preferences:
            _write(os.path.join(paths["preferences"], os.path.basename(path)), text)
        key_path, source_path = os.path.join(folder, "key.asc"), os.path.join(folder, "sources", "gpuforge.sources")
        _write(key_path, key)
        _write(source_path, repository.source(key_path, []))
        apt = Apt(
            host,
            (
                "Dir::State::Lists=" + paths["lists"],
                "Dir::Etc::SourceParts=" + paths["sources"],
                "Dir::Etc::PreferencesParts=" + paths["preferences"],
                "Dir::Cache::pkgcache=",
                "Dir::Cache::srcpkgcache=",
                "APT::Sandbox::User=root",
            ),
            lock_s,
        )
        apt.update(source_path)
        release = release_text(host, repository, paths["lists"])
        _write(os.path.join(paths["preferences"], own), repository.preference(release))
        yield apt, release
    finally:
        shutil.rmtree(folder)


def _link(host: Host, source: str, target: str, but: Sequence[str]) -> None:
    for path in host.glob(source + "/*"):
        if os.path.basename(path) not in but:
            os.symlink(path, os.path.join(target, os.path.basename(path)))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, 0o644)
