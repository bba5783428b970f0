# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The commands, one function each: arguments in, result on the console, exit code out.

Each imports what it needs when it runs, so that a quick command stays quick.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gpuforge.console import Console, table
from gpuforge.errors import EXIT_DONE, EXIT_REFUSED, CleanupIncomplete, GpuforgeError, Refused, UsageError

if TYPE_CHECKING:
    from gpuforge.plan import Plan, PlanItem


def plan(args: Namespace, console: Console) -> int:
    """``gpuforge plan SPEC``: what a bake would do."""
    from gpuforge.plan import make_plan
    from gpuforge.spec import load_spec

    spec = load_spec(args.spec, provider=args.provider)
    made = make_plan(spec, work_dir=args.work_dir, refresh=args.refresh)
    if not made.refusals:
        console.result(made.to_json(), _plan_text(made))
        return EXIT_DONE
    refused = Refused(
        f"{args.spec} asks for what cannot be baked", doing="planning", problems=made.refusals,
        hint="change the spec; nothing was touched",
    )  # fmt: skip
    if not console.json:
        raise refused
    console.result({**made.to_json(), "error": refused.to_json()}, "", ok=False)
    console.error(refused)
    return EXIT_REFUSED


def _plan_text(made: Plan) -> str:
    from gpuforge.quantity import duration, size

    def row(item: PlanItem) -> list[str]:
        known = [duration(item.seconds)] if item.seconds is not None else []
        known += [size(item.bytes)] if item.bytes is not None else []
        digest = (item.digest or "")[:12]
        return [item.kind, item.name, item.state, digest, ", ".join([*filter(None, [item.reason]), *known])]

    items = [made.base, *made.layers, made.image]
    missing = sum(item.state != "cached" for item in items)
    lines = [table(map(row, items))]
    lines += [f"stack: {stack}"] if (stack := made.stack.summary()) else []
    lines += [f"warning: {warning}" for warning in made.warnings]
    lines.append(f"to bake: {missing} of {len(items)}" if missing else "to bake: nothing")
    return "\n".join(lines)


def bake(args: Namespace, console: Console) -> int:
    """``gpuforge bake SPEC``: the image, verified unless told otherwise."""
    from gpuforge.bake import bake as run
    from gpuforge.events import make_event
    from gpuforge.quantity import duration
    from gpuforge.spec import load_spec

    spec = load_spec(args.spec, provider=args.provider)
    start = time.monotonic()
    reporter = console.reporter()
    try:
        reporter.emit(make_event("run", "start", spec.name))
        try:
            result = run(
                spec, work_dir=args.work_dir, reporter=reporter, refresh=args.refresh,
                keep_on_failure=args.keep_on_failure, verify=not args.no_verify, verbosity=args.verbose,
            )  # fmt: skip
        except BaseException:
            reporter.emit(make_event("run", "failed", spec.name, seconds=time.monotonic() - start))
            raise
        reporter.emit(make_event("run", "ok", spec.name, seconds=result.seconds, detail=result.status))
    finally:
        reporter.close()
    values = {
        "image": result.image_id, "path": str(result.path), "digest": result.digest, "status": result.status,
        "baked": list(result.baked), "cached": list(result.cached), "seconds": result.seconds,
    }  # fmt: skip
    shown = {
        **values,
        "baked": ", ".join(result.baked) or "nothing",
        "cached": ", ".join(result.cached) or "nothing",
        "seconds": duration(result.seconds),
    }
    console.result(values, table([key, str(value)] for key, value in shown.items()))
    return EXIT_DONE


def verify(args: Namespace, console: Console) -> int:
    """``gpuforge verify IMAGE``: boots it, runs the checks."""
    from gpuforge.bake import verify as run

    reporter = console.reporter()
    try:
        results = run(args.image, work_dir=args.work_dir, reporter=reporter)
    finally:
        reporter.close()
    console.result({"image": args.image, "results": [dict(result) for result in results]}, _boots(results))
    return EXIT_DONE


def _boots(results: Any) -> str:
    """A line for each boot: firmware, verdict, how many checks ended how."""
    from gpuforge.quantity import duration

    rows = []
    for result in results:
        counts: dict[str, int] = {}
        for check in result.get("checks", ()):
            counts[check.get("status", "unknown")] = counts.get(check.get("status", "unknown"), 0) + 1
        summary = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        seconds = result.get("seconds")
        took = duration(seconds) if isinstance(seconds, (int, float)) else ""
        rows.append([str(result.get("firmware", "")), "ok" if result.get("ok") else "failed", took, summary])
    return table(rows) if rows else "never booted"


def list_images(args: Namespace, console: Console) -> int:
    """``gpuforge list``: the images in the store."""
    from gpuforge.providers.local.store import Store
    from gpuforge.quantity import size

    images = Store(args.work_dir).images()
    rows = [
        [
            image.id, image.status, image.created, size(sum(item.bytes for item in image.artifacts)),
            ",".join(item.format for item in image.artifacts),
        ]
        for image in images
    ]  # fmt: skip
    text = table(rows, ("IMAGE", "STATUS", "CREATED", "SIZE", "FORMATS")) if rows else f"no image in {args.work_dir}"
    console.result({"images": [image.to_json() for image in images]}, text)
    return EXIT_DONE


