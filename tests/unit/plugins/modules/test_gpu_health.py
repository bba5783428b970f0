"""The module around the checks: options in, the report out, errors by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.gpuforge.node.plugins.modules import gpu_health


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        gpu_health.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    return tmp_path


def test_the_report(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, root=str(root), checks=["hygiene.swap", "manifest"])
    assert (result["changed"], result["ok"], result["verdict"]) == (False, False, "monitor")
    assert result["summary"] == {"pass": 1, "fail": 0, "unknown": 1, "skipped": 0}
    assert [item["id"] for item in result["checks"]] == ["manifest.packages", "hygiene.swap"]


def test_skipped_and_passed_is_ok(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, root=str(root), checks=["hygiene.swap", "system"])
    assert (result["ok"], result["verdict"]) == (True, "ok")


def test_expectations_and_thresholds(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, root=str(root), checks=["gpu.count"], expect={"count": 8}, thresholds={"temperature_c": 80})
    assert result["checks"][0]["expected"] == "8"
    assert result["verdict"] == "isolate"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checks": ["gpu.cuont"]}, "did you mean 'gpu.count'"),
        ({"thresholds": {"temperature": 80}}, "temperature_c"),
        ({"expect": {"count": -1}}, "0 or more"),
        ({"expect": {"cuont": 1}}, "cuont"),
        ({"root": "/nonexistent-root"}, "/nonexistent-root is not a folder"),
    ],
)
def test_wrong_options_are_named(
    root: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], words: str
) -> None:
    result = run(capsys, **{"root": str(root), **options})
    assert result["failed"]
    assert words in result["msg"]
