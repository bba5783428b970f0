# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""NVIDIA's published list of data centre driver releases, as rows for compat.yml.

The list is https://docs.nvidia.com/datacenter/tesla/drivers/releases.json, which NVIDIA publishes for programs; save it
to a file, nothing here asks the network. Its form, as public programs read it: an object by branch, each with ``type``
("lts branch", "production branch", "new feature branch") and ``driver_info``, a list of releases with
``release_version``, ``release_date`` (a day) and ``architectures``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Sequence

from .versions import branch_of, is_branch, is_version, order

_KINDS = {"lts branch": "lts", "production branch": "production", "new feature branch": "new_feature"}
_LINUX = {"x86_64", "aarch64", "sbsa", "ppc64le"}
_DAY = re.compile(r"20\d\d-\d\d-\d\d")


class ReleasesError(Exception):
    """The list cannot be used; ``faults`` names everything that is wrong with it."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def from_releases(text: str, known: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Rows to lay over compat.yml: class and releases of each branch in the list.

    :param known: the rows of ``branches`` there are. A branch that is newer than all of them gets a row of its own,
        whose modules are those of the newest known one, as an inference; an older one that is not known is left out.
    :raises ReleasesError: it is no such list.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ReleasesError([f"is not JSON: {exc}"]) from exc
    if not isinstance(data, dict) or not data:
        raise ReleasesError(["is not an object of branches"])
    faults: List[str] = []
    rows: Dict[str, Any] = {}
    newest_known = max(known, key=int)
    for key, entry in data.items():
        releases = _linux_releases(key, entry, faults)
        if not is_branch(key) or not releases or (key not in known and int(key) < int(newest_known)):
            continue
        row: Dict[str, Any] = {"source": ["nvidia-releases"], "certainty": "certain"}
        kind = _KINDS.get(str(entry.get("type", "")).strip().lower())
        versions = sorted(releases, key=order)
        old = known.get(key, {})
        all_versions = sorted({*versions, *old.get("releases", ()), *filter(None, [old.get("newest")])}, key=order)
        row["newest"] = all_versions[-1]
        row["releases"] = all_versions[:-1]
        if kind is not None:
            row["class"] = kind
        if old:
            row["inferred"] = [name for name in old.get("inferred", ()) if name not in row]
            if old.get("certainty") == "inferred":
                row["inferred"] = [name for name in ("cuda", "released", "eol", "modules") if name in old]
        else:
            row = {"class": "unknown", "cuda": None, "released": min(releases.values())[:7], "eol": "unknown",
                   "modules": list(known[newest_known]["modules"]), "inferred": ["modules"], **row}  # fmt: skip
        rows[key] = row
    if faults:
        raise ReleasesError(faults)
    if not rows:
        raise ReleasesError(["names no branch with a Linux release"])
    at = "https://docs.nvidia.com/datacenter/tesla/drivers/releases.json"
    return {"sources": {"nvidia-releases": {"title": "NVIDIA's list of releases", "at": at}}, "branches": rows}


def _linux_releases(key: str, entry: Any, faults: List[str]) -> Dict[str, str]:
    """Version → day of the Linux releases of a branch. Those of Windows have another first number."""
    infos = entry.get("driver_info") if isinstance(entry, dict) else None
    if not isinstance(infos, list):
        faults.append(f"{key}: has no list driver_info")
        return {}
    found = {}
    for index, info in enumerate(infos):
        where = f"{key}.driver_info[{index}]"
        values = info if isinstance(info, dict) else {}
        version, day = values.get("release_version"), values.get("release_date")
        architectures = values.get("architectures") or []
        if not is_version(version):
            faults.append(f"{where}: release_version is {version!r}")
        elif not (isinstance(day, str) and _DAY.fullmatch(day)):
            faults.append(f"{where}: release_date is {day!r}")
        elif not isinstance(architectures, list) or not all(isinstance(item, str) for item in architectures):
            faults.append(f"{where}: architectures is {architectures!r}, not a list of texts")
        elif branch_of(str(version)) == key and set(architectures or _LINUX) & _LINUX:
            found[str(version)] = day
    return found
