# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is installed in a tree: Debian packages, Python distributions, and the versions that matter.

Everything is read from files below a root; no program in the tree runs, and links in it never lead out of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path, PurePosixPath
from typing import Final

from gpuforge.errors import StoreError
from gpuforge.versions import compare_debian, split_debian

STATUS: Final = "var/lib/dpkg/status"
# dpkg(1), "Package states": the files of these are there and in working order.
_WHOLE: Final = frozenset({"installed", "triggers-awaited", "triggers-pending"})
# Where Python keeps distributions: Debian's own, an administrator's, and the environments of the role framework.
_PYTHON_TREES: Final = ("usr/lib", "usr/local/lib", "opt/ml")
_SITES: Final = frozenset({"site-packages", "dist-packages"})
_MAX_LINKS: Final = 40  # as the kernel (MAXSYMLINKS in include/linux/namei.h)


@dataclass(frozen=True, slots=True, order=True)
class DebPackage:
    """An installed Debian package. ``source`` is its source package, ``source_version`` that package's version."""

    name: str
    architecture: str
    version: str
    source: str
    source_version: str


@dataclass(frozen=True, slots=True, order=True)
class PythonPackage:
    """An installed Python distribution: the path of its environment in the tree, normalised name (PEP 503), version."""

    environment: str
    name: str
    version: str


def inside(root: Path, path: str) -> Path:
    """Where *path* of the tree at *root* lies on this machine, its links followed inside the tree.

    Raises:
        StoreError: more than 40 links one after the other.
    """
    todo, done, links = path.split("/")[::-1], list[str](), 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        here = root.joinpath(*done, part)
        if not here.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise StoreError(f"/{path} goes through more than {_MAX_LINKS} links", doing=f"reading the tree {root}")
        target = str(here.readlink())
        if target.startswith("/"):
            done.clear()
        todo += target.split("/")[::-1]
    return root.joinpath(*done)


def parse_dpkg(text: str) -> Iterator[DebPackage]:
    """The installed packages of a dpkg status file."""
    for stanza in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in stanza.splitlines():
            key, colon, value = line.partition(":")
            if colon:  # the key of a continuation line begins with a blank: no field is called so
                fields[key] = value.strip()
        state = fields.get("Status", "").split()
        if len(state) == 3 and state[2] in _WHOLE:
            name, version = fields["Package"], fields.get("Version", "")
            source, _, special = fields.get("Source", name).partition(" ")
            yield DebPackage(name, fields.get("Architecture", ""), version, source, special.strip("()") or version)


def read_dpkg(root: Path) -> tuple[DebPackage, ...]:
    """The Debian packages installed in the tree at *root*, sorted by name.

    Raises:
        StoreError: the tree has no dpkg status file, or it cannot be read.
    """
    try:
        text = inside(root, STATUS).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise StoreError(f"/{STATUS}: {exc.strerror}", doing=f"reading the packages of {root}") from None
    return tuple(sorted(parse_dpkg(text)))


def dpkg_versions(packages: Iterable[DebPackage]) -> dict[str, str]:
    """``{"name:architecture": version}``, the form of the manifest and of the node's own check."""
    return {f"{package.name}:{package.architecture}": package.version for package in packages}


def read_python(root: Path) -> tuple[PythonPackage, ...]:
    """The Python distributions in the tree at *root*, sorted; found by their metadata, so no interpreter is needed."""
    found: set[PythonPackage] = set()
    for tree in _PYTHON_TREES:
        top = inside(root, tree)
        for folder in sorted(top.glob("python3*")) if tree.endswith("lib") else [top]:
            for site in _sites(folder):
                found |= set(_distributions(site, _environment(root, site)))
    return tuple(sorted(found))


def _sites(folder: Path) -> Iterator[Path]:
    """Every site directory below *folder*; nothing below one of them is looked at."""
    for path, names, _ in os.walk(folder):
        here = Path(path)
        yield from (here / name for name in names if name in _SITES)
        names[:] = sorted(set(names) - _SITES - {"__pycache__"})


