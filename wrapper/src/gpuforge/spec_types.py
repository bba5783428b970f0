# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What an image spec is, as frozen types. ``gpuforge.spec`` reads one; nothing here knows YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Provider = Literal["local", "gcp", "aws"]
Kernel = Literal["cloud", "generic"]
Source = Literal["nvidia", "distribution"]
Flavour = Literal["auto", "open", "proprietary"]
Format = Literal["raw", "qcow2", "gce"]
Firmware = Literal["bios", "uefi"]

# Releases that a base can be built from, oldest first.
RELEASES: Mapping[str, tuple[str, ...]] = {"debian": ("bookworm", "trixie"), "ubuntu": ("jammy", "noble")}


@dataclass(frozen=True, slots=True)
class Base:
    """What the image grows on: a distribution's archive, an image file, or a cloud's image.

    ``distribution`` and ``release`` are empty when the base is an image: they are read from the image itself.
    ``max_age_days`` is how old the package index of a cached base may grow before it is renewed.
    """

    distribution: str = "debian"
    release: str = "bookworm"
    kernel: Kernel = "cloud"
    mirror: str | None = None
    security_mirror: str | None = None
    image: str | None = None
    max_age_days: int = 7
    family: str | None = None
    project: str | None = None
    ami: str | None = None
    owner: str | None = None
    name: str | None = None
    ssm: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """The NVIDIA stack. ``driver`` is an exact version, a branch, or a word such as production; None leaves the choice
    to ``source``. ``gpus`` are those that the image is for, by product, generation or PCI id. ``compat`` and
    ``releases`` are files that are laid over the compatibility facts; with ``allow_unknown`` what nobody knows anything
    about warns instead of refusing.
    """

    driver: str | None = None
    cuda: str | None = None
    source: Source = "nvidia"
    flavour: Flavour = "auto"
    gpus: tuple[str, ...] | None = None
    compat: str | None = None
    releases: str | None = None
    allow_unknown: bool | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the image: its size in GiB and the formats to write."""

    size_gib: int = 10
    formats: tuple[Format, ...] = ("qcow2",)


@dataclass(frozen=True, slots=True)
class Verify:
    """How the finished image is tried out. ``expect`` goes to the node's own checks; ``timeout_s`` is per boot."""

    boot: bool = True
    firmware: tuple[Firmware, ...] = ("bios", "uefi")
    expect: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: int = 900


@dataclass(frozen=True, slots=True)
class Spec:
    """One image, as the user described it. Relative paths in it are relative to the directory of ``path``.

    ``written`` is the mapping in the file, without defaults; it takes no part in comparisons.
    """

    path: Path
    name: str
    description: str = ""
    provider: Provider = "local"
    base: Base = field(default_factory=Base)
    stack: Stack = field(default_factory=Stack)
    layers: Mapping[str, bool] = field(default_factory=dict)
    vars: Mapping[str, Any] = field(default_factory=dict)
    disk: Disk = field(default_factory=Disk)
    verify: Verify = field(default_factory=Verify)
    gcp: Mapping[str, Any] | None = None
    aws: Mapping[str, Any] | None = None
    written: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def resolve(self, relative: str) -> Path:
        """A path that the spec names, as an absolute path."""
        return (self.path.parent / Path(relative).expanduser()).resolve()

    def to_dict(self) -> dict[str, Any]:
        """The canonical form: every value that is set, defaults included, nothing about where the file lies.

        Reading it back gives an equal spec.
        """
        result: dict[str, Any] = {"name": self.name, "description": self.description, "provider": self.provider}
        for key, section in (("base", self.base), ("stack", self.stack), ("disk", self.disk), ("verify", self.verify)):
            result[key] = _section(section)
        if self.base.image or self.base.family or self.base.ami or self.base.name or self.base.ssm:
            for key in ("distribution", "release", "kernel", "max_age_days"):
                del result["base"][key]
        result["layers"] = dict(sorted(self.layers.items()))
        result["vars"] = dict(self.vars)
        for key, cloud in (("gcp", self.gcp), ("aws", self.aws)):
            if cloud is not None:
                result[key] = dict(cloud)
        return result


def _section(section: Base | Stack | Disk | Verify) -> dict[str, Any]:
    names = (name for name in section.__slots__)
    values = ((name, getattr(section, name)) for name in names)
    return {
        name: list(value) if isinstance(value, tuple) else dict(value) if isinstance(value, Mapping) else value
        for name, value in values
        if value is not None
    }
