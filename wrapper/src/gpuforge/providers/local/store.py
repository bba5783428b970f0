"""The work directory: bases and layers by digest, images by name, scratch folders by run.

Whatever enters ``bases/`` or ``layers/`` enters by one rename of a finished folder and carries a record that is
checked each time before the folder is used: a folder whose record or content does not fit is damaged, and a damaged
folder is baked anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gpuforge.errors import GpuforgeError, StoreError, UsageError
from gpuforge.files import canonical, sha256, write_durably
from gpuforge.manifest import MANIFEST, RECORD, ImageRecord
from gpuforge.providers.local.fingerprint import fingerprint

Kind = Literal["base", "layer"]

_VERSION: Final = 1  # of the records; another version counts as damaged
_FOLDERS: Final[Mapping[Kind, str]] = {"base": "bases", "layer": "layers"}
_TREES: Final[Mapping[Kind, str]] = {"base": "tree", "layer": "diff"}
# Trees hold other systems' set-user-id programs and must not be entered by the users of this machine.
_PRIVATE: Final = ("bases", "layers", "tmp", "keys", "cache")
_SHARED: Final = ("images", "locks")


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished base or layer. ``seconds`` is what it took to make, ``bytes`` what its regular files hold."""

    kind: Kind
    digest: str
    path: Path
    name: str
    parent: str
    created: float
    seconds: float
    bytes: int
    meta: Mapping[str, Any]

    @property
    def tree(self) -> Path:
        """The folder with the files."""
        return self.path / _TREES[self.kind]


@dataclass(frozen=True, slots=True)
class Damaged:
    """An entry that must not be used, and why."""

    kind: Kind
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class GarbageItem:
    """Something that ``gc`` would remove: where, what it is, how large, why it is garbage."""

    path: Path
    kind: str
    bytes: int
    reason: str


