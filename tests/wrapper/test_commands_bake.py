# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""plan, bake and verify on the command line, with a made-up plan and a made-up bake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gpuforge.bake
import gpuforge.plan
from gpuforge.errors import Problem, TaskFailed
from gpuforge.events import make_event
from gpuforge.plan import Plan, PlanItem

Run = Callable[..., tuple[int, str, str]]


def last(text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text.splitlines()[-1])
    return answer


def fake_plan(monkeypatch: pytest.MonkeyPatch, *, refusals: tuple[Problem, ...] = ()) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def make_plan(spec: Any, **options: Any) -> Plan:
        seen.update(options, spec=spec)
        base = PlanItem("debian bookworm", "base", "a" * 64, "cached", "", 400 << 20, 61.0)
        layer = PlanItem("framework", "layer", "b" * 64, "bake", "not in the store")
        image = PlanItem("gpu", "image", None, "unknown", "its base is not made yet")
        return Plan(spec, base, (layer,), image, refusals, ("the base is 6 days old",), {})

    monkeypatch.setattr(gpuforge.plan, "make_plan", make_plan)
    return seen


def test_plan(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = fake_plan(monkeypatch)
    code, out, err = run("plan", spec, "--refresh")
    assert (code, err) == (0, "")
    assert out == (
        "base   debian bookworm  cached   aaaaaaaaaaaa  1 min 01 s, 400.0 MiB\n"
        "layer  framework        bake     bbbbbbbbbbbb  not in the store\n"
        "image  gpu              unknown                its base is not made yet\n"
        "warning: the base is 6 days old\n"
        "to bake: 2 of 3\n"
    )
    assert (seen["work_dir"], seen["refresh"]) == (tmp_path / "work", True)


def test_plan_json(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_plan(monkeypatch)
    code, out, _ = run("plan", spec, "--json")
    answer = last(out)
    assert (code, answer["ok"], answer["base"]["state"], answer["refusals"]) == (0, True, "cached", [])


def test_plan_refuses_with_every_reason(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problems = (Problem("stack.driver", "is too old"), Problem("layers.x", "is unknown", hint="leave it out"))
    fake_plan(monkeypatch, refusals=problems)
    code, out, err = run("plan", spec)
    assert (code, out) == (3, "")
    assert "stack.driver: is too old" in err
    assert "layers.x: is unknown\n      leave it out" in err
    code, out, err = run("plan", spec, "--json")
    answer = last(out)
    assert (code, len(out.splitlines()), answer["ok"], len(answer["refusals"])) == (3, 1, False, 2)
    assert "stack.driver: is too old" in err


def fake_bake(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def bake(spec: Any, *, reporter: Any, **options: Any) -> Any:
        seen.update(options, spec=spec)
        reporter.emit(make_event("layer", "start", "framework"))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(gpuforge.bake, "bake", bake)
    return seen


BAKED = gpuforge.bake.BakeResult(
    image_id="gpu-20261122-4be2a1c0", path=Path("/w/images/gpu-20261122-4be2a1c0"), digest="4be2a1c0" * 8,
    status="verified", baked=("framework", "image"), cached=("base",), seconds=61.5,
)  # fmt: skip


def test_bake(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = fake_bake(monkeypatch, BAKED)
    code, out, err = run("bake", spec)
    assert code == 0
    assert out.splitlines() == [
        "image    gpu-20261122-4be2a1c0",
        "path     /w/images/gpu-20261122-4be2a1c0",
        f"digest   {'4be2a1c0' * 8}",
        "status   verified",
        "baked    framework, image",
        "cached   base",
        "seconds  1 min 02 s",
    ]
    assert err.splitlines() == [
        "start    run     gpu", "start    layer   framework", "ok       run     gpu (1 min 02 s) - verified",
    ]  # fmt: skip
    assert (seen["work_dir"], seen["verify"], seen["keep_on_failure"], seen["refresh"]) == (
        tmp_path / "work", True, False, False,
    )  # fmt: skip


def test_bake_options(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = fake_bake(monkeypatch, BAKED)
    assert run("bake", spec, "--resume", "--keep-on-failure", "--refresh", "--no-verify", "--provider", "local")[0] == 0
    assert (seen["verify"], seen["keep_on_failure"], seen["refresh"]) == (False, True, True)


def test_bake_json_is_lines_with_the_result_last(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_bake(monkeypatch, BAKED)
    code, out, err = run("bake", spec, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["kind"] for line in lines] == ["run", "layer", "run", "result"]
    assert (code, err, lines[-1]["image"], lines[-1]["ok"]) == (0, "", "gpu-20261122-4be2a1c0", True)


def test_a_failed_bake(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_bake(
        monkeypatch, TaskFailed("it broke", doing="baking layer framework", output=["E: no space"], hint="free some")
    )
    code, out, err = run("bake", spec)
    assert (code, out) == (4, "")
    assert err.splitlines()[2].startswith("failed   run     gpu")
    assert err.endswith("error: baking layer framework: it broke\n  | E: no space\n  what to do: free some\n")
    code, out, _ = run("bake", spec, "--json")
    assert (code, last(out)["ok"], last(out)["error"]["output"]) == (4, False, ["E: no space"])


def test_a_bad_spec_is_refused_before_anything_starts(run: Run, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = fake_bake(monkeypatch, BAKED)
    Path(spec).write_text("name: gpu\nfoo: 1\n", encoding="utf-8")
    code, _, err = run("bake", spec)
    assert (code, seen) == (2, {})
    assert "foo: is not a known key" in err


def test_verify(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [{"status": "pass"}, {"status": "pass"}, {"status": "skipped"}]
    result = {"firmware": "bios", "ok": True, "seconds": 64.0, "checks": checks}
    monkeypatch.setattr(gpuforge.bake, "verify", lambda image, **_: [result])
    assert run("verify", "gpu") == (0, "bios  ok  1 min 04 s  2 pass, 1 skipped\n", "")
    assert last(run("verify", "gpu", "--json")[1])["results"] == [result]
