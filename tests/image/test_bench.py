"""The measurements of docs/numbers.md run, and what has to hold without a clock holds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

# Two cold bakes, and a virtual machine for Packer.
pytestmark = pytest.mark.slow


def bench(repo: Path, *arguments: str) -> str:
    """What the command prints."""
    argv = [sys.executable, "tests/bench/bake.py", *arguments]
    done = subprocess.run(argv, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_bakes_from_nothing_make_one_tree(repo: Path, tmp_path: Path) -> None:
    said = bench(repo, "twice", "--folder", str(tmp_path))
    assert "digests of base and layers: all the same" in said
    assert re.search(r"^0 of \d{5} entries differ$", said, re.MULTILINE), said


def test_packer_makes_an_image_of_the_same_packages(repo: Path, tmp_path: Path) -> None:
    said = bench(repo, "packer", "--rounds", "1", "--folder", str(tmp_path))
    row = re.search(r"^\| 1 \|(.*)\|$", said, re.MULTILINE)
    assert row is not None, said
    assert len([float(cell) for cell in row[1].split("|")]) == 5