class Store:
    """The work directory *root*. Reading never creates anything; ``prepare`` does."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- folders, locks, runs ---

    def prepare(self) -> None:
        """Create the folders of the work directory. Raises StoreError where that is impossible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for name in (*_PRIVATE, *_SHARED):
                folder = self.root / name
                folder.mkdir(exist_ok=True)
                folder.chmod(0o700 if name in _PRIVATE else 0o755)
        except OSError as exc:
            raise StoreError(
                f"{self.root} cannot be used: {exc.strerror}", doing="preparing the work directory",
                hint="choose another one with --work-dir",
            ) from exc  # fmt: skip

    @contextlib.contextmanager
    def lock(self, name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the lock *name*; *on_wait* is called once if another process has it. A process's death frees its
        locks."""
        path = self.root / "locks" / f"{name}.lock"
        with path.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def run(self) -> Iterator[Path]:
        """A scratch folder of this run's own, removed at the end. While it is in use no sweep touches it."""
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        lock = self.root / "locks" / f"run-{name}.lock"
        scratch = self.root / "tmp" / name
        with self.lock(f"run-{name}"):
            scratch.mkdir(mode=0o700)
            try:
                yield scratch
            finally:
                if scratch.exists():
                    remove_tree(scratch)
                lock.unlink(missing_ok=True)

    def _stale_runs(self) -> Iterator[Path]:
        """Scratch folders whose run is over (its lock is free)."""
        for folder in _children(self.root / "tmp"):
            path = self.root / "locks" / f"run-{folder.name}.lock"
            with contextlib.ExitStack() as stack:
                if path.exists():
                    handle = stack.enter_context(path.open("w"))
                    try:
                        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                yield folder

    def keep(self, scratch: Path) -> Path:
        """Move a failed run's scratch folder out of the reach of the sweep and return where it is now."""
        kept = self.root / "kept" / scratch.name
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        scratch.rename(kept)
        return kept

    def sweep(self) -> list[str]:
        """Remove what killed runs left in ``tmp/`` and return the names of the folders."""
        swept = []
        for folder in self._stale_runs():
            remove_tree(folder)
            (self.root / "locks" / f"run-{folder.name}.lock").unlink(missing_ok=True)
            swept.append(folder.name)
        return swept

    # --- bases and layers ---

    def inspect(self, kind: Kind, digest: str) -> Entry | Damaged | None:
        """Look at an entry: whole, damaged, or None where there is none."""
        path = self.root / _FOLDERS[kind] / digest
        if not path.is_dir():
            return None
        try:
            record = _read_record(path / f"{kind}.json")
            if (record["kind"], record["digest"]) != (kind, digest):
                raise ValueError("its record belongs to something else")
            now = fingerprint(path / _TREES[kind])
            if now.digest != record["fingerprint"]:
                raise ValueError(
                    f"its files are not those that were baked ({now.entries} entries, {record['entries']} recorded)"
                )
        except PermissionError as exc:
            raise StoreError(
                f"{exc.filename} cannot be read", doing="reading the store", hint="run as the user who baked (root)"
            ) from exc
        except (OSError, ValueError, KeyError, TypeError) as exc:
            return Damaged(kind, digest, str(exc))
        keys = ("name", "parent", "created", "seconds", "bytes", "meta")
        return Entry(kind, digest, path, *(record[key] for key in keys))

    def admit(
        self, kind: Kind, digest: str, tree: Path, *, name: str, parent: str, seconds: float, created: float,
        meta: Mapping[str, Any],
    ) -> Entry:  # fmt: skip
        """Take the finished *tree* (on the same file system) into the store, in one rename."""
        made = tree.parent / f"entry-{digest}"
        made.mkdir()
        tree.rename(made / _TREES[kind])
        content = fingerprint(made / _TREES[kind])
        record = {
            "version": _VERSION, "kind": kind, "digest": digest, "name": name, "parent": parent, "created": created,
            "seconds": round(seconds, 3), "fingerprint": content.digest, "bytes": content.bytes,
            "entries": content.entries, "meta": dict(meta),
        }  # fmt: skip
        write_durably(made / f"{kind}.json", canonical({**record, "seal": sha256(canonical(record))}) + b"\n")
        # No sync of the tree: what a power cut leaves empty or short does not fit the fingerprint and is baked anew.
        made.rename(self.root / _FOLDERS[kind] / digest)
        entry = self.inspect(kind, digest)
        if not isinstance(entry, Entry):
            raise StoreError(f"{kind} {digest} is damaged just after it was written", doing="writing to the store")
        return entry

    def discard(self, kind: Kind, digest: str) -> None:
        """Remove an entry: out of its place by one rename, then for good."""
        self._remove_in_two(self.root / _FOLDERS[kind] / digest)

    def _remove_in_two(self, path: Path) -> None:
        doomed = self.root / "tmp" / f"discarded-{secrets.token_hex(4)}"
        path.rename(doomed)
        remove_tree(doomed)

    def entries(self, kind: Kind) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Digest and record of each entry whose record can be read; the trees are not looked at."""
        for path in _children(self.root / _FOLDERS[kind]):
            with contextlib.suppress(OSError, ValueError):
                yield path.name, _read_record(path / f"{kind}.json")

    # --- images ---

    def images(self) -> list[ImageRecord]:
        """The records of all images, oldest first; folders without a readable record are not images."""
        records = []
        for path in _children(self.root / "images"):
            with contextlib.suppress(OSError, ValueError, GpuforgeError):
                records.append(ImageRecord.load(path))
        return sorted(records, key=lambda record: (record.created, record.id))

    def image_path(self, record: ImageRecord) -> Path:
        """The folder of an image."""
        return self.root / "images" / record.id

    def image_damage(self, record: ImageRecord) -> str:
        """What is wrong with the files of an image, by their presence and length (empty: nothing)."""
        folder = self.image_path(record)
        for name in (MANIFEST, *(artifact.file for artifact in record.artifacts)):
            if not (folder / name).is_file():
                return f"{name} is missing"
        for artifact in record.artifacts:
            if (length := (folder / artifact.file).stat().st_size) != artifact.bytes:
                return f"{artifact.file} has {length} bytes, {artifact.bytes} were written"
        return ""

    def admit_image(self, record: ImageRecord, folder: Path) -> None:
        """Take the finished *folder* (on the same file system) into the store, in one rename."""
        folder.rename(self.image_path(record))

    def discard_image(self, record: ImageRecord) -> None:
        """Remove an image."""
        self._remove_in_two(self.image_path(record))

    def find_image(self, reference: str) -> ImageRecord:
        """The image with this id, with an id or digest that starts like this (if only one does), or in this folder."""
        as_path = Path(reference)
        if (as_path / RECORD).is_file():
            return ImageRecord.load(as_path)
        images = self.images()
        found = [image for image in images if reference == image.id] or [
            image
            for image in images
            if reference and (image.id.startswith(reference) or image.digest.startswith(reference))
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{reference} names {len(found)} images: {', '.join(image.id for image in found)}")
        known = ", ".join(image.id for image in images) or "there is none yet"
        raise UsageError(f"no image is called {reference}", hint=f"images in {self.root}: {known}")

    # --- rubbish ---

    def garbage(self) -> list[GarbageItem]:
        """What can go without a loss: remains of killed runs, damaged entries, bases and layers that no image stands
        on."""
        items = [
            GarbageItem(path, "scratch", _size(path), "left by a run that was killed") for path in self._stale_runs()
        ]
        items += [
            GarbageItem(path, "kept", _size(path), "kept from a bake that failed")
            for path in _children(self.root / "kept")
        ]
        used = {digest for image in self.images() for digest in image.layers}
        for kind in _FOLDERS:
            for path in _children(self.root / _FOLDERS[kind]):
                found = self.inspect(kind, path.name)
                if isinstance(found, Damaged):
                    items.append(GarbageItem(path, kind, _size(path), f"damaged: {found.reason}"))
                elif isinstance(found, Entry) and path.name not in used:
                    items.append(GarbageItem(path, kind, found.bytes, f"no image stands on this {kind} ({found.name})"))
        for path in _children(self.root / "images"):
            if not (path / RECORD).is_file():
                items.append(GarbageItem(path, "image", _size(path), "no record: it was never finished"))
        return items

    def collect(self, items: Iterable[GarbageItem]) -> None:
        """Remove *items*."""
        for item in items:
            if item.kind in _FOLDERS:
                self.discard("base" if item.kind == "base" else "layer", item.path.name)
            else:
                remove_tree(item.path)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _read_record(path: Path) -> dict[str, Any]:
    """The record in *path*. Raises OSError or ValueError (not JSON, another version, changed since it was written)."""
    record = json.loads(path.read_bytes())
    if not isinstance(record, dict) or record.get("version") != _VERSION:
        raise ValueError(f"{path.name} is not a record of version {_VERSION}")
    seal = record.pop("seal", None)
    if seal != sha256(canonical(record)):
        raise ValueError(f"{path.name} was changed after it was written")
    return record


def remove_tree(path: Path) -> None:
    """Remove *path* with all below it. Raises StoreError naming the first thing that could not be removed."""
    deadline = time.monotonic() + 5.0
    while True:
        try:
            shutil.rmtree(path)
            return
        except FileNotFoundError:
            if not path.exists():
                return
        except OSError as exc:
            # A process of a run that has just been killed may hold a mount or write for a moment.
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{exc.filename} cannot be removed: {exc.strerror}", doing="tidying the work directory"
                ) from exc
        time.sleep(0.05)
