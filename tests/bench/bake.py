"""Measure bakes: prints the tables of docs/numbers.md.

    .venv/bin/python tests/bench/bake.py times      cold, again, one perf_tuning variable changed; size of the image
    .venv/bin/python tests/bench/bake.py twice      two cold bakes (that of `times` is one): digests, files that differ
    .venv/bin/python tests/bench/bake.py packer     a package-only layer, against Packer's QEMU builder
    .venv/bin/python tests/bench/bake.py help       `gpuforge --help`

Needs root and a set-up checkout. Whatever is compared is measured in one run on one machine; only the ratios travel.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from tests.bench import packer_build, trees  # noqa: E402  (the checkout has to be on the path first)
from tests.bench.table import markdown  # noqa: E402
from tests.image.small_collection import write_collection  # noqa: E402

GPUFORGE = [sys.executable, "-m", "gpuforge"]
QUICKSTART = REPO / "images/quickstart.yml"
PACKAGES = ("numactl", "hwloc-nox")
EPOCH = "1767225600"  # 2026-01-01T00:00:00Z, any constant will do


def gpuforge(arguments: Sequence[str], work: Path, **env: str) -> tuple[float, dict[str, Any]]:
    """Run ``gpuforge ARGUMENTS --json``; wall seconds and the result. Progress goes to a log beside the work
    directory."""
    start = time.monotonic()
    with (work.parent / f"{work.name}.log").open("ab") as log:
        done = subprocess.run(
            [*GPUFORGE, "--json", *arguments], env={**os.environ, "GPUFORGE_WORK_DIR": str(work), **env},
            stdout=subprocess.PIPE, stderr=log, text=True, check=True,
        )  # fmt: skip
    seconds = time.monotonic() - start
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seconds, result


def _spec(source: Path, target: Path, variables: Mapping[str, Any]) -> Path:
    """A copy of *source* with role variables added."""
    import yaml

    spec = yaml.safe_load(source.read_text())
    spec["vars"] = {**spec.get("vars", {}), **variables}
    target.write_text(yaml.safe_dump(spec))
    return target


def times(folder: Path, spec: Path) -> None:
    """Cold, again, one variable of perf_tuning changed, and what the image weighs."""
    work = folder / "one"
    cold, first = gpuforge(["bake", str(spec), "--no-verify"], work, SOURCE_DATE_EPOCH=EPOCH)
    again, second = gpuforge(["bake", str(spec), "--no-verify"], work, SOURCE_DATE_EPOCH=EPOCH)
    changed_spec = _spec(spec, folder / "changed.yml", {"perf_tuning_sysctl": {"vm.swappiness": 5}})
    changed, third = gpuforge(["bake", str(changed_spec), "--no-verify"], work)
    same = "the same digest" if second["digest"] == first["digest"] else "ANOTHER DIGEST"
    print(
        markdown(
            ["bake", "seconds", "share of cold", "baked", "cached"],
            [
                ["from nothing", f"{cold:.1f}", "1", ", ".join(first["baked"]), ""],
                [f"again ({same})", f"{again:.1f}", f"{again / cold:.3f}", ", ".join(second["baked"]) or "nothing",
                 "all"],
                ["vm.swappiness changed", f"{changed:.1f}", f"{changed / cold:.3f}", ", ".join(third["baked"]),
                 ", ".join(third["cached"])],
            ],
        )
    )  # fmt: skip
    sizes(Path(first["path"]), work)


def sizes(image: Path, work: Path) -> None:
    """What is in the image: bytes of its parts and of its files, seconds of each step."""
    record = json.loads((image / "image.json").read_text())
    rows = []
    for index, digest in enumerate(record["layers"]):
        kind = "layer" if index else "base"
        entry = json.loads((work / f"{kind}s" / digest / f"{kind}.json").read_text())
        rows.append([f"{kind} {entry['name']}", f"{entry['bytes'] / 2**20:.0f}", f"{entry['seconds']:.1f}"])
    for step, seconds in record["seconds"].items():
        rows.append([f"step {step}", "", f"{seconds:.1f}"])
    for artifact in record["artifacts"]:
        rows.append([f"**{artifact['file']}**", f"**{artifact['bytes'] / 2**20:.0f}**", ""])
    print(markdown(["part", "MiB", "seconds"], rows))


def packer(folder: Path, rounds: int) -> None:
    """The same packages onto the same base, to a finished qcow2: ours against Packer's, in turns."""
    work = folder / "packer"
    task = (
        "- name: Ensure the packages are there\n"
        f"  ansible.builtin.apt: {{name: [{', '.join(PACKAGES)}], install_recommends: false}}\n"
    )
    collection = write_collection(folder / "collection", {"packages": task})
    bare = write_collection(folder / "bare", {"packages": "[]\n"})
    spec = folder / "small.yml"
    spec.write_text("name: small\ndisk: {size_gib: 4, formats: [qcow2]}\n")
    # The base and the image that Packer starts from: made before the clock runs, for both.
    _, start_image = gpuforge(["bake", str(spec), "--no-verify"], work, GPUFORGE_COLLECTION=str(bare))
    rows = []
    for turn in range(rounds):
        for layer in list((work / "layers").iterdir()):
            shutil.rmtree(layer)
        for image in (work / "images").iterdir():
            if str(image) != start_image["path"]:
                shutil.rmtree(image)
        ours, result = gpuforge(["bake", str(spec), "--no-verify"], work, GPUFORGE_COLLECTION=str(collection))
        assert "packages" in result["baked"], result
        theirs = packer_build.build(Path(start_image["path"]) / "disk.qcow2", folder / f"packer-{turn}", PACKAGES)
        mine = Path(result["path"]) / "disk.qcow2"
        rows.append(
            [str(turn + 1), f"{ours:.1f}", f"{theirs.seconds:.1f}", f"{ours / theirs.seconds:.3f}",
             f"{mine.stat().st_size / 2**20:.0f}", f"{theirs.bytes / 2**20:.0f}"]
        )  # fmt: skip
    print(markdown(["round", "gpuforge s", "Packer s", "ratio", "gpuforge MiB", "Packer MiB"], rows))
    print(f"\nmedian ratio: {statistics.median(float(row[3]) for row in rows):.3f}")