def show(args: Namespace, console: Console) -> int:
    """``gpuforge show IMAGE``: record and manifest."""
    from gpuforge.manifest import load_manifest
    from gpuforge.providers.local.store import Store
    from gpuforge.quantity import duration, size

    store = Store(args.work_dir)
    image = store.find_image(args.image)
    folder = _folder(store, args.image)
    manifest = load_manifest(folder)
    rows = [
        ["image", image.id], ["status", image.status], ["created", image.created], ["digest", image.digest],
        ["path", str(folder)], ["base", " ".join(_words(manifest["base"], "distribution", "release", "digest"))],
    ]  # fmt: skip
    rows += [["layer", f"{item['name']} {item['digest'][:12]} {duration(item['seconds'])} {size(item['bytes'])}"]
             for item in manifest["layers"]]  # fmt: skip
    rows += [["version", f"{part} {version}"] for part, version in sorted(manifest["versions"].items()) if version]
    packages = manifest["packages"]
    rows.append(["packages", f"{len(packages['dpkg'])} Debian, {sum(map(len, packages['python'].values()))} Python"])
    rows += [["file", f"{item.file} {item.format} {size(item.bytes)} sha256:{item.sha256}"] for item in image.artifacts]
    rows += [["boot", line] for line in _boots(image.verification).splitlines()]
    console.result({"image": image.to_json(), "path": str(folder), "manifest": manifest}, table(rows))
    return EXIT_DONE


def _words(value: Mapping[str, Any], *keys: str) -> list[str]:
    return [str(value[key]) for key in keys if value.get(key)]


def _folder(store: Any, reference: str) -> Path:
    """The directory of the image that *reference* names."""
    direct = Path(reference)
    folder: Path = direct if (direct / "image.json").is_file() else store.image_path(store.find_image(reference))
    return folder


def diff(args: Namespace, console: Console) -> int:
    """``gpuforge diff A B``: what changed between two images."""
    from gpuforge.diff import diff_manifests
    from gpuforge.manifest import load_manifest
    from gpuforge.providers.local.store import Store

    store = Store(args.work_dir)

    def manifest(reference: str) -> dict[str, Any]:
        path = Path(reference)
        return load_manifest(path if path.is_file() else _folder(store, reference))

    found = diff_manifests(manifest(args.old), manifest(args.new))
    console.result({"old": args.old, "new": args.new, **found.to_json()}, found.render())
    return EXIT_DONE


def gc(args: Namespace, console: Console) -> int:
    """``gpuforge gc``: lists what can go; deletes it with ``--yes``."""
    from gpuforge.providers.local.store import Store
    from gpuforge.quantity import size

    store = Store(args.work_dir)
    items = store.garbage()
    total = size(sum(item.bytes for item in items))
    rows = [[item.kind, size(item.bytes), str(item.path), item.reason] for item in items]
    lines = [table(rows)] if rows else []
    if not items:
        lines.append(f"nothing to delete in {args.work_dir}")
    elif not args.yes:
        lines.append(f"{len(items)} items, {total}; to delete them: gpuforge gc --yes")
    else:
        _collect(store, items)
        lines.append(f"deleted {len(items)} items, {total}")
    data = [{"kind": item.kind, "path": str(item.path), "bytes": item.bytes, "reason": item.reason} for item in items]
    console.result({"deleted": args.yes, "items": data}, "\n".join(lines))
    return EXIT_DONE


def _collect(store: Any, items: Any) -> None:
    try:
        store.collect(items)
    except (GpuforgeError, OSError) as exc:
        left = [str(item.path) for item in items if item.path.exists()]
        raise CleanupIncomplete(
            f"{exc}; still there: {', '.join(left)}", doing="deleting what is stale",
            hint="see who uses it (is a bake running?), then run gpuforge gc --yes again",
        ) from exc  # fmt: skip


def import_file(args: Namespace, console: Console) -> int:
    """``gpuforge import FILE``: a spec from Packer variables."""
    from gpuforge.importer import import_pkrvars

    imported = import_pkrvars(args.file)
    for note in imported.notes:
        console.note(f"note: {note}")
    if args.output is None:
        console.result({"spec": imported.text, "notes": list(imported.notes)}, imported.text)
        return EXIT_DONE
    try:
        with args.output.open("w" if args.force else "x", encoding="utf-8") as handle:
            handle.write(imported.text)
    except FileExistsError:
        raise UsageError(
            f"{args.output} is there already",
            doing="writing the spec",
            hint="give another name, or --force to overwrite",
        ) from None
    except OSError as exc:
        raise UsageError(
            f"{args.output}: {exc.strerror}", doing="writing the spec", hint="give a place that you may write to"
        ) from None
    result = {"spec": imported.text, "notes": list(imported.notes), "path": str(args.output)}
    console.result(result, f"wrote {args.output}")
    return EXIT_DONE


def stack(args: Namespace, console: Console) -> int:
    """``gpuforge stack VERB``: the stack check without a spec."""
    from gpuforge.stack_command import run

    return run(args, console)


COMMANDS: Final[Mapping[str, Callable[[Namespace, Console], int]]] = {
    "plan": plan,
    "bake": bake,
    "verify": verify,
    "list": list_images,
    "show": show,
    "diff": diff,
    "gc": gc,
    "import": import_file,
    "stack": stack,
}
