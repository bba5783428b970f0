# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The facts of compat.yml as frozen types; schema.py says which values they may have.

Keys of the sections are versions or names as people write them. ``None`` means that nobody said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Tuple

Texts = Tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One fact. ``source`` are keys of the file's sources; ``inferred`` the keys of a certain row that are not."""

    id: str
    source: Texts
    certainty: str
    inferred: Texts

    def sure(self, *keys: str) -> bool:
        """Whether these values were read at their owner."""
        return self.certainty == "certain" and not set(keys) & set(self.inferred)


@dataclass(frozen=True)
class Branch(Row):
    """A driver branch. ``kind`` is lts, production, new_feature, developer or unknown; ``eol`` a month or unknown."""

    kind: str
    cuda: Optional[str]
    released: str
    eol: str
    newest: Optional[str]
    releases: Texts
    modules: Texts


@dataclass(frozen=True)
class Family(Row):
    """A CUDA major and the oldest driver that runs it."""

    floor: str


@dataclass(frozen=True)
class Toolkit(Row):
    """A CUDA toolkit; ``builds_for`` are the lowest and the highest compute capability, ``gcc`` a compiler's major."""

    branch: str
    builds_for: Texts
    gcc: int
    releases: Mapping[str, Optional[str]]


@dataclass(frozen=True)
class ForwardCompat(Row):
    """Where cuda-compat of a toolkit serves, is not needed, or breaks CUDA: driver branches."""

    useful: Texts
    needless: Texts
    broken: Texts


@dataclass(frozen=True)
class Generation(Row):
    """A GPU generation; ``first_branch`` and ``last_branch`` bound the drivers, ``last_major`` the toolkits."""

    capabilities: Texts
    first_branch: Optional[str]
    last_branch: Optional[str]
    modules: Texts
    open_from: Optional[str]
    first_toolkit: str
    last_major: Optional[str]


@dataclass(frozen=True)
class Product(Row):
    """A GPU one can buy; ``ids`` are PCI device ids in hexadecimal."""

    ids: Texts
    generation: str
    capability: str
    form: str
    first_branch: Optional[str]
    first_driver: Optional[str]


@dataclass(frozen=True)
class IdRange(Row):
    """What PCI device ids of a range most likely are."""

    generation: str


@dataclass(frozen=True)
class Archive:
    """What the distribution itself ships. ``last_kernel`` is the newest kernel that its driver builds with."""

    branches: Texts
    module: str
    last_kernel: Optional[str]


@dataclass(frozen=True)
class Distribution(Row):
    """A distribution and release."""

    names: Texts
    family: str
    repository: str
    key: str
    accepts: Texts
    archive: Optional[Archive]
    kernel: str
    gcc: int
    glibc: str
    oldest_toolkit: Optional[str]
    dcgm: bool
    containers: bool


@dataclass(frozen=True)
class Part(Row):
    """A package that has the driver's version."""

    first_branch: str
    unversioned_from: str
    package: str
    with_branch: str


@dataclass(frozen=True)
class Board(Row):
    """Boards with NVSwitches, by the generation of their GPUs."""

    first_branch: str
    plane: Texts
    kernel: Optional[str]


@dataclass(frozen=True)
class Component(Row):
    """What has versions of its own: DCGM, the container toolkit."""

    newest: str
    known: Texts
    usable_from: str
    lacking: str
    harm: str
    floor_driver: Optional[str]
    epoch: str
    packages: Texts
    also_for: Mapping[str, Texts]


@dataclass(frozen=True)
class BadVersion(Row):
    """Versions that must not be used (harm refuse), or not without knowing (harm warn)."""

    component: str
    versions: Texts
    harm: str
    why: str


@dataclass(frozen=True)
class Engine(Row):
    """A container engine."""

    first_version: str


@dataclass(frozen=True)
class DriverPackages(Row):
    """The packages of a driver for computing, by kernel module."""

    first: Optional[str]
    last: Optional[str]
    origin: str
    family: str
    open: Texts
    proprietary: Texts


@dataclass(frozen=True)
class Pin(Row):
    """The package that pins a version; ``since`` is its first release in some branches."""

    package: str
    since: Mapping[str, str]


@dataclass(frozen=True)
class Trap(Row):
    """A package that does something else than it seems to; ``match`` is a regular expression."""

    match: str
    origin: Optional[str]
    why: str
    instead: str


@dataclass(frozen=True)
class Parameter(Row):
    """A parameter of the kernel module that not every driver heeds."""

    first_branch: Optional[str]
    module: Optional[str]


@dataclass(frozen=True)
class Lock(Row):
    """A locked Python environment."""

    torch: str
    cuda: str
    python: str
    glibc: str
    capabilities: Texts


@dataclass(frozen=True)
class Caution(Row):
    """GPUs for which drivers from a branch on are risky."""

    gpus: Texts
    first_branch: str
    why: str


@dataclass(frozen=True)
class Rule(Row):
    """What is asked of a combination."""

    harm: str
    why: str


@dataclass(frozen=True)
class Source:
    """Where facts were read."""

    title: str
    at: str


@dataclass(frozen=True, eq=False)
class Compat:
    """All facts, and the files that they came from. Equal only to itself, so that answers about it can be kept."""

    date: str
    sources: Mapping[str, Source]
    branches: Mapping[str, Branch]
    cuda_families: Mapping[str, Family]
    toolkits: Mapping[str, Toolkit]
    forward_compat: Mapping[str, ForwardCompat]
    generations: Mapping[str, Generation]
    gpus: Mapping[str, Product]
    id_ranges: Mapping[str, IdRange]
    distributions: Mapping[str, Distribution]
    parts: Mapping[str, Part]
    switch_boards: Mapping[str, Board]
    components: Mapping[str, Component]
    bad_versions: Mapping[str, BadVersion]
    engines: Mapping[str, Engine]
    driver_packages: Mapping[str, DriverPackages]
    pin: Mapping[str, Pin]
    package_traps: Mapping[str, Trap]
    module_parameters: Mapping[str, Parameter]
    locks: Mapping[str, Lock]
    cautions: Mapping[str, Caution]
    rules: Mapping[str, Rule]
    files: Texts = ()
