"""Bases: a distribution's root file system with a kernel and what it takes to boot, made by mmdebstrap.

A base keeps the package index that it was made with, and every layer on it uses that index: layers baked days apart on
the same base stand on the same archive. The base's key says what was asked for, its digest also what the archive held.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from gpuforge.errors import Problem
from gpuforge.files import canonical, sha256
from gpuforge.providers.local.store import Store
from gpuforge.spec import Base

_VERSION: Final = 1  # of the recipe below; raising it makes every base anew
_DAY: Final = 86400.0
_ARCHIVE_SECONDS: Final = 20.0  # time limit of the question whether an archive answers

# The layers use the index that is in the tree, so it is kept; translations are never read on a node.
_APT_OPTIONS: Final = ('Acquire::Languages "none"', 'APT::Install-Recommends "false"', 'Acquire::Retries "3"')


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a base is made of. ``sources`` are one-line apt sources; ``key`` is the digest of all of it."""

    distribution: str
    release: str
    version: str
    packages: tuple[str, ...]
    components: tuple[str, ...]
    sources: tuple[str, ...]
    keyring: str
    keyring_package: str

    @property
    def key(self) -> str:
        """Digest of what was asked for."""
        return sha256(canonical([_VERSION, self.release, self.packages, self.components, self.sources, _APT_OPTIONS]))


@cache
def _data() -> Mapping[str, Any]:
    data: Mapping[str, Any] = yaml.safe_load((files("gpuforge") / "data/bases.yml").read_text(encoding="utf-8"))
    return data


def recipe(base: Base) -> Recipe:
    """The recipe for the spec's *base*, whose distribution and release the spec has checked."""
    data = _data()[base.distribution]
    mirror, security = base.mirror or data["mirror"], base.security_mirror or data["security_mirror"]
    components = tuple(data["components"])
    signed = f"[signed-by={data['keyring']}]"
    suites = [(mirror, suite.format(release=base.release)) for suite in data["suites"]]
    suites.append((security, data["security"].format(release=base.release)))
    return Recipe(
        distribution=base.distribution,
        release=base.release,
        version=data["releases"][base.release]["version"],
        packages=tuple(sorted({*data["packages"], *data["boot"], *data["kernel"][base.kernel]})),
        components=components,
        sources=tuple(f"deb {signed} {url} {suite} {' '.join(components)}" for url, suite in suites),
        keyring=data["keyring"],
        keyring_package=data["keyring_package"],
    )


def archive_problems(wanted: Recipe) -> list[Problem]:
    """Why a base cannot be made now: no keyring, or an archive that does not answer. Asks the network."""
    problems = []
    if not Path(wanted.keyring).is_file():
        problems.append(
            Problem(
                "base.distribution",
                f"the archive keyring of {wanted.distribution} is not on this machine ({wanted.keyring})",
                "packages are only taken from an archive whose signature can be checked",
                f"install the package {wanted.keyring_package}",
            )
        )
    for url, suite in dict.fromkeys((source.split()[2], source.split()[3]) for source in wanted.sources):
        target = f"{url.rstrip('/')}/dists/{suite}/InRelease"
        try:
            if not url.startswith(("http://", "https://")):
                continue  # file: and copy: archives are read by apt itself
            request = urllib.request.Request(target, method="HEAD")
            with urllib.request.urlopen(request, timeout=_ARCHIVE_SECONDS):
                pass
        except (urllib.error.URLError, OSError, ValueError) as exc:
            reason = getattr(exc, "reason", exc)
            problems.append(
                Problem(
                    "base.mirror",
                    f"{target} cannot be reached: {reason}",
                    f"the base {wanted.distribution} {wanted.release} is made from it",
                    "check the network and the proxy, or name a mirror with base.mirror and base.security_mirror",
                )
            )
    return problems


# Downloaded packages are kept for the next base. The hooks are constants; the folder comes by the environment.
ARCHIVES: Final = "GPUFORGE_ARCHIVES"
_MOUNT_ARCHIVES: Final = (
    f'mkdir -p "$1/var/cache/apt/archives" && mount --bind "${ARCHIVES}" "$1/var/cache/apt/archives"'
)
_UNMOUNT_ARCHIVES: Final = 'umount "$1/var/cache/apt/archives"'


def mmdebstrap_argv(wanted: Recipe, tree: Path) -> list[str]:
    """The command that makes the base in *tree*."""
    return [
        "mmdebstrap", "--mode=root", "--variant=apt", "--skip=cleanup/apt",
        f"--components={','.join(wanted.components)}",
        f"--include={','.join(wanted.packages)}",
        *(f"--aptopt={option}" for option in _APT_OPTIONS),
        "--skip=download/empty", "--skip=essential/unlink",
        f"--setup-hook={_MOUNT_ARCHIVES}", f"--customize-hook={_UNMOUNT_ARCHIVES}",
        wanted.release, str(tree), *wanted.sources,
    ]  # fmt: skip


def index_digest(tree: Path) -> str:
    """Digest of the package lists in *tree*: of what the archive held, not of when it said so."""
    lists = sorted((tree / "var/lib/apt/lists").glob("*_Packages*"))
    return sha256(canonical([(path.name, sha256(path.read_bytes())) for path in lists]))


def base_digest(wanted: Recipe, index: str) -> str:
    """The digest of a base made from *wanted* on an archive with this index."""
    return sha256(canonical([wanted.key, index]))


@dataclass(frozen=True, slots=True)
class CurrentBase:
    """The newest base of a recipe in the store; ``stale`` says why it has to be renewed (empty: it has not)."""

    digest: str
    stale: str


def current_base(store: Store, wanted: Recipe, max_age_days: int, *, refresh: bool) -> CurrentBase | None:
    """The base to build on, or None where the store has none for *wanted*."""
    found = [
        (record["created"], digest)
        for digest, record in store.entries("base")
        if record["meta"].get("key") == wanted.key
    ]
    if not found:
        return None
    created, digest = max(found)
    age = (time.time() - created) / _DAY
    if refresh:
        return CurrentBase(digest, "asked to refresh the package index")
    if age > max_age_days:
        return CurrentBase(
            digest, f"its package index is {age:.1f} days old, more than base.max_age_days={max_age_days}"
        )
    return CurrentBase(digest, "")


def epoch() -> int | None:
    """SOURCE_DATE_EPOCH in seconds, where it is set."""
    value = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(value) if value.isdigit() else None
