# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The kernels of a system and what DKMS built for them, read from files below any root.

``dkms status`` asks about the running kernel first and needs its program inside the tree; the facts themselves are
files. Layout as written by dkms 3.0.10 (Debian 12) and 3.2.2 (Debian 13):

* ``/var/lib/dkms/NAME/VERSION/source`` is a link: the module is *added*;
* ``/var/lib/dkms/NAME/VERSION/KERNEL/ARCH/module/*.ko*`` are there: it is *built*, its log is ``../log/make.log``;
* ``/var/lib/dkms/NAME/kernel-KERNEL-ARCH`` links to that directory: it is *installed*;
* ``/var/lib/dkms/NAME/VERSION/build/make.log`` stays behind where a build failed.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import List, Mapping, Set, Tuple

from ._dpkg import Package
from ._rootfs import inside, names, read_text

TREE = "/var/lib/dkms"
MODULES = "/lib/modules"
_IMAGE = re.compile(r"^linux-image-(?P<rest>.+?)(?P<kind>-unsigned|-dbg)?$")
_LOG_KERNEL = re.compile(r"make\.log for .* for kernel (\S+)")


@dataclass(frozen=True)
class Kernel:
    """An installed kernel: it has an image in /boot and modules of its own."""

    release: str
    headers: bool  # whether modules can be compiled for it


@dataclass(frozen=True)
class Build:
    """One version of one module, for one kernel."""

    name: str
    version: str
    kernel: str
    status: str  # installed | built | added | failed
    log: str = ""  # path of make.log inside the root, "" if there is none
    errors: Tuple[str, ...] = ()  # the compiler's own lines, for a failed build


def sort_key(release: str) -> Tuple[Tuple[int, str], ...]:
    """Order kernel releases as GRUB does, by ``sort -V``: digits count as numbers, and ``~`` is before the end.

    What GRUB takes for a version to come (version_test_gt in grub-mkconfig_lib) is before the version itself.
    """
    parts = re.findall(r"\d+|~|[^\d~]+", re.sub(r"[._-](pre|rc|test|git|old|trunk)", r"~\1", release))
    return (*((int(one), "") if one.isdigit() else (-2 if one == "~" else -1, one) for one in parts), (-1, ""))


def kernels(root: str = "/") -> List[Kernel]:
    """Return the installed kernels, oldest first.

    A directory in /lib/modules alone is no kernel: headers and left-over modules make one too.
    """
    found: List[Kernel] = []
    for release in sorted(names(root, MODULES), key=sort_key):
        if not os.path.exists(inside(root, "/boot/vmlinuz-" + release)):
            continue
        include = inside(root, "%s/%s/build/include" % (MODULES, release))
        found.append(Kernel(release, os.path.isdir(include)))
    return found


def builds(root: str = "/", name: str = "") -> List[Build]:
    """Return what DKMS knows of every module (or of ``name``), one entry for each installed kernel."""
    found: List[Build] = []
    releases = [kernel.release for kernel in kernels(root)]
    for module in [name] if name else names(root, TREE):
        for version in names(root, "%s/%s" % (TREE, module)):
            if version.startswith("kernel-") or not os.path.lexists(_host(root, module, version, "source")):
                continue
            found.extend(_build(root, module, version, release) for release in releases)
    return found


def wanted_headers(packages: Mapping[str, Package]) -> List[str]:
    """Return the header packages that belong to the installed kernel packages.

    The meta package counts like any other (``linux-image-cloud-amd64`` wants ``linux-headers-cloud-amd64``), so that
    the next kernel arrives together with its headers.
    """
    wanted: Set[str] = set()
    for package in packages.values():
        match = _IMAGE.match(package.name)
        if match and package.installed and match.group("kind") != "-dbg":
            wanted.add("linux-headers-" + match.group("rest"))
    return sorted(wanted)


def compiler_lines(log: str, before: int = 1, after: int = 3, limit: int = 40) -> List[str]:
    """Return the lines of a make log that say why it failed, each with its neighbours.

    :param before: lines kept above an error.
    :param after: lines kept below it (the compiler shows the source there).
    :param limit: most lines returned in all; the first errors count, the rest follows from them.
    """
    lines = [line for line in log.splitlines() if not _is_command(line)]
    wanted: Set[int] = set()
    for number, line in enumerate(lines):
        if re.search(r"\berror:|\bundefined reference\b|modpost: .*undefined!|^ERROR\b|\bNo space left\b", line):
            wanted.update(range(max(0, number - before), number + after + 1))
    if not wanted:
        wanted.update(range(max(0, len(lines) - 15), len(lines)))
    return [lines[number][:300] for number in sorted(wanted) if number < len(lines)][:limit]


def _build(root: str, name: str, version: str, kernel: str) -> Build:
    base = "%s/%s/%s" % (TREE, name, version)
    for arch in names(root, "%s/%s" % (base, kernel)):
        at = "%s/%s/%s" % (base, kernel, arch)
        log = _existing(root, at + "/log/make.log")
        if any(".ko" in entry for entry in names(root, at + "/module")):
            link = _host(root, name, "kernel-%s-%s" % (kernel, arch))
            done = os.path.islink(link) and inside(root, "%s/%s/kernel-%s-%s" % (TREE, name, kernel, arch)) == inside(
                root, at
            )
            return Build(name, version, kernel, "installed" if done else "built", log)
    log = _existing(root, base + "/build/make.log")
    text = read_text(root, log) if log else ""
    head = _LOG_KERNEL.search(text)
    if head and head.group(1) == kernel:
        return Build(name, version, kernel, "failed", log, tuple(compiler_lines(text)))
    return Build(name, version, kernel, "added")


def _host(root: str, *parts: str) -> str:
    """The path of an entry of the DKMS tree itself, its last component not followed."""
    return os.path.join(inside(root, "/".join((TREE,) + parts[:-1])), parts[-1])


def _existing(root: str, path: str) -> str:
    return path if os.path.isfile(inside(root, path)) else ""


def _is_command(line: str) -> bool:
    """Whether a line is a compiler call echoed by make: thousands of characters that explain nothing."""
    return len(line) > 300 and bool(re.match(r"\s*(set -e|\S*gcc|cc|ld|/bin/sh|if )\b", line))
