"""The bake: base, layers, seal, disk, boot. Each part is made once and found again by its digest."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from gpuforge.collection import Collection, find_collection
from gpuforge.errors import NoRoot, Refused, TaskFailed
from gpuforge.events import Kind, Status, make_event
from gpuforge.guard import TOOLS as GUARD_TOOLS
from gpuforge.layers import SEAL, layer_digest, switch
from gpuforge.manifest import RECORD, ImageRecord, load_manifest
from gpuforge.plan import Plan, PlanItem, image_digest, make_plan, plan_layers
from gpuforge.providers.local import base_tree, boot, signing
from gpuforge.providers.local.build import Builder
from gpuforge.providers.local.store import Damaged, Entry, Store
from gpuforge.providers.local.tools import require_tools
from gpuforge.report import Reporter
from gpuforge.spec import Spec, Verify

# Programs of the host. The boots ask for their own once more, for `gpuforge verify`.
_BAKE_TOOLS: Final = ("mmdebstrap", "mount", "mkfs.ext4", "sfdisk", "mkfs.vfat", "mcopy", "qemu-img", *GUARD_TOOLS)
_BOOT_TOOLS: Final = ("qemu-system-x86_64", "ssh", "ssh-keygen")

# What apt says of a package that its index names and the archive does not have any more.
_GONE: Final = re.compile(r"\.deb\s+404\s+Not Found")


@dataclass(frozen=True, slots=True)
class BakeResult:
    """What a bake made: the image and its state, what was baked now, what was there already, and the time it all
    took."""

    image_id: str
    path: Path
    digest: str
    status: str
    baked: tuple[str, ...]
    cached: tuple[str, ...]
    seconds: float


class _Run:
    """One bake: goes through the plan and makes what is not in the store."""

    def __init__(self, plan: Plan, collection: Collection, store: Store, reporter: Reporter, builder: Builder) -> None:
        self.plan = plan
        self.spec = plan.spec
        self.collection = collection
        self.store = store
        self.reporter = reporter
        self.builder = builder
        self.baked: list[str] = []
        self.cached: list[str] = []

    def all(self) -> ImageRecord:
        """Everything up to the disk. A package that has left the archive renews the base, once."""
        try:
            return self._all(self.plan.base)
        except TaskFailed as exc:
            if not _GONE.search("\n".join(exc.output)) or "base" in self.baked:
                raise
            why = "a package that the index names has left the archive"
            self._say("message", "warning", "base", f"{why}: the package index is renewed, and the layers with it")
            return self._all(replace(self.plan.base, digest=None, reason=why), anew=True)

    def _all(self, base: PlanItem, *, anew: bool = False) -> ImageRecord:
        self.baked, self.cached = [], []
        stack = [self._base(base, anew=anew)]
        for item in plan_layers(self.spec, self.collection, self.store, stack[0].digest, self.plan.variables):
            stack.append(self._layer(item, stack))
        return self._image(stack)

    def _say(self, kind: Kind, status: Status, name: str, detail: str = "", seconds: float | None = None) -> None:
        self.reporter.emit(make_event(kind, status, name, detail=detail, seconds=seconds))

    @contextlib.contextmanager
    def _turn(self, name: str, lock: str) -> Iterator[None]:
        """Hold the lock of what is to be made, so that two bakes never make the same thing."""
        with self.store.lock(lock, lambda: self._say("message", "info", name, "waiting: another bake is making it")):
            yield

    def _found(self, kind: Literal["base", "layer"], name: str, digest: str) -> Entry | None:
        """The whole entry in the store, if there is one; a damaged one is taken out."""
        entry = self.store.inspect(kind, digest)
        if isinstance(entry, Damaged):
            self._say("message", "warning", name, f"damaged in the store, made anew: {entry.reason}")
            self.store.discard(kind, digest)
            return None
        if entry is not None:
            self.cached.append("base" if kind == "base" else name)
            self._say(kind, "cached", name, digest[:12])
        return entry

    def _base(self, item: PlanItem, *, anew: bool) -> Entry:
        recipe = base_tree.recipe(self.spec.base)
        with self._turn(item.name, f"base-{recipe.key}"):
            digest = item.digest
            if digest is None and not anew and item.reason == "not in the store":
                # Another bake may have made it while this one waited.
                current = base_tree.current_base(self.store, recipe, self.spec.base.max_age_days, refresh=False)
                digest = current.digest if current is not None and not current.stale else None
            if digest is not None and (entry := self._found("base", item.name, digest)) is not None:
                return entry
            self._say("base", "start", item.name, item.reason)
            entry = self.builder.base(recipe, item.name)
        self.baked.append("base")
        self._say("base", "changed", item.name, entry.digest[:12], entry.seconds)
        return entry

    def _layer(self, item: PlanItem, stack: list[Entry]) -> Entry:
        assert item.digest is not None
        with self._turn(item.name, item.digest):
            if (entry := self._found("layer", item.name, item.digest)) is not None:
                return entry
            self._say("layer", "start", item.name, item.reason)
            playbook = self.collection.seal if item.name == SEAL else self.collection.site
            try:
                variables = {**self.plan.variables, **switch(self.collection, item.name)}
                entry = self.builder.layer(item.name, item.digest, playbook, stack, variables)
            except TaskFailed as exc:
                self._say("layer", "failed", item.name, exc.message)
                raise
            if layer_digest(self.collection, item.name, stack[-1].digest, self.plan.variables) != item.digest:
                self.store.discard("layer", item.digest)
                raise Refused(
                    "files of its role or of its plugins changed meanwhile, so nobody knows what it was made from",
                    doing=f"baking the layer {item.name}", hint="bake again; nothing of this layer was kept",
                )  # fmt: skip
        self.baked.append(item.name)
        self._say("layer", "changed", item.name, entry.digest[:12], entry.seconds)
        return entry

    def _image(self, stack: list[Entry]) -> ImageRecord:
        digest = image_digest(self.spec, stack[-1].digest)
        with self._turn(self.spec.name, digest):
            for record in self.store.images():
                if record.digest != digest:
                    continue
                if not (damage := self.store.image_damage(record)):
                    self.cached.append("image")
                    self._say("step", "cached", "assemble", record.id)
                    return record
                self._say("message", "warning", record.id, f"damaged, assembled anew: {damage}")
                self.store.discard_image(record)
            self._say("step", "start", "assemble")
            record = self.builder.image(digest, stack)
        self.baked.append("image")
        self._say("step", "changed", "assemble", record.id, record.seconds["assemble"])
        return record


def bake(
    spec: Spec,
    *,
    work_dir: Path,
    reporter: Reporter,
    refresh: bool = False,
    keep_on_failure: bool = False,
    verify: bool = True,
    verbosity: int = 0,
    collection: Collection | None = None,
) -> BakeResult:
    """Bake *spec*: what is not in the store is made, and an image that is not verified yet is booted and checked.

    Raises:
        Refused: the plan refuses (every reason is in ``problems``), or this machine cannot bake.
        TaskFailed: a layer failed; the layers before it stay in the store.
        VerificationFailed: the image does not boot or fails a check; it stays, marked unverified, with its serial log.
    """
    start = time.monotonic()
    collection = collection or find_collection()
    store = Store(work_dir.absolute())
    plan = make_plan(spec, work_dir=store.root, refresh=refresh, collection=collection)
    doing = f"baking {spec.name}"
    if plan.refusals:
        raise Refused(f"{spec.path} asks for what cannot be baked", doing=doing, problems=plan.refusals)
    if os.geteuid() != 0:
        raise NoRoot(
            "baking needs root: it mounts file systems and runs apt in the image's tree", doing=doing,
            hint="run it with sudo; plan, list, show and diff need no root",
        )  # fmt: skip
    boots = verify and spec.verify.boot
    key_tools = ("openssl",) if plan.lacks_key else ()
    require_tools([*_BAKE_TOOLS, *key_tools, *(_BOOT_TOOLS if boots else ())], doing=doing)
    store.prepare()
    if plan.lacks_key:
        made = signing.make_key(store)
        detail = f"made the key that modules are signed with; nodes with Secure Boot must trust {made.certificate}"
        reporter.emit(make_event("message", "info", "keys", detail=detail))
        plan = make_plan(spec, work_dir=store.root, refresh=refresh, collection=collection)
    for warning in plan.warnings:
        reporter.emit(make_event("message", "warning", "stack", detail=warning))
    for name in store.sweep():
        reporter.emit(make_event("message", "info", "store", detail=f"removed what the killed run {name} had left"))
    builder = Builder(spec, collection, store, reporter, verbosity=verbosity, keep=keep_on_failure)
    run = _Run(plan, collection, store, reporter, builder)
    record = run.all()
    if boots and record.status != "verified":
        record = check_image(record, store.image_path(record), store, reporter, spec.verify)
    return BakeResult(
        record.id, store.image_path(record), record.digest, record.status, tuple(run.baked), tuple(run.cached),
        round(time.monotonic() - start, 3),
    )  # fmt: skip


def verify(image: str, *, work_dir: Path, reporter: Reporter) -> list[Mapping[str, Any]]:
    """Boot the image *image* (an id, the start of one, or a folder) by each firmware and check it; the results.

    Raises VerificationFailed as ``bake`` does.
    """
    store = Store(work_dir.absolute())
    record = store.find_image(image)
    folder = Path(image) if (Path(image) / RECORD).is_file() else store.image_path(record)
    store.prepare()
    return list(check_image(record, folder, store, reporter, Verify()).verification)


def expected_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What the node's own checks shall find because the manifest says that it was baked in.

    Without an expectation a node that has no GPU and no driver is in order. One that was baked with the driver is not,
    even if nothing is left of it.
    """
    if not any(layer["name"] == "nvidia_driver" for layer in manifest["layers"]):
        return {}
    return {"driver": manifest["versions"].get("driver") or "the one of the layer nvidia_driver"}


def check_image(record: ImageRecord, folder: Path, store: Store, reporter: Reporter, how: Verify) -> ImageRecord:
    """Boot the image in *folder* by each firmware, write the outcome into its record and return that.

    Raises:
        VerificationFailed: one of the boots found something wrong; the record then says unverified.
    """
    reporter.emit(make_event("step", "start", "verify"))
    start = time.monotonic()
    expect = {**expected_of(load_manifest(folder)), **how.expect}
    with store.run() as scratch:
        results = [
            boot.verify_image(
                folder,
                firmware=firmware,
                scratch=scratch,
                emit=reporter.emit,
                expect=expect,
                timeout_s=how.timeout_s,
            )
            for firmware in how.firmware
        ]
    seconds = round(time.monotonic() - start, 3)
    good = all(result.ok for result in results)
    record = replace(
        record,
        status="verified" if good else "unverified",
        verification=tuple(result.to_json() for result in results),
        seconds={**record.seconds, "verify": seconds},
    )
    record.save(folder)
    reporter.emit(make_event("step", "ok" if good else "failed", "verify", seconds=seconds))
    if failures := [error for result in results if (error := result.error(record.id)) is not None]:
        raise failures[0]
    return record
