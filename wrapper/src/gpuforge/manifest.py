# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What an image is: the manifest inside it and the record beside it.

``manifest.json`` is the same bytes as ``/etc/gpuforge/manifest.json`` in the image, written before the disk is
assembled. ``image.json`` holds what is known only afterwards: files, the outcome of the boots, whether it is verified.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from gpuforge.errors import StoreError, UsageError
from gpuforge.files import write_durably

SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
RECORD: Final = "image.json"

ImageStatus = Literal["verified", "unverified"]


def timestamp(epoch: int) -> str:
    """A moment in UNIX seconds as ISO 8601 in UTC, ``2026-11-22T10:00:00Z``."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def source_date_epoch(environment: Mapping[str, str], now: float) -> int:
    """The time that goes into what is built, in UNIX seconds: SOURCE_DATE_EPOCH (reproducible-builds.org) or *now*.

    Raises:
        UsageError: SOURCE_DATE_EPOCH is set and not a number of seconds.
    """
    text = environment.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return int(now)
    # 253402300799 is the last second of the year 9999, beyond which ISO 8601 has no four-digit year.
    if not (text.isascii() and text.isdigit() and int(text) <= 253402300799):
        hint = "set it to UNIX seconds, or unset it"
        raise UsageError(f'SOURCE_DATE_EPOCH is "{text}", not a number of seconds', hint=hint)
    return int(text)


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer as the manifest names it: ``seconds`` it took when it was baked, ``bytes`` of its own files."""

    name: str
    digest: str
    seconds: float
    bytes: int


def build_manifest(
    *,
    spec: Mapping[str, Any],
    base: Mapping[str, Any],
    layers: Sequence[LayerRecord],
    dpkg: Mapping[str, str],
    python: Mapping[str, Mapping[str, str]],
    versions: Mapping[str, str | None],
    checks: Sequence[Mapping[str, Any]],
    tools: Mapping[str, str],
    epoch: int,
) -> dict[str, Any]:
    """The manifest as a mapping; the same arguments always give the same text.

    Args:
        spec: the spec as the user wrote it (``Spec.written``).
        base: what the image grows on: distribution, release, digest, ...
        dpkg: versions by package name.
        python: versions by distribution name, by the path of their environment.
        versions: of the parts that matter (driver, kernel, ...), None where a part is absent.
        checks: results of the checks made while baking.
        tools: versions of the programs that made the image.
        epoch: the time, in UNIX seconds (``source_date_epoch``).
    """
    return {
        "schema": SCHEMA_VERSION,
        "spec": dict(spec),
        "base": dict(base),
        "layers": [asdict(layer) for layer in layers],
        "packages": {"dpkg": dict(dpkg), "python": {path: dict(found) for path, found in python.items()}},
        "versions": dict(versions),
        "checks": [dict(check) for check in checks],
        "tools": dict(tools),
        "time": timestamp(epoch),
    }


def to_text(value: Mapping[str, Any]) -> str:
    """The one text of a manifest, record or bill of materials: sorted keys, indented, a newline at the end.

    Raises:
        ValueError: a number is not finite.
        TypeError: something in it has no word in JSON.
    """
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The JSON object in *path*; *what* names it in errors.

    Raises:
        StoreError: it cannot be read, is not a JSON object, or has a schema version this gpuforge does not know.
    """
    doing = f"reading the {what} {path}"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise StoreError(
            exc.strerror or str(exc), doing=doing, hint=f"give an image that has its {path.name}"
        ) from None
    except ValueError as exc:
        raise StoreError(f"not valid JSON: {exc}", doing=doing, hint="bake the image again") from None
    if not isinstance(data, dict):
        raise StoreError("not a JSON object", doing=doing, hint="bake the image again")
    if data.get("schema") != SCHEMA_VERSION:
        message = f"its schema version is {data.get('schema')!r}, this gpuforge reads {SCHEMA_VERSION}"
        raise StoreError(message, doing=doing, hint="use the gpuforge that made it, or bake the image again")
    return data


def load_manifest(path: Path) -> dict[str, Any]:
    """The manifest in a file, or in the directory of an image. Raises StoreError as ``read_json``."""
    return read_json(path / MANIFEST if path.is_dir() else path, "manifest")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of an image. ``file`` is its name in the image's directory, ``bytes`` its length, ``sha256`` in hex."""

    format: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image in the store.

    ``digest`` is of its last layer (sealed), ``layers`` are the digests of its base and of every layer, lowest first,
    ``created`` is ISO 8601 in UTC, ``verification`` one mapping for each boot, ``seconds`` how long each step took.
    """

    id: str
    name: str
    digest: str
    created: str
    status: ImageStatus = "unverified"
    layers: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    verification: tuple[Mapping[str, Any], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form, as in ``image.json`` but for the schema version."""
        return {
            "id": self.id,
            "name": self.name,
            "digest": self.digest,
            "created": self.created,
            "status": self.status,
            "layers": list(self.layers),
            "artifacts": [asdict(artifact) for artifact in self.artifacts],
            "verification": [dict(result) for result in self.verification],
            "seconds": dict(self.seconds),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ImageRecord:
        """The inverse of ``to_json``. Raises ValueError where something is missing or of another type."""
        try:
            if data["status"] not in get_args(ImageStatus):
                raise ValueError(f"status is {data['status']!r}")
            texts = {key: data[key] for key in ("id", "name", "digest", "created")}
            if wrong := [key for key, value in texts.items() if not isinstance(value, str)]:
                raise ValueError(f"{wrong[0]} is not text")
            return cls(
                **texts,
                status=cast(ImageStatus, data["status"]),
                layers=tuple(str(digest) for digest in data["layers"]),
                artifacts=tuple(Artifact(**artifact) for artifact in data["artifacts"]),
                verification=tuple(dict(result) for result in data["verification"]),
                seconds={str(step): float(value) for step, value in data["seconds"].items()},
            )
        except KeyError as exc:
            raise ValueError(f"{exc.args[0]} is missing") from None
        except (TypeError, AttributeError) as exc:
            raise ValueError(str(exc)) from None

    def save(self, folder: Path) -> None:
        """Write ``image.json`` into *folder*: after a crash there is the old one or the new one, whole."""
        write_durably(folder / RECORD, to_text({"schema": SCHEMA_VERSION, **self.to_json()}).encode())
        # The rename itself must survive a power cut too.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @classmethod
    def load(cls, folder: Path) -> ImageRecord:
        """The record in *folder*. Raises StoreError where there is none that can be used."""
        data = read_json(folder / RECORD, "image record")
        try:
            return cls.from_json(data)
        except ValueError as exc:
            doing = f"reading the image record {folder / RECORD}"
            raise StoreError(str(exc), doing=doing, hint="bake the image again") from None
