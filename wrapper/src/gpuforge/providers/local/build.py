"""Making what the store does not have: a base, a layer, an image. Each runs one guarded job and is admitted whole."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gpuforge.collection import Collection
from gpuforge.errors import GpuforgeError, Refused
from gpuforge.manifest import ImageRecord, source_date_epoch, timestamp
from gpuforge.providers.local import base_tree, signing
from gpuforge.providers.local.store import Entry, Store
from gpuforge.provision import run_job
from gpuforge.report import Reporter
from gpuforge.spec import Spec

_WORKER: Final = "gpuforge.providers.local.worker"
# The phases of a role that are true in a tree; `runtime` belongs to the booted machine.
_PHASES: Final = ("install", "configure", "verify")


class Builder:
    """Makes the parts of the image that *spec* describes and puts them into *store*."""

    def __init__(
        self, spec: Spec, collection: Collection, store: Store, reporter: Reporter, *, verbosity: int, keep: bool
    ) -> None:
        self.spec = spec
        self.collection = collection
        self.store = store
        self.reporter = reporter
        self.verbosity = verbosity
        self.keep = keep

    def base(self, recipe: base_tree.Recipe, name: str) -> Entry:
        """Make a base. Raises Refused where its archive cannot be used, TaskFailed where making it fails."""
        if problems := base_tree.archive_problems(recipe):
            raise Refused(f"the base {name} cannot be made", doing=f"baking {self.spec.name}", problems=problems)
        start = time.monotonic()
        with self.store.run() as scratch:
            tree = scratch / "tree"
            wanted = self.spec.base
            job = {
                "base": {
                    key: getattr(wanted, key)
                    for key in ("distribution", "release", "kernel", "mirror", "security_mirror")
                },
                "tree": self._relative(tree),
                "archives": self._relative(self._archives()),
            }
            index = self._job("base", job, scratch, f"making the base {name}")["index"]
            digest = base_tree.base_digest(recipe, index)
            if self.store.inspect("base", digest) is not None:
                self.store.discard("base", digest)  # the archive has not moved: the new tree takes the old one's place
            return self.store.admit(
                "base", digest, tree, name=name, parent="", seconds=time.monotonic() - start, created=time.time(),
                meta={"key": recipe.key, "index": index},
            )  # fmt: skip

    def layer(
        self, name: str, digest: str, playbook: Path, stack: Sequence[Entry], variables: Mapping[str, Any]
    ) -> Entry:
        """Bake the layer *name* on *stack* (lowest first). Raises TaskFailed; nothing of a failed layer is kept."""
        start = time.monotonic()
        with self.store.run() as scratch:
            job = {
                "layer": name,
                "playbook": str(playbook),
                "tags": [f"{name}_{phase}" for phase in _PHASES],
                "variables": dict(variables),
                "stack": [self._relative(entry.tree) for entry in stack],
                "archives": self._relative(self._archives()),
                "collections": str(self._collections(scratch)),
                "verbosity": self.verbosity,
            }
            if (key := signing.find_key(self.store.root)) and variables.get(signing.VARIABLE) == key.name:
                job["signing"] = {
                    "key": self._relative(key.key), "certificate": self._relative(key.certificate), "name": key.name,
                }  # fmt: skip
            self._job("layer", job, scratch, f"baking the layer {name}")
            return self.store.admit(
                "layer", digest, scratch / "diff", name=name, parent=stack[-1].digest,
                seconds=time.monotonic() - start, created=time.time(), meta={},
            )  # fmt: skip

    def image(self, digest: str, stack: Sequence[Entry]) -> ImageRecord:
        """Write the disk of *stack* and its manifest; the image is not verified yet."""
        start = time.monotonic()
        recipe = base_tree.recipe(self.spec.base)
        epoch = source_date_epoch(os.environ, time.time())
        day = timestamp(epoch)[:10].replace("-", "")
        record = ImageRecord(
            id=f"{self.spec.name}-{day}-{digest[:8]}", name=self.spec.name, digest=digest, created=timestamp(epoch),
            layers=tuple(entry.digest for entry in stack),
        )  # fmt: skip
        with self.store.run() as scratch:
            job = {
                "record": record.to_json(),
                "spec": dict(self.spec.written),
                "disk": {"size_gib": self.spec.disk.size_gib, "formats": list(self.spec.disk.formats)},
                "base": {
                    "digest": stack[0].digest,
                    "index": stack[0].meta["index"],
                    "distribution": recipe.distribution,
                    "release": recipe.release,
                    "version": recipe.version,
                },
                "layers": [
                    {"name": entry.name, "digest": entry.digest, "seconds": entry.seconds, "bytes": entry.bytes}
                    for entry in stack[1:]
                ],
                "epoch": epoch,
                "stack": [self._relative(entry.tree) for entry in stack],
            }
            self._job("assemble", job, scratch, f"assembling the image {record.id}")
            record = ImageRecord.load(scratch / "image")
            record = replace(record, seconds={**record.seconds, "assemble": round(time.monotonic() - start, 3)})
            record.save(scratch / "image")
            self.store.admit_image(record, scratch / "image")
        return record

    def _archives(self) -> Path:
        """Where downloaded packages are kept for the next time."""
        folder = self.store.root / "cache" / f"{self.spec.base.distribution}-{self.spec.base.release}"
        folder.mkdir(exist_ok=True)
        return folder

    def _collections(self, scratch: Path) -> Path:
        """A collection path that has the collection under its name, wherever the checkout lies."""
        folder = scratch / "collections"
        link = folder / "ansible_collections/gpuforge/node"
        link.parent.mkdir(parents=True)
        link.symlink_to(self.collection.root)
        return folder.absolute()

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.store.root).as_posix()

    def _job(self, kind: str, job: dict[str, Any], scratch: Path, doing: str) -> dict[str, Any]:
        described = {**job, "scratch": self._relative(scratch)}
        try:
            return run_job(
                _WORKER, kind, described, work_dir=self.store.root, scratch=scratch, reporter=self.reporter, doing=doing
            )
        except GpuforgeError as exc:
            if self.keep:
                kept = self.store.keep(scratch)
                exc.hint = "; ".join(filter(None, [exc.hint, f"what was made so far is kept in {kept}"]))
            raise
