# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What a spec's values must be beyond their types, and which of them do not go together.

Pure: ``check`` takes the mapping as it was read and returns findings. Any type may be wrong in it: then the rule keeps
quiet, as types are checked elsewhere.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from gpuforge.spec_expect import EXPECT
from gpuforge.spec_types import RELEASES

Path = tuple[str | int, ...]


class Finding(NamedTuple):
    """A value that cannot be: where, what, why, what to do."""

    path: Path
    what: str
    why: str = ""
    hint: str = ""
    key: bool = False  # it is about the key, not about its value


# GCE allows 63 characters of this form in an image name (its RFC 1035 rule). An image is called NAME-YYYYMMDD-DIGEST8,
# which adds 18; 40 leaves room for a suffix of the cloud provider.
NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
NAME_LENGTH = 40
# A bookworm tree with a driver takes about 3 GiB; below 4 nothing useful fits. 65536 GiB is the largest disk of GCE.
SIZE_GIB = (4, 65536)
# A boot under software emulation takes a minute or two; a day is longer than anything that still works.
TIMEOUT_S = (30, 86400)

# Versions, branches, and the words that the stack check resolves to one (plugins/plugin_utils/_stack/request.py).
_DRIVER = re.compile(r"\d{3}(\.\d{2,3}(\.\d{2})?)?|production|lts|new_feature|newest")
_CUDA = re.compile(r"\d{1,2}\.(x|\d{1,2}(\.\d{1,2})?)|newest")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MIRROR = re.compile(r"(https?|file|copy):/\S+")

_ARCHIVE_KEYS = ("distribution", "release", "kernel", "mirror", "security_mirror", "max_age_days")
_PROVIDER_KEYS = {
    "image": "local",
    "family": "gcp",
    "project": "gcp",
    "ami": "aws",
    "owner": "aws",
    "name": "aws",
    "ssm": "aws",
}
_BASE_SOURCES = ("image", "family", "ami", "name", "ssm")


