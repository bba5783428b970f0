# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which container engines a machine has, and what their configuration must say so that NVIDIA's runtime can be chosen.

Every edit can be taken back: Docker's file by what was there before, containerd's by a marked block, CRI-O's by a file
of its own. Podman needs nothing, it reads CDI specifications by itself.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ._dpkg import read_packages
from ._machine import Host

RUNTIME = "/usr/bin/nvidia-container-runtime"
DOCKER = "/etc/docker/daemon.json"
CONTAINERD = "/etc/containerd/config.toml"
CRIO = "/etc/crio/crio.conf.d/99-gpuforge-nvidia.conf"
#: Engine: its program, whichever package brings it.
PROGRAMS: Dict[str, str] = {
    "docker": "/usr/bin/dockerd",
    "containerd": "/usr/bin/containerd",
    "podman": "/usr/bin/podman",
    "crio": "/usr/bin/crio",
}
#: Docker reads CDI specifications from 25.0 on, once its feature is switched on (Docker's release notes of 25.0).
DOCKER_CDI = (25, 0)
#: containerd's CRI plugin by version of the configuration (containerd's docs/cri/config.md).
CRI = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
BEGIN, END = "# BEGIN gpuforge: NVIDIA's runtime", "# END gpuforge: NVIDIA's runtime"
_BLOCK = re.compile(r"\n?%s.*?%s\n" % (re.escape(BEGIN), re.escape(END)), re.DOTALL)


class EngineError(Exception):
    """A configuration cannot be read or completed; the message says which and what to do."""


class Engine(NamedTuple):
    """One engine that is there. ``version`` is "" where no package tells it."""

    name: str
    version: str


@dataclass(frozen=True)
class Edit:
    """What a file must become. ``note`` says why nothing is done, where that is so."""

    path: str
    text: Optional[str]
    note: str = ""


def numbers(version: str) -> Tuple[int, ...]:
    """The leading numbers of a Debian version: ``5:26.1.0-1`` is (26, 1, 0)."""
    bare = version.split(":", 1)[-1]
    match = re.match(r"\d+(?:\.\d+)*", bare)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def find(host: Host) -> List[Engine]:
    """The engines whose program is there."""
    there = {name: program for name, program in PROGRAMS.items() if host.exists(program)}
    owners = _owners(host, list(there.values())) if there else {}
    packages = read_packages(host.root)
    found = []
    for name, program in there.items():
        package = packages.get(owners.get(program, ""))
        version = package.version if package and package.installed else ""
        found.append(Engine(name, ".".join(map(str, numbers(version)))))
    return found


def _owners(host: Host, programs: Sequence[str]) -> Dict[str, str]:
    """The package that each program came with, from dpkg's lists of files."""
    found = {}
    for path in host.glob("/var/lib/dpkg/info/*.list"):
        text = "\n%s\n" % (host.read(path) or "")
        name = path.rsplit("/", 1)[-1][: -len(".list")].split(":")[0]
        found.update({program: name for program in programs if "\n%s\n" % program in text})
    return found


def docker(version: str, default: bool) -> Dict[str, Any]:
    """The keys that Docker's configuration must have, as a tree."""
    wanted: Dict[str, Any] = {"runtimes": {"nvidia": {"args": [], "path": RUNTIME}}}
    if numbers(version)[:2] >= DOCKER_CDI:
        wanted["features"] = {"cdi": True}
    if default:
        wanted["default-runtime"] = "nvidia"
    return wanted


def read_docker(text: Optional[str]) -> Dict[str, Any]:
    """Docker's configuration; empty where there is no file.

    :raises EngineError: it is no JSON object, so Docker itself would not start with it.
    """
    if text is None or not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError as exc:
        raise EngineError("%s is no JSON: %s. %s" % (DOCKER, exc, _MEND_DOCKER)) from None
    if not isinstance(body, dict):
        raise EngineError("%s holds no JSON object. %s" % (DOCKER, _MEND_DOCKER))
    return body


_MEND_DOCKER = "Docker does not start with it: mend it, and run this again"


def merged(body: Mapping[str, Any], wanted: Mapping[str, Any], where: str = "") -> Dict[str, Any]:
    """*body* with *wanted* laid over it, tree by tree.

    :raises EngineError: something else is where a tree is wanted, so Docker itself would not start with it.
    """
    result = dict(body)
    for key, value in wanted.items():
        old = result.get(key)
        if isinstance(value, dict) and old is not None:
            if not isinstance(old, dict):
                raise EngineError("%s: %s is no JSON object. %s" % (DOCKER, where + key, _MEND_DOCKER))
            value = merged(old, value, where + key + ".")
        result[key] = value
    return result