def _environment(root: Path, site: Path) -> str:
    """The environment of a site directory: PREFIX of ``PREFIX/lib/pythonX.Y/site-packages``, else the directory."""
    path = PurePosixPath("/", site.relative_to(root))
    lib = path.parent.parent
    return str(lib.parent) if path.name == "site-packages" and lib.name == "lib" else str(path)


def _distributions(site: Path, environment: str) -> Iterator[PythonPackage]:
    for entry in site.iterdir():
        if entry.suffix not in (".dist-info", ".egg-info") or entry.is_symlink():
            continue
        metadata = entry if entry.is_file() else entry / ("METADATA" if entry.suffix == ".dist-info" else "PKG-INFO")
        stem, _, stem_version = entry.stem.partition("-")
        headers = _headers(metadata)
        name, version = headers.get("name", stem), headers.get("version", stem_version.split("-")[0])
        # Debian ships a bare NAME.egg-info beside some dist-info directories: no version, no distribution.
        if version:
            yield PythonPackage(environment, re.sub(r"[-_.]+", "-", name).lower(), version)


def _headers(metadata: Path) -> dict[str, str]:
    """The headers of a metadata file, names in small letters; none where there is no such file."""
    if metadata.is_symlink() or not metadata.is_file():
        return {}
    headers: dict[str, str] = {}
    with metadata.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, colon, value = line.partition(":")
            if not colon:
                break
            headers.setdefault(key.strip().lower(), value.strip())
    return headers


def python_versions(packages: Iterable[PythonPackage]) -> dict[str, dict[str, str]]:
    """``{environment: {name: version}}``, the form of the manifest."""
    result: dict[str, dict[str, str]] = {}
    for package in packages:
        result.setdefault(package.environment, {})[package.name] = package.version
    return result


# The parts that matter and the packages that carry them, the surest first. Names: Debian's and NVIDIA's archives.
_PARTS: Final[Mapping[str, Sequence[str]]] = {
    "driver": (
        r"nvidia-driver-libs",
        r"libcuda1",
        r"libnvidia-compute(-\d+)?",
        r"nvidia-driver-cuda",
        r"libnvidia-ml1",
    ),
    "kernel_module": (r"nvidia-kernel-dkms", r"nvidia-(kernel-)?open-(kernel-)?dkms", r"nvidia-dkms(-\d+)?(-open)?"),
    "fabric_manager": (r"nvidia-fabricmanager(-\d+)?",),
    "cuda": (r"cuda-toolkit-\d+-\d+", r"nvidia-cuda-toolkit"),
    "nccl": (r"libnccl2",),
    "container_toolkit": (r"nvidia-container-toolkit",),
    "dcgm": (r"datacenter-gpu-manager-4-core", r"datacenter-gpu-manager"),
    "python": (r"python3",),
    "systemd": (r"systemd",),
    "libc": (r"libc6",),
}


def part_versions(root: Path, packages: Sequence[DebPackage]) -> dict[str, str | None]:
    """Upstream versions of the parts of a GPU node, and the newest kernel in the tree; None where a part is absent."""
    result: dict[str, str | None] = {"kernel": _newest_kernel(root)}
    for part, patterns in _PARTS.items():
        matches = (
            [package.version for package in packages if re.fullmatch(pattern, package.name)] for pattern in patterns
        )
        versions = next((found for found in matches if found), [])
        newest = max(versions, key=cmp_to_key(compare_debian), default=None)
        result[part] = None if newest is None else split_debian(newest)[1]
    return result


def _newest_kernel(root: Path) -> str | None:
    modules = inside(root, "lib/modules")
    names = [path.name for path in modules.iterdir() if path.is_dir()] if modules.is_dir() else []
    return max(names, key=cmp_to_key(compare_debian), default=None)
