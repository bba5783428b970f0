# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The manifest and the record of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuforge import manifest as m
from gpuforge.errors import StoreError, UsageError

RECORD = m.ImageRecord(
    id="gpu-20261122-4be2a1c0",
    name="gpu",
    digest="4be2a1c0" * 8,
    created="2026-11-22T10:00:00Z",
    status="verified",
    layers=("aa", "bb"),
    artifacts=(m.Artifact("qcow2", "disk.qcow2", 412, "cc"),),
    verification=({"firmware": "bios", "ok": True},),
    seconds={"assemble": 4.5},
)


def make(**changed: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "spec": {"name": "gpu", "vars": {"b": 1, "a": "ü"}},
        "base": {"distribution": "debian", "release": "bookworm", "digest": "aa"},
        "layers": [m.LayerRecord("framework", "bb", 1.5, 10)],
        "dpkg": {"zlib1g:amd64": "1", "apt:amd64": "2"},
        "python": {"/opt/ml/x": {"torch": "2"}},
        "versions": {"driver": None, "kernel": "6.1.0-56-cloud-amd64"},
        "checks": [{"id": "driver.built", "status": "pass"}],
        "tools": {"ansible-core": "2.19.14"},
        "epoch": 1_700_000_000,
    }
    return m.build_manifest(**{**values, **changed})


def test_manifest() -> None:
    assert (
        m.to_text(make())
        == """\
{
  "base": {
    "digest": "aa",
    "distribution": "debian",
    "release": "bookworm"
  },
  "checks": [
    {
      "id": "driver.built",
      "status": "pass"
    }
  ],
  "layers": [
    {
      "bytes": 10,
      "digest": "bb",
      "name": "framework",
      "seconds": 1.5
    }
  ],
  "packages": {
    "dpkg": {
      "apt:amd64": "2",
      "zlib1g:amd64": "1"
    },
    "python": {
      "/opt/ml/x": {
        "torch": "2"
      }
    }
  },
  "schema": 1,
  "spec": {
    "name": "gpu",
    "vars": {
      "a": "ü",
      "b": 1
    }
  },
  "time": "2023-11-14T22:13:20Z",
  "tools": {
    "ansible-core": "2.19.14"
  },
  "versions": {
    "driver": null,
    "kernel": "6.1.0-56-cloud-amd64"
  }
}
"""
    )


@given(st.permutations(["spec", "base", "dpkg", "python", "versions", "tools"]), st.randoms())
def test_the_order_of_things_does_not_show(names: list[str], random: Any) -> None:
    values = make()
    given = {"dpkg": values["packages"]["dpkg"], "python": values["packages"]["python"]}
    shuffled = {}
    for name in names:
        items = list(given.get(name, values.get(name)).items())
        random.shuffle(items)
        shuffled[name] = dict(items)
    assert m.to_text(make(**shuffled)) == m.to_text(values)


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        m.to_text(make(spec={"x": float("nan")}))


@pytest.mark.parametrize(("text", "epoch"), [("", 99), ("0", 0), ("1700000000", 1_700_000_000)])
def test_source_date_epoch(text: str, epoch: int) -> None:
    assert m.source_date_epoch({"SOURCE_DATE_EPOCH": text}, 99.9) == epoch
    assert m.source_date_epoch({}, 99.9) == 99


@pytest.mark.parametrize("text", ["now", "-1", "1.5", "²", "9" * 20])
def test_source_date_epoch_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="not a number of seconds") as caught:
        m.source_date_epoch({"SOURCE_DATE_EPOCH": text}, 0)
    assert caught.value.hint == "set it to UNIX seconds, or unset it"


def test_record_saved_and_loaded(tmp_path: Path) -> None:
    RECORD.save(tmp_path)
    assert m.ImageRecord.load(tmp_path) == RECORD
    assert [path.name for path in tmp_path.iterdir()] == ["image.json"]
    assert (tmp_path / "image.json").read_bytes().endswith(b"}\n")


def test_a_record_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RECORD.save(tmp_path)
    before = (tmp_path / "image.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        m.ImageRecord("other", "n", "d", "c").save(tmp_path)
    assert (tmp_path / "image.json").read_bytes() == before


def damage(key: str, value: object) -> str:
    return json.dumps({"schema": 1, **RECORD.to_json(), key: value})


DAMAGED = {
    "no JSON": ("{", "not valid JSON"),
    "no object": ("[]", "not a JSON object"),
    "future": (damage("schema", 2), "its schema version is 2, this gpuforge reads 1"),
    "status": (damage("status", "fine"), "status is 'fine'"),
    "id": (damage("id", 3), "id is not text"),
    "artifact": (damage("artifacts", [{"format": "raw"}]), "missing 3 required positional arguments"),
    "artifacts": (damage("artifacts", 3), "not iterable"),
    "seconds": (damage("seconds", []), "has no attribute 'items'"),
    "nothing": ('{"schema": 1}', "status is missing"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_record_is_not_used(tmp_path: Path, case: str) -> None:
    text, said = DAMAGED[case]
    (tmp_path / "image.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match=said) as caught:
        m.ImageRecord.load(tmp_path)
    assert str(tmp_path / "image.json") in caught.value.doing
    assert caught.value.hint


def test_no_record(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file") as caught:
        m.ImageRecord.load(tmp_path)
    assert caught.value.hint == "give an image that has its image.json"


def test_manifest_by_file_and_by_directory(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(m.to_text(make()), encoding="utf-8")
    assert m.load_manifest(tmp_path) == m.load_manifest(tmp_path / "manifest.json") == make()
