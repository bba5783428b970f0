"""The shared work directory of the image tier, and what a test builds on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.image.small_collection import write_collection
from tests.image.workshop import GPUFORGE, Workshop, share_base

SMALL_SPEC = "name: small\ndisk: {size_gib: 4, formats: [qcow2]}\n"


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    """Say aloud what this tier cannot run without."""
    if os.geteuid() != 0:
        pytest.skip("NOT RUN: baking needs root", allow_module_level=False)
    if missing := [
        tool for tool in ("mmdebstrap", "qemu-img", "mkfs.ext4", "sfdisk", "mcopy") if shutil.which(tool) is None
    ]:
        pytest.skip(f"NOT RUN: not on this machine: {', '.join(missing)}")


@pytest.fixture(scope="session")
def shared_work(repo: Path) -> Path:
    """The checkout's own work directory: what `make bake` has cached serves the tests, and the other way round."""
    return Path(os.environ.get("GPUFORGE_WORK_DIR", repo / ".gpuforge")).absolute()


@pytest.fixture(scope="session")
def bookworm_base(shared_work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work directory, with a base of Debian 12 in it: a bake of one empty layer makes it."""
    folder = tmp_path_factory.mktemp("base")
    collection = write_collection(folder / "collection", {"nothing": "[]\n"})
    (folder / "spec.yml").write_text(SMALL_SPEC)
    env = {**os.environ, "GPUFORGE_COLLECTION": str(collection), "GPUFORGE_WORK_DIR": str(shared_work)}
    subprocess.run([*GPUFORGE, "bake", str(folder / "spec.yml"), "--no-verify"], env=env, check=True)
    return shared_work


@pytest.fixture
def workshop(bookworm_base: Path, tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    """Make a workshop with its own work directory (which has the base) and a small collection of these roles."""
    made: list[Path] = []

    def make(roles: Mapping[str, str], *, spec: str = SMALL_SPEC, env: Mapping[str, str] | None = None) -> Workshop:
        work = bookworm_base / "tests" / f"wörk dir, {os.getpid()}-{len(made)}"
        shutil.rmtree(work, ignore_errors=True)
        share_base(bookworm_base, work)
        made.append(work)
        collection = write_collection(tmp_path / f"collection {len(made)}", roles)
        path = tmp_path / f"spéc {len(made)}.yml"
        path.write_text(spec, encoding="utf-8")
        return Workshop(work, collection, path, env or {})

    yield make
    for work in made:
        shutil.rmtree(work)
