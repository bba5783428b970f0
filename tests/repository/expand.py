"""Turn the data of this folder into packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from deb import Package
from stand_ins import module_files, module_scripts, service_files, service_scripts

HERE = Path(__file__).parent
DATA = ("driver.yml", "cuda.yml", "containers.yml", "dcgm.yml")
DEFAULT_SUITES = ("debian12", "debian13", "ubuntu2204", "ubuntu2404")


def load(name: str) -> Any:
    """Return one of the data files."""
    return yaml.safe_load((HERE / name).read_text())


def packages(suite: str) -> list[Package]:
    """Return every package of a suite."""
    found = []
    for name in DATA:
        for group in load(name):
            if suite in group.get("suites", DEFAULT_SUITES):
                found += list(_group(group))
    return found


def _number(version: str) -> int:
    return int(version.split(".")[0])


def _between(limits: Mapping[str, Any], version: str) -> bool:
    return limits.get("from", 0) <= _number(version) <= limits.get("until", 10_000)


def _group(group: Mapping[str, Any]) -> Iterator[Package]:
    for version in map(str, group["versions"]):
        if not _between(group.get("only", {}), version):
            continue
        for row in group["packages"]:
            if _between(row, version) and version not in row.get("without", []):
                yield _package(_filled(row, _words(version, group["deb"])), version)


def _words(version: str, deb: str) -> dict[str, str]:
    """Return what stands for the words between @."""
    numbers = [*version.split("."), ""]
    words = {"@v@": version, "@b@": numbers[0], "@m@": numbers[1]}
    return {**words, "@d@": deb.replace("@v@", version)}


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    """Return the data with the words between @ filled in, in keys too."""
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(word, text)
        return value
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    if isinstance(value, dict):
        made = {_filled(key, words): _filled(item, words) for key, item in value.items()}
        return {**made, "words": words} if "name" in value else made
    return value


def _package(row: Mapping[str, Any], version: str) -> Package:
    name, words = row["name"], row["words"]
    control = {
        "Package": name,
        "Source": row.get("source", "nvidia-graphics-drivers" if "nvidia" in name or name.startswith("lib") else ""),
        "Version": words["@d@"],
        "Architecture": row.get("architecture", "amd64"),
        "Maintainer": "the gpuforge tests <tests@example.invalid>",
        **{field.title(): ", ".join(row.get(field, [])) for field in ("depends", "recommends", "provides")},
        # Both, as the real ones: what takes the other's place also takes over its files.
        "Conflicts": ", ".join(row.get("conflicts", [])),
        "Replaces": ", ".join(row.get("conflicts", [])),
        "Description": "stand-in for tests",
    }
    files: dict[str, str] = dict(row.get("files", {}))
    for path, source in row.get("file_from", {}).items():
        files[path] = _filled((HERE / source).read_text(), words)
    for first, more in row.get("since", {}).items():
        if [int(part) for part in version.split(".")] >= [int(part) for part in first.split(".")]:
            files.update(more)
    scripts = {script: f"#!/bin/sh\nset -e\n{row[script]}" for script in ("postinst", "prerm") if script in row}
    if "library" in row:
        files[f"usr/lib/x86_64-linux-gnu/{row['library']}.{version}"] = ""
    if "pins" in row:
        control.update(
            {"Conflicts": "nvidia-driver-pinning", "Provides": "nvidia-driver-pinning", "Architecture": "all"}
        )
        files["etc/apt/preferences.d/nvidia-driver-pin"] = _pin(row["pins"])
    if "service" in row:
        unit = row.get("unit", row["service"].rsplit("/", 1)[-1].replace("nv-fabric", "nvidia-fabric"))
        files.update(service_files(unit, row["service"]))
        scripts.update(service_scripts(unit, row.get("enable", False)))
    if "module" in row:
        files.update(module_files(version, row["module"]))
        scripts.update(module_scripts(version))
    return Package(control, files, scripts)


def _pin(version: str) -> str:
    which = "src:*nvidia*:any src:cuda-drivers:any src:fabricmanager:any"
    return f"Package: {which}\nPin: version {version}\nPin-Priority: 1000\n"
