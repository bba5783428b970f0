# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from gpuforge import cli

# A busy machine is slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in a work directory of its own: exit code, standard output, standard error."""

    def call(*argv: str) -> tuple[int, str, str]:
        code = cli.main(["--work-dir", str(tmp_path / "work"), *argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """The shortest good spec, in a file whose name has a blank and a letter beyond ASCII."""
    path = tmp_path / "größe 1.yml"
    path.write_text("name: gpu\n", encoding="utf-8")
    return str(path)