def check(data: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong with the values of a spec."""
    return [
        *_name(data), *_base(data), *_stack(_section(data, "stack")), *_disk(_section(data, "disk")),
        *_verify(_section(data, "verify")), *_provider(data), *_names_in(data, "layers"), *_names_in(data, "vars"),
    ]  # fmt: skip


def _section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _name(data: Mapping[str, Any]) -> Iterator[Finding]:
    name = data.get("name")
    if not isinstance(name, str) or not name:
        return
    if not NAME.fullmatch(name) and len(name) <= NAME_LENGTH:
        why = "image names are small letters, digits and hyphens, first a letter, last no hyphen"
        yield Finding(("name",), f'is "{name}"', why, _name_hint(name))
    elif len(name) > NAME_LENGTH:
        yield Finding(
            ("name",), f"has {len(name)} characters, at most {NAME_LENGTH} are allowed",
            "date and digest are added to it, and clouds allow 63 in all", "choose a shorter name",
        )  # fmt: skip


def _name_hint(name: str) -> str:
    better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f'for example "{better}"' if NAME.fullmatch(better) and len(better) <= NAME_LENGTH else "choose another name"


def _base(data: Mapping[str, Any]) -> Iterator[Finding]:
    base = _section(data, "base")
    sources = [key for key in _BASE_SOURCES if base.get(key) is not None]
    for key in sources[1:]:
        yield Finding(
            ("base", key), f"is given beside base.{sources[0]}", "an image has one base", "keep one of the two"
        )
    if sources:
        for key in _ARCHIVE_KEYS:
            if key in base:
                yield Finding(
                    ("base", key), f"does not go with base.{sources[0]}",
                    "an image brings its own distribution, release and kernel", "remove one of the two",
                )  # fmt: skip
    else:
        yield from _archive(base)
    provider = data.get("provider", "local")
    for key, owner in _PROVIDER_KEYS.items():
        if key in base and isinstance(provider, str) and provider != owner:
            yield Finding(
                ("base", key), f"is for provider {owner}, but the provider is {provider}", "",
                f'remove it, or set "provider: {owner}"',
            )  # fmt: skip
    if base.get("project") is not None and base.get("family") is None:
        yield Finding(("base", "project"), "is given without base.family", "", "add the family of the source image")
    for here, there in (("owner", "name"), ("name", "owner")):
        if base.get(here) is not None and base.get(there) is None:
            yield Finding(
                ("base", here), f"is given without base.{there}", "an AMI is looked up by both", f"add base.{there}"
            )


def _archive(base: Mapping[str, Any]) -> Iterator[Finding]:
    distribution = base.get("distribution", "debian")
    release = base.get("release", "bookworm" if distribution == "debian" else None)
    everything = "; ".join(f"{name}: {', '.join(releases)}" for name, releases in RELEASES.items())
    if isinstance(distribution, str) and distribution not in RELEASES:
        yield Finding(("base", "distribution"), f'is "{distribution}"', "", suggest(distribution, RELEASES, everything))
    elif isinstance(distribution, str) and release is None:
        yield Finding(
            ("base", "release"), "is missing", "", f"known for {distribution}: {', '.join(RELEASES[distribution])}"
        )
    elif isinstance(distribution, str) and isinstance(release, str) and release not in RELEASES[distribution]:
        owner = next((name for name, releases in RELEASES.items() if release in releases), None)
        known = f"known for {distribution}: {', '.join(RELEASES[distribution])}"
        hint = f'set "distribution: {owner}"' if owner else suggest(release, RELEASES[distribution], known)
        yield Finding(("base", "release"), f'is "{release}"', f"a release of {owner}" if owner else "", hint)
    age = _number(base.get("max_age_days"))
    if age is not None and age < 0:
        yield Finding(
            ("base", "max_age_days"), f"is {age}", "an age is not negative", "use 0 to renew the base in every bake"
        )
    for key in ("mirror", "security_mirror"):
        url = base.get(key)
        if isinstance(url, str) and url and not _MIRROR.fullmatch(url):
            yield Finding(("base", key), f'is "{url}"', "a mirror is an address", 'write it as "http://HOST/debian"')


def _stack(stack: Mapping[str, Any]) -> Iterator[Finding]:
    driver, cuda = stack.get("driver"), stack.get("cuda")
    yield from _list(stack, "stack", "gpus", "an image without GPUs in mind has no such key", "list GPUs, or remove it")
    if isinstance(driver, str) and driver and not _DRIVER.fullmatch(driver):
        yield Finding(
            ("stack", "driver"), f'is "{driver}"', "",
            'give a version such as "595.91.07", a branch such as "595", or production, lts or newest',
        )  # fmt: skip
    if isinstance(cuda, str) and cuda and not _CUDA.fullmatch(cuda):
        yield Finding(("stack", "cuda"), f'is "{cuda}"', "", 'give a version such as "13.2", or "13.x" for the newest')


def _disk(disk: Mapping[str, Any]) -> Iterator[Finding]:
    size = _number(disk.get("size_gib"))
    low, high = SIZE_GIB
    if size is not None and not low <= size <= high:
        yield Finding(("disk", "size_gib"), f"is {size}", f"a disk has {low} to {high} GiB", "choose a size in between")
    yield from _list(disk, "disk", "formats", "the bake would write nothing", "list raw, qcow2 or gce")


def _list(section: Mapping[str, Any], name: str, key: str, why: str, hint: str) -> Iterator[Finding]:
    values = section.get(key)
    if not isinstance(values, list):
        return
    if not values:
        yield Finding((name, key), "is empty", why, hint)
    for index, value in enumerate(values):
        if isinstance(value, str) and value in values[:index]:
            yield Finding((name, key, index), f'is "{value}" a second time', "", "list it once")


def _verify(verify: Mapping[str, Any]) -> Iterator[Finding]:
    yield from _list(
        verify, "verify", "firmware", "the image would never be booted", 'list bios or uefi, or set "boot: false"'
    )
    timeout = _number(verify.get("timeout_s"))
    low, high = TIMEOUT_S
    if timeout is not None and not low <= timeout <= high:
        yield Finding(("verify", "timeout_s"), f"is {timeout}", f"{low} to {high} seconds", "choose a time in between")
    for key, value in _section(verify, "expect").items():
        if key not in EXPECT:
            yield Finding(("verify", "expect", key), "is not a known key", "", suggest(key, EXPECT), key=True)
            continue
        is_right, words = EXPECT[key]
        if not is_right(value):
            yield Finding(("verify", "expect", key), f"is {show(value)}", "", f"write {words}")


def _provider(data: Mapping[str, Any]) -> Iterator[Finding]:
    provider = data.get("provider", "local")
    needs = {"gcp": "project and zone", "aws": "region and instance_type"}
    if isinstance(provider, str) and provider in needs and data.get(provider) is None:
        hint = f"add a block {provider} with {needs[provider]}"
        yield Finding((provider,), f"is missing, and the provider is {provider}", "", hint)
    for cloud, one, many in (("gcp", "zone", "zones"), ("aws", "instance_type", "instance_types")):
        block = data.get(cloud)
        if not isinstance(block, dict):
            continue
        if block.get(one) is not None and block.get(many) is not None:
            yield Finding((cloud, many), f"is given beside {cloud}.{one}", "", "keep one of the two")
        elif block.get(one) is None and block.get(many) is None:
            yield Finding((cloud,), f"has neither {one} nor {many}", "", f"add {one}, or {many} to try in turn")
        elif block.get(many) == []:
            yield Finding((cloud, many), "is empty", "", f"list at least one, or give {one}")


def _names_in(data: Mapping[str, Any], key: str) -> Iterator[Finding]:
    for name in _section(data, key):
        if not _VARIABLE.fullmatch(name):
            yield Finding(
                (key, name),
                "is not a name",
                "letters, digits and underscores, not beginning with a digit",
                "rename it",
                key=True,
            )


def show(value: object) -> str:
    """A value as the user would recognise it, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def suggest(word: str, known: Iterable[str], everything: str = "") -> str:
    """A hint: the nearest known word, if there is one, and all of them."""
    words = list(known)
    near = difflib.get_close_matches(word.lower(), words, n=1)
    everything = everything or f"known here: {', '.join(words)}"
    return f'did you mean "{near[0]}"? {everything}' if near else everything
