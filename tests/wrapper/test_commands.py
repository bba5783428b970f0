# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The commands: text and JSON, exit codes, with a made-up plan, bake and store content."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpuforge.errors import StoreError
from gpuforge.manifest import Artifact, ImageRecord, LayerRecord, build_manifest, to_text
from gpuforge.providers.local.store import GarbageItem, Store

Run = Callable[..., tuple[int, str, str]]


def last(text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text.splitlines()[-1])
    return answer


RECORD = ImageRecord(
    id="gpu-20261122-4be2a1c0", name="gpu", digest="4be2a1c0" * 8, created="2026-11-22T10:00:00Z", status="verified",
    layers=("aa", "bb"), artifacts=(Artifact("qcow2", "disk.qcow2", 412 << 20, "cc"),),
    verification=({"firmware": "bios", "ok": True},), seconds={"assemble": 4.5},
)  # fmt: skip


def make_image(work: Path, record: ImageRecord, driver: str) -> Path:
    folder = work / "images" / record.id
    folder.mkdir(parents=True)
    record.save(folder)
    manifest = build_manifest(
        spec={"name": "gpu"}, base={"distribution": "debian", "release": "bookworm", "digest": "aa"},
        layers=[LayerRecord("framework", "bb", 12.0, 2048)], dpkg={"libcuda1:amd64": driver}, python={},
        versions={"driver": driver, "cuda": None}, checks=[], tools={}, epoch=0,
    )  # fmt: skip
    (folder / "manifest.json").write_text(to_text(manifest), encoding="utf-8")
    return folder


def test_list(run: Run, tmp_path: Path) -> None:
    assert run("list") == (0, f"no image in {tmp_path / 'work'}\n", "")
    make_image(tmp_path / "work", RECORD, "535")
    assert run("list")[1] == (
        "IMAGE                  STATUS    CREATED               SIZE       FORMATS\n"
        "gpu-20261122-4be2a1c0  verified  2026-11-22T10:00:00Z  412.0 MiB  qcow2\n"
    )
    assert last(run("list", "--json")[1])["images"] == [RECORD.to_json()]


def test_show(run: Run, tmp_path: Path) -> None:
    folder = make_image(tmp_path / "work", RECORD, "535")
    code, out, _ = run("show", "gpu-2026")
    assert code == 0
    assert out.splitlines() == [
        "image     gpu-20261122-4be2a1c0",
        "status    verified",
        "created   2026-11-22T10:00:00Z",
        f"digest    {'4be2a1c0' * 8}",
        f"path      {folder}",
        "base      debian bookworm aa",
        "layer     framework bb 12.0 s 2.0 KiB",
        "version   driver 535",
        "packages  1 Debian, 0 Python",
        "file      disk.qcow2 qcow2 412.0 MiB sha256:cc",
        "boot      bios  ok",
    ]
    assert run("show", str(folder))[1] == out
    assert last(run("show", "gpu", "--json")[1])["manifest"]["versions"] == {"cuda": None, "driver": "535"}


def test_show_what_is_not_there(run: Run) -> None:
    code, out, err = run("show", "nothing")
    assert (code, out) == (2, "")
    assert "no image is called nothing" in err


def test_diff(run: Run, tmp_path: Path) -> None:
    make_image(tmp_path / "work", RECORD, "535.261.03-1")
    other = make_image(tmp_path / "work", dataclasses.replace(RECORD, id="gpu-20261123-00000000"), "535.309.01-1")
    change = "535.261.03-1 → 535.309.01-1"
    expected = f"versions (1)\n  ↑ driver {change}\npackages (1)\n  ↑ libcuda1:amd64 {change}\n"
    assert run("diff", "gpu-20261122", "gpu-20261123") == (0, expected, "")
    assert run("diff", "gpu-20261122", str(other / "manifest.json"))[1] == expected
    assert run("diff", str(other), str(other))[1] == "no difference\n"
    assert len(last(run("diff", "gpu-20261122", str(other), "--json")[1])["changes"]) == 2


def garbage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: Exception | None = None) -> list[Any]:
    stale = tmp_path / "stale"
    stale.mkdir()
    items = [GarbageItem(stale, "scratch", 2048, "left by a run that was killed")]
    collected: list[Any] = []

    def collect(_store: Store, given: Any) -> None:
        if failure is not None:
            raise failure
        collected.extend(given)

    monkeypatch.setattr(Store, "garbage", lambda _store: items)
    monkeypatch.setattr(Store, "collect", collect)
    return collected


def test_gc_only_lists(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    collected = garbage(monkeypatch, tmp_path)
    code, out, _ = run("gc")
    assert (code, collected) == (0, [])
    assert out == (
        f"scratch  2.0 KiB  {tmp_path / 'stale'}  left by a run that was killed\n"
        "1 items, 2.0 KiB; to delete them: gpuforge gc --yes\n"
    )


def test_gc_deletes_when_told(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    collected = garbage(monkeypatch, tmp_path)
    code, out, _ = run("gc", "--yes", "--json")
    assert (code, len(collected), last(out)["deleted"]) == (0, 1, True)


def test_gc_that_leaves_something(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    garbage(monkeypatch, tmp_path, StoreError("busy"))
    code, _, err = run("gc", "--yes")
    assert code == 7
    assert f"deleting what is stale: busy; still there: {tmp_path / 'stale'}" in err


def test_gc_of_nothing(run: Run, tmp_path: Path) -> None:
    assert run("gc", "--yes") == (0, f"nothing to delete in {tmp_path / 'work'}\n", "")


def test_import(run: Run, tmp_path: Path) -> None:
    source, target = tmp_path / "my.pkrvars.hcl", tmp_path / "out.yml"
    source.write_text('image_name = "a"\nproject_id = "p"\nzone = "z"\ncuda_version = "13.1"\n', encoding="utf-8")
    code, out, err = run("import", str(source))
    assert code == 0
    assert out.startswith("# From my.pkrvars.hcl")
    assert err == "note: driver_version is not given: 590.48.01, the original builder's default\n"
    assert run("import", str(source), "-o", str(target))[1] == f"wrote {target}\n"
    assert target.read_text(encoding="utf-8") == out
    target.write_text("mine", encoding="utf-8")
    code, out, err = run("import", str(source), "-o", str(target))
    assert (code, out, target.read_text(encoding="utf-8")) == (2, "", "mine")
    assert f"{target} is there already" in err
    assert run("import", str(source), "-o", str(target), "--force")[0] == 0
    assert target.read_text(encoding="utf-8") != "mine"


def test_import_to_where_nothing_can_be_written(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "my.pkrvars.hcl"
    source.write_text('image_name = "a"\nproject_id = "p"\nzone = "z"\n', encoding="utf-8")
    code, _, err = run("import", str(source), "-o", str(tmp_path / "no" / "out.yml"))
    assert code == 2
    assert "No such file or directory" in err
