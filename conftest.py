"""What every test finds: the collection under its own name, and a mark for each tier."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent
#: Where a test stands decides its tier, unless it carries a mark of its own.
TIER_OF_DIRECTORY = {"tests/integration": "integration", "tests/image": "image"}
TIER_MARKS = {"integration", "container", "image", "slow"}

# Commands that tests start find the collection where the tests themselves do, and the tools of this environment.
COLLECTIONS = os.environ.setdefault("ANSIBLE_COLLECTIONS_PATH", str(REPO / ".venv" / "share" / "collections"))
sys.path.insert(0, COLLECTIONS.split(os.pathsep)[0])
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def pytest_configure() -> None:
    """Say at once what is missing, where every import would fail one by one."""
    first = Path(COLLECTIONS.split(os.pathsep)[0])
    if not (first / "ansible_collections" / "gpuforge" / "node" / "galaxy.yml").is_file():
        pytest.exit(f"the collection gpuforge.node is not below {first}: run `make setup` first", returncode=4)


@pytest.hookimpl(tryfirst=True)  # before pytest's own -m takes its choice
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the mark of the directory it stands in."""
    for item in items:
        place = item.path.relative_to(REPO).as_posix()
        for directory, mark in TIER_OF_DIRECTORY.items():
            if place.startswith(f"{directory}/") and not TIER_MARKS & {own.name for own in item.iter_markers()}:
                item.add_marker(mark)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout."""
    return REPO