def without(body: Mapping[str, Any], ours: Mapping[str, Any], before: Mapping[str, Any]) -> Dict[str, Any]:
    """*body* with what is still as *ours* put back to *before*, or taken out where there was nothing."""
    result = dict(body)
    for key, value in ours.items():
        if key not in result:
            continue
        had = before.get(key)
        if isinstance(value, dict) and value and isinstance(result[key], dict):
            rest = without(result[key], value, had if isinstance(had, dict) else {})
            if rest or key in before:
                result[key] = rest
            else:
                del result[key]
        elif result[key] == value:
            if key in before:
                result[key] = had
            else:
                del result[key]
    return result


def render_docker(body: Mapping[str, Any]) -> str:
    """The text of Docker's configuration."""
    return json.dumps(body, indent=4) + "\n"


def containerd(text: Optional[str], version: str, default: bool) -> Edit:
    """containerd's configuration with our block at its end.

    At the end, because there every table can be added; a file that it imports would replace the whole section of the
    plugin with containerd 1.

    :raises EngineError: it is of a version that has no place for it.
    """
    rest = "" if text is None else _BLOCK.sub("", text)
    if re.search(r"^disabled_plugins\s*=\s*\[[^\]]*[\"'](?:io\.containerd\.grpc\.v1\.)?cri[\"']", rest, re.MULTILINE):
        return Edit(CONTAINERD, rest, "its CRI plugin is switched off, so nothing reads runtimes")
    stated = re.search(r"^\s*version\s*=\s*(\d+)", rest, re.MULTILINE)
    plain = not re.sub(r"^\s*(#.*)?$", "", rest, flags=re.MULTILINE).strip()
    number = int(stated.group(1)) if stated else (3 if numbers(version)[:1] >= (2,) else 2) if plain else 1
    if number not in CRI:
        raise EngineError(
            "%s is of version %d, which has no place for a second runtime. Bring it to the version of your containerd "
            "(containerd config migrate), and run this again" % (CONTAINERD, number)
        )
    plugin = '[plugins."%s".containerd' % CRI[number]
    if plugin + ".runtimes.nvidia]" in _active(rest):
        return Edit(CONTAINERD, rest, "it has a runtime of that name already, which is left alone")
    lines = [BEGIN, plugin + ".runtimes.nvidia]", '  runtime_type = "io.containerd.runc.v2"']
    lines.append(plugin + ".runtimes.nvidia.options]")
    lines += ['  BinaryName = "%s"' % RUNTIME, "  SystemdCgroup = %s" % ("true" if _systemd_cgroup(rest) else "false")]
    if default:
        if plugin + "]" in _active(rest):
            raise EngineError(
                '%s has a table %s] of its own: set default_runtime_name = "nvidia" in it yourself, and '
                "container_toolkit_default_runtime to false" % (CONTAINERD, plugin)
            )
        lines += [plugin + "]", '  default_runtime_name = "nvidia"']
    head = "" if stated or not plain else "version = %d\n" % number
    base = rest if not rest or rest.endswith("\n") else rest + "\n"
    return Edit(CONTAINERD, head + base + "\n" + "\n".join([*lines, END, ""]))


def _active(text: str) -> str:
    """TOML without its comment lines, and with one kind of quotation marks."""
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE).replace("'", '"')


def containerd_imports(text: str, version: str) -> List[str]:
    """Patterns of the files that containerd reads after its own, each of which may take the plugin's section away.

    None from containerd 2 on, which joins the sections of all files.
    """
    if numbers(version)[:1] >= (2,):
        return []
    found = re.search(r"^\s*imports\s*=\s*\[(.*?)\]", _active(text), re.MULTILINE | re.DOTALL)
    return [
        os.path.join(os.path.dirname(CONTAINERD), one)
        for one in re.findall(r'"([^"]+)"', found.group(1) if found else "")
    ]


def has_section(text: str) -> bool:
    """Whether a file of containerd's configuration says something of the CRI plugin."""
    return any('plugins."%s"' % name in _active(text) for name in CRI.values())


def _systemd_cgroup(text: str) -> bool:
    """Whether runc is told to let systemd make the control groups: the new runtime has to do as runc does."""
    return re.search(r"^\s*SystemdCgroup\s*=\s*true", text, re.MULTILINE) is not None


def without_containerd(text: str) -> Optional[str]:
    """containerd's configuration without our block; None where nothing but the version we wrote is left."""
    rest = _BLOCK.sub("", text)
    return None if rest != text and re.fullmatch(r"(version = \d\n)?", rest) else rest


def crio(default: bool) -> str:
    """The text of CRI-O's drop-in."""
    lines = ["# Written by gpuforge; changes made here are lost."]
    if default:
        lines += ["[crio.runtime]", 'default_runtime = "nvidia"']
    lines += ["[crio.runtime.runtimes.nvidia]", 'runtime_path = "%s"' % RUNTIME, 'runtime_type = "oci"', ""]
    return "\n".join(lines)
