# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What somebody asks for, in their words; words are only understood here, not judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .schema import MODULES, ORIGINS
from .versions import is_branch, is_version, leading, upstream

#: Words for a driver. The empty text leaves the choice to the check.
DRIVER_WORDS = ("production", "lts", "new_feature", "newest", "none")
PARTS = ("fabricmanager", "nscq", "nvsdm", "imex")
ENGINES = ("docker", "containerd", "podman", "crio")
_PHRASE = re.compile(r"(?P<driver>\S+)(?: for (?P<gpus>.+?))?(?: on (?P<distribution>.+))?")
_CUDA = re.compile(r"newest|\d{1,2}(\.x|\.\d{1,2}(\.\d{1,2})?)?")


@dataclass(frozen=True)
class Request:
    """A combination as it was asked for. Empty texts ask for nothing in particular.

    ``driver``: a version, a branch or one of DRIVER_WORDS. ``branch``: the branch that the version is meant to be of.
    ``flavour``: the kernel module. ``origin``: nvidia's repository or the distribution's archive. ``cuda``: toolkits,
    each a release (13.2.1), a toolkit (13.2), a major (13 or 13.x) or newest. ``gpus``: names or PCI ids. ``switches``:
    whether the node has NVSwitches, None if nobody knows. ``parts``: versions of what has to be the driver's (PARTS),
    yes for the driver's own. ``dcgm``, ``container_toolkit``: a version or newest. ``engines``: container engines
    (ENGINES) and their versions, or those of their packages. ``module_options``: names of parameters of the kernel
    module. ``packages``: further packages by name. ``locks``: Python environments. ``precompiled``: whether the kernel
    modules are to be those that Canonical built. ``repository``: another directory of NVIDIA's repository than the
    distribution's own.
    ``allow_unknown``: what nobody knows anything about warns instead of refusing.
    """

    driver: str = ""
    branch: str = ""
    flavour: str = "auto"
    origin: str = "nvidia"
    cuda: Tuple[str, ...] = ()
    cuda_compat: bool = False
    distribution: str = ""
    repository: str = ""
    kernel: str = ""
    gpus: Tuple[str, ...] = ()
    switches: Optional[bool] = None
    parts: Mapping[str, str] = field(default_factory=dict)
    dcgm: str = ""
    container_toolkit: str = ""
    engines: Mapping[str, str] = field(default_factory=dict)
    module_options: Tuple[str, ...] = ()
    packages: Tuple[str, ...] = ()
    locks: Tuple[str, ...] = ()
    precompiled: bool = False
    allow_unknown: bool = False


class RequestError(Exception):
    """The request cannot be understood; ``problems`` has "key: what" for everything in it."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def looks_like_cuda(word: str) -> bool:
    """Whether a word names a toolkit and no driver: driver branches have three digits, CUDA majors two."""
    return word != "newest" and _CUDA.fullmatch(word) is not None


def parse_request(data: Mapping[str, Any]) -> Request:
    """A request from decoded YAML or JSON; keys are those of Request. Raises RequestError."""
    problems: List[str] = []
    known = [item.name for item in fields(Request)]
    values: Dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            problems.append(f"{key}: is not known" + (f" (did you mean {near[0]}?)" if near else ""))
        elif value is not None:
            values[key] = _typed(key, value, problems)
    _phrase(values, problems)
    for key, value in values.items():
        _words(key, value, problems)
    if values.get("driver") == "none" and values.get("branch"):
        problems.append(f"branch: is {values['branch']!r}, and driver says there shall be none; leave one of them out")
    if problems:
        raise RequestError(problems)
    return Request(**values)


def _typed(key: str, value: Any, problems: List[str]) -> Any:
    """The value in the type of the key; numbers are taken for text, as YAML reads an unquoted 595 as one."""
    default = getattr(Request(), key)
    if key in ("allow_unknown", "cuda_compat", "precompiled", "switches"):
        if not isinstance(value, bool):
            problems.append(f"{key}: is {value!r}, not true or false")
        return value
    if isinstance(default, tuple):
        items = [value] if isinstance(value, (str, int, float)) else value
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, (str, int, float)) for item in items):
            problems.append(f"{key}: is {value!r}, not a list of texts")
            return ()
        if key == "gpus":  # no product has a comma in its name
            items = [part for item in items for part in str(item).split(",")]
        return tuple(text for text in (str(item).strip() for item in items) if text)
    if isinstance(default, dict):
        if not isinstance(value, Mapping):
            problems.append(f"{key}: is {value!r}, not a mapping")
            return {}
        return {str(name): "yes" if item is True else str(item) for name, item in value.items() if item}
    if isinstance(value, (list, tuple, dict, bool)):
        problems.append(f"{key}: is {value!r}, not text")
        return default
    return str(value).strip()


def _phrase(values: Dict[str, Any], problems: List[str]) -> None:
    """Takes "newest for H100 on Debian 12" apart."""
    driver = values.get("driver", "")
    match = _PHRASE.fullmatch(driver) if " " in driver else None
    if match is None:
        return
    values["driver"] = match["driver"]
    if match["gpus"]:
        values["gpus"] = (*values.get("gpus", ()), *(part.strip() for part in re.split(r",| and ", match["gpus"])))
    if match["distribution"]:
        if values.get("distribution") not in (None, "", match["distribution"]):
            problems.append(f"distribution: is {values['distribution']!r}, and driver says {match['distribution']!r}")
        values["distribution"] = match["distribution"]
    if looks_like_cuda(match["driver"]):
        values["driver"] = ""
        values["cuda"] = (*values.get("cuda", ()), match["driver"])


def _words(key: str, value: Any, problems: List[str]) -> None:
    """Whether the words of a value are words that there are."""
    if key == "driver" and value and value not in DRIVER_WORDS and not is_version(upstream(value)):
        near = get_close_matches(value, DRIVER_WORDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "give a version, a branch, or one of " + ", ".join(DRIVER_WORDS)
        problems.append(f"driver: is {value!r}; {hint}")
    elif key == "branch" and value and not is_branch(value):
        problems.append(f'branch: is {value!r}, not three digits such as "595"')
    elif key == "flavour" and value not in ("auto", *MODULES):
        problems.append(f"flavour: is {value!r}, not one of auto, {', '.join(MODULES)}")
    elif key == "origin" and value not in ORIGINS:
        problems.append(f"origin: is {value!r}, not one of {', '.join(ORIGINS)}")
    elif key == "cuda":
        problems += [f'cuda: is {item!r}; give a release "13.2.1", a toolkit "13.2", a major "13.x", or newest'
                     for item in value if not _CUDA.fullmatch(item)]  # fmt: skip
    elif key == "parts":
        problems += [f"parts.{name}: is not known (known: {', '.join(PARTS)})" for name in value if name not in PARTS]
        problems += [f"parts.{name}: is {item!r}, not a version or yes" for name, item in value.items()
                     if item not in ("yes", "none") and not is_version(upstream(item))]  # fmt: skip
    elif key in ("dcgm", "container_toolkit"):
        if value not in ("", "newest", "none") and not is_version(upstream(value)):
            problems.append(f"{key}: is {value!r}, not a version, newest or none")
    elif key == "engines":
        for name, item in value.items():
            near = get_close_matches(name, ENGINES, n=1)
            hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(ENGINES)
            problems += [f"engines.{name}: is not known ({hint})"] if name not in ENGINES else []
            problems += [f"engines.{name}: is {item!r}, not a version"] if not leading(item) else []
    elif key == "kernel" and value and not re.match(r"\d+(\.\d+)*", value):
        problems.append(f'kernel: is {value!r}, not a version such as "6.12"')