def twice(folder: Path, spec: Path) -> None:
    """Two bakes from empty caches, one after the other: the digests, and the files of the two trees that differ."""
    # The cold bake of `times` serves as the first.
    one = folder.with_name("times") / "one"
    if not one.is_dir():
        one = folder / "one"
        gpuforge(["bake", str(spec), "--no-verify"], one, SOURCE_DATE_EPOCH=EPOCH)
    two = folder / "two"
    # One builder has one key that modules are signed with: another key is another layer, and means to be.
    shutil.copytree(one / "keys", two / "keys")
    gpuforge(["bake", str(spec), "--no-verify"], two, SOURCE_DATE_EPOCH=EPOCH)
    records = [_first_image(work) for work in (one, two)]
    same = records[0]["layers"] == records[1]["layers"]
    print(f"digests of base and layers: {'all the same' if same else 'DIFFERENT'}\n")
    stacks = [
        [
            work / ("layers" if index else "bases") / digest / ("diff" if index else "tree")
            for index, digest in enumerate(record["layers"])
        ]
        for work, record in zip((one, two), records, strict=True)
    ]
    print(trees.report(*stacks))


def _first_image(work: Path) -> dict[str, Any]:
    """The record of the first image that was made in *work*."""
    paths = (work / "images").glob("*/image.json")
    record: dict[str, Any] = json.loads(min(paths, key=lambda path: path.stat().st_mtime).read_text())
    return record


def quick_help(rounds: int) -> None:
    """How long the command takes to say what it can do."""
    seconds = []
    for _ in range(rounds):
        start = time.monotonic()
        subprocess.run(
            [str(Path(sys.executable).with_name("gpuforge")), "--help"], stdout=subprocess.DEVNULL, check=True
        )
        seconds.append(time.monotonic() - start)
    print(
        markdown(
            ["gpuforge --help", "seconds"],
            [["median", f"{statistics.median(seconds):.3f}"], ["worst", f"{max(seconds):.3f}"]],
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["times", "twice", "packer", "help", "all"], nargs="?", default="all")
    parser.add_argument("--folder", type=Path, default=REPO / ".gpuforge/bench", help="scratch; emptied first")
    parser.add_argument("--spec", type=Path, default=QUICKSTART)
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison with Packer")
    args = parser.parse_args()
    chosen = ["times", "twice", "packer", "help"] if args.what == "all" else [args.what]
    for what in chosen:
        folder = args.folder / what
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        print(f"\n## {what}\n", flush=True)
        if what == "times":
            times(folder, args.spec)
        elif what == "packer":
            packer(folder, args.rounds)
        elif what == "twice":
            twice(folder, args.spec)
        else:
            quick_help(max(args.rounds, 5))


if __name__ == "__main__":
    main()
