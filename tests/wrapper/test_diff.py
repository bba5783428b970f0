# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What changed between two manifests."""

from __future__ import annotations

import copy
from typing import Any

from gpuforge.diff import diff_manifests

OLD: dict[str, Any] = {
    "schema": 1,
    "spec": {"name": "gpu", "stack": {"source": "distribution"}, "vars": {"swap": 10, "deep": {"a": 1}}},
    "base": {"distribution": "debian", "release": "bookworm", "digest": "aaaa"},
    "layers": [
        {"name": "nvidia_driver", "digest": "d1", "seconds": 242.0, "bytes": 5},
        {"name": "perf_tuning", "digest": "p1", "seconds": 3.0, "bytes": 1},
    ],
    "packages": {
        "dpkg": {"apt:amd64": "2.6.1", "gone:all": "1", "libcuda1:amd64": "535.309.01-1", "up:amd64": "1:1.9-1"},
        "python": {"/opt/ml/a": {"numpy": "2.1.0", "torch": "2.10.0"}, "/opt/ml/b": {"x": "1"}},
    },
    "versions": {"driver": "535.309.01", "kernel": "6.1.0-56-cloud-amd64", "cuda": None},
    "checks": [{"id": "hygiene.keys", "status": "pass"}],
    "tools": {"ansible-core": "2.19.14"},
    "time": "2026-11-22T10:00:00Z",
}

NEW: dict[str, Any] = {
    "schema": 1,
    "spec": {
        "name": "gpu",
        "stack": {"source": "distribution", "driver": "535"},
        "vars": {"swap": 1, "deep": {"b": True}},
    },
    "base": {"distribution": "debian", "release": "bookworm", "digest": "bbbb"},
    "layers": [
        {"name": "perf_tuning", "digest": "p1", "seconds": 9.0, "bytes": 1},
        {"name": "node_health", "digest": "n1", "seconds": 3.0, "bytes": 1},
    ],
    "packages": {
        "dpkg": {"apt:amd64": "2.6.1", "libcuda1:amd64": "535.261.03-1", "new:all": "3", "up:amd64": "1:1.10-1"},
        "python": {"/opt/ml/a": {"numpy": "2.1.0", "torch": "2.9.1"}, "/opt/ml/c": {"y": "odd!"}},
    },
    "versions": {"driver": "535.261.03", "kernel": "6.1.0-56-cloud-amd64", "cuda": "11.8"},
    "checks": [{"id": "hygiene.keys", "status": "fail"}],
    "tools": {"ansible-core": "2.20.1"},
    "time": "2026-11-23T10:00:00Z",
}

TEXT = """\
base (1)
  ~ digest aaaa → bbbb
layers (2)
  - nvidia_driver d1
  + node_health n1
versions (2)
  + cuda 11.8
  ↓ driver 535.309.01 → 535.261.03
spec (1)
  + stack.driver 535
vars (3)
  - deep.a 1
  + deep.b true
  ~ swap 10 → 1
packages (4)
  - gone:all 1
  ↓ libcuda1:amd64 535.309.01-1 → 535.261.03-1
  + new:all 3
  ↑ up:amd64 1:1.9-1 → 1:1.10-1
Python in /opt/ml/a (1)
  ↓ torch 2.10.0 → 2.9.1
Python in /opt/ml/b (1)
  - x 1
Python in /opt/ml/c (1)
  + y odd!
checks (1)
  ~ hygiene.keys pass → fail
tools (1)
  ↑ ansible-core 2.19.14 → 2.20.1"""


def test_everything_that_can_change() -> None:
    assert diff_manifests(OLD, NEW).render() == TEXT


def test_the_other_way_round() -> None:
    there, back = diff_manifests(OLD, NEW).changes, diff_manifests(NEW, OLD).changes
    opposite = {"added": "removed", "removed": "added", "upgraded": "downgraded", "downgraded": "upgraded"}
    assert {(c.part, c.name, opposite.get(c.direction, c.direction)) for c in there} == {
        (c.part, c.name, c.direction) for c in back
    }


def test_the_same_but_for_the_time() -> None:
    later = copy.deepcopy(OLD)
    later["time"] = "2027-01-01T00:00:00Z"
    later["layers"][0] |= {"seconds": 1.0, "bytes": 99}
    found = diff_manifests(OLD, later)
    assert not found
    assert found.render() == "no difference"
    assert found.to_json() == {"same": True, "changes": []}


def test_layers_in_another_order() -> None:
    turned = {**OLD, "layers": OLD["layers"][::-1]}
    assert diff_manifests(OLD, turned).render() == (
        "layers (1)\n  ~ order nvidia_driver, perf_tuning → perf_tuning, nvidia_driver"
    )


def test_a_number_and_a_switch_are_not_the_same() -> None:
    old, new = ({"spec": {"vars": {"x": value}}} for value in (1, True))
    assert diff_manifests(old, new).render() == "vars (1)\n  ~ x 1 → true"


def test_versions_without_an_order() -> None:
    old, new = ({"packages": {"python": {"/e": {"x": version}}}} for version in ("odd!", "1"))
    assert diff_manifests(old, new).changes[0].direction == "changed"


def test_json() -> None:
    change = diff_manifests({"base": {"a": "1"}}, {"base": {"a": "2"}}).to_json()["changes"]
    assert change == [{"part": "base", "name": "a", "direction": "changed", "old": "1", "new": "2"}]
