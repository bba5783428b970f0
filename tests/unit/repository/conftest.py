"""Fixtures of the tests that look at the repository itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def files(repo: Path) -> list[Path]:
    """Every file that belongs to the repository: tracked, or new and not ignored; relative to the checkout."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(argv, cwd=repo, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    return [Path(name) for name in sorted(set(names)) if name and (repo / name).is_file()]
