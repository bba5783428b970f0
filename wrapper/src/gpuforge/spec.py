# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The image spec: what the user wrote, frozen.

``load_spec`` reads a YAML file and returns a ``Spec`` or raises ``SpecError`` with every problem at once. The modules
behind it (YAML, pydantic) are imported only when a spec is read, so that the command line starts fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gpuforge.errors import Problem, SpecError
from gpuforge.spec_types import RELEASES, Base, Disk, Provider, Spec, Stack, Verify

__all__ = ["RELEASES", "Base", "Disk", "Provider", "Spec", "Stack", "Verify", "load_spec", "parse_spec"]


def load_spec(path: Path, *, provider: str | None = None) -> Spec:
    """Read an image spec.

    Args:
        path: the YAML file.
        provider: replaces the spec's own provider (``--provider``), before anything is checked.

    Raises:
        SpecError: the file cannot be read, or something in it is wrong; ``problems`` has all of it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(
            f"{path} does not exist", doing="reading the spec", hint="give the path of a YAML file"
        ) from None
    except UnicodeDecodeError as exc:
        raise SpecError(
            f"{path} is not UTF-8 text (byte {exc.start})", doing="reading the spec", hint="save the file as UTF-8"
        ) from None
    except OSError as exc:
        raise SpecError(
            f"{path}: {exc.strerror or exc}", doing="reading the spec", hint="give the path of a YAML file you may read"
        ) from None
    return parse_spec(text, path, provider=provider)


def parse_spec(text: str, path: Path, *, provider: str | None = None) -> Spec:
    """The spec in ``text``; ``path`` is the file it came from. Raises as ``load_spec``."""
    from gpuforge.spec_yaml import read_yaml

    document = read_yaml(text, str(path))
    problems: list[Problem] = list(document.problems)
    if not document.broken:
        from gpuforge.spec_model import validate

        data = dict(document.data)
        if provider is not None:
            data["provider"] = provider
        values, found = validate(data, document)
        problems += found
        if not problems:
            return _build(path.absolute(), values, document.data)
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise SpecError(f"{path} has {count}", doing="reading the spec", problems=problems)


def _build(path: Path, values: Mapping[str, Any], written: Mapping[str, Any]) -> Spec:
    """Dataclasses from validated values."""
    base = dict(values["base"])
    if any(base.get(key) for key in ("image", "family", "ami", "name", "ssm")):
        base |= {"distribution": "", "release": ""}
    disk = {**values["disk"], "formats": tuple(values["disk"]["formats"])}
    gpus = values["stack"]["gpus"]
    stack = {**values["stack"], "gpus": None if gpus is None else tuple(gpus)}
    verify = {**values["verify"], "firmware": tuple(values["verify"]["firmware"])}
    return Spec(
        path=path,
        name=values["name"],
        description=values["description"],
        provider=cast(Provider, values["provider"]),
        base=Base(**base),
        stack=Stack(**stack),
        layers=values["layers"],
        vars=values["vars"],
        disk=Disk(**disk),
        verify=Verify(**verify),
        gcp=values["gcp"],
        aws=values["aws"],
        written=written,
    )
