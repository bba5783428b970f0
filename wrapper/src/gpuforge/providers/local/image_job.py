"""The job that turns the sealed tree into an image: manifest, bill of materials, offline checks, disk, artifacts."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, Final

from gpuforge import __version__, packages, sbom
from gpuforge.errors import VerificationFailed
from gpuforge.events import Event, make_event
from gpuforge.manifest import MANIFEST, ImageRecord, LayerRecord, build_manifest, to_text
from gpuforge.providers.local import assemble, disk, signing

SBOM: Final = "sbom.cdx.json"
IN_IMAGE: Final = "etc/gpuforge"
NODE_PROGRAM: Final = "usr/local/bin/gpuforge-node"
# What can be judged before the first boot; the program marks the rest as skipped.
_OFFLINE_GROUPS: Final = ("driver", "tuning", "hygiene")
_CHECK_SECONDS: Final = 300.0


def offline_checks(root: Path) -> list[dict[str, Any]]:
    """Results of the tree's own checker on the tree. Raises VerificationFailed where one fails or cannot tell."""
    program = root / NODE_PROGRAM
    if not program.is_file():
        return []  # the layer node_health was left out: there is nothing to ask
    argv = [
        sys.executable,
        str(program),
        "check",
        "--root",
        str(root),
        "--format",
        "json",
        "--only",
        ",".join(_OFFLINE_GROUPS),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=_CHECK_SECONDS)
    try:
        checks: list[dict[str, Any]] = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError) as exc:
        raise VerificationFailed(
            f"gpuforge-node gave no result (status {done.returncode}): {done.stderr.strip()[-500:]}",
            doing="checking the tree",
        ) from exc
    bad = [check for check in checks if check["status"] not in ("pass", "skipped")]
    if bad or done.returncode != 0:
        lines = [
            f"{check['id']}: {check['observed']}, expected {check['expected']}; {check['remedy']}" for check in bad
        ]
        raise VerificationFailed(
            "\n  | ".join([f"{len(bad)} check(s) of the sealed tree did not pass", *lines]), doing="checking the tree"
        )
    return checks


def write_image(job: Mapping[str, Any], root: Path, emit: Callable[[Event], None]) -> dict[str, Any]:
    """Write the image folder: disk in the wanted formats, manifest, bill of materials and record."""
    record = ImageRecord.from_json(job["record"])
    epoch, base = int(job["epoch"]), job["base"]
    folder = Path(job["scratch"]) / "image"
    folder.mkdir()
    seconds: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        emit(make_event("step", "start", name, parent="assemble"))
        start = monotonic()
        yield
        seconds[name] = round(monotonic() - start, 3)
        emit(make_event("step", "ok", name, parent="assemble", seconds=seconds[name]))

    with step("checks"):
        checks = offline_checks(root)
    with step("manifest"):
        debs, dists = packages.read_dpkg(root), packages.read_python(root)
        text = to_text(
            build_manifest(
                spec=job["spec"],
                base=base,
                layers=[LayerRecord(**layer) for layer in job["layers"]],
                dpkg=packages.dpkg_versions(debs),
                python=packages.python_versions(dists),
                versions=packages.part_versions(root, debs),
                checks=checks,
                tools={
                    "gpuforge": __version__,
                    "ansible-core": version("ansible-core"),
                    "python": platform.python_version(),
                },
                epoch=epoch,
            )
        )
        bill = sbom.make_sbom(
            name=record.name, digest=record.digest, distribution=base["distribution"], release=base["version"],
            dpkg=debs, python=dists, epoch=epoch,
        )  # fmt: skip
        for place in (folder, root / IN_IMAGE):
            place.mkdir(parents=True, exist_ok=True)
            (place / MANIFEST).write_text(text, encoding="utf-8")
            (place / SBOM).write_text(bill, encoding="utf-8")
    if (root / signing.IN_TREE).is_file():
        shutil.copyfile(root / signing.IN_TREE, folder / signing.CERTIFICATE)
    plan = disk.make_plan(record.digest, int(job["disk"]["size_gib"]))
    raw = folder / "disk.raw.tmp"
    with step("prepare"):
        assemble.prepare_tree(root, plan, epoch=epoch)
    with step("disk"):
        assemble.build_raw(root, raw, plan, epoch=epoch)
    with step("convert"):
        artifacts = assemble.convert(raw, folder, job["disk"]["formats"], epoch=epoch)
    replace(record, artifacts=tuple(artifacts), seconds=seconds).save(folder)
    return {}
