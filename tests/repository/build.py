"""Build the apt repository that stands in for NVIDIA's.

    python3 tests/repository/build.py DIRECTORY

Writes DIRECTORY/<suite's path>/ for each suite of suites.yml, DIRECTORY/repository.json (the fingerprints of the keys)
and DIRECTORY.tar, which tests copy to their machines. Does nothing where all that was made from these same files.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

from deb import release, write_packages
from expand import HERE, load, packages
from keys import clearsign, fingerprint, make_keys, public


def digest() -> str:
    """Digest of the data and programs of this folder."""
    total = hashlib.sha256()
    for path in sorted(HERE.iterdir()):
        if path.suffix in (".py", ".yml", ".sh"):
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def build(top: Path) -> None:
    """Write the whole repository below `top`, which is not there yet."""
    keys = top.with_name(f"{top.name}.keys")
    shutil.rmtree(keys, ignore_errors=True)
    make_keys(keys)
    fingerprints = {}
    for name, suite in load("suites.yml").items():
        folder = top / suite["path"]
        if "like" in suite:
            shutil.copytree(top / load("suites.yml")[suite["like"]]["path"], folder, copy_function=os.link)
            (folder / "InRelease").unlink()
            (folder / suite["published"]).unlink()
        else:
            folder.mkdir(parents=True)
            index = write_packages(folder, packages(name))
            (folder / "Packages").write_text(index)
            (folder / "Packages.gz").write_bytes(gzip.compress(index.encode(), mtime=0))
        (folder / "InRelease").write_bytes(clearsign(keys, suite["key"], release(folder, "NVIDIA")))
        (folder / suite["published"]).write_bytes(public(keys, suite.get("publishes", suite["key"])))
        fingerprints[name] = fingerprint(keys, suite.get("publishes", suite["key"]))
    shutil.rmtree(keys)
    (top / "repository.json").write_text(
        json.dumps({"digest": digest(), "fingerprints": fingerprints}, indent=2) + "\n"
    )


def is_current(top: Path) -> bool:
    """Whether `top` was made from the files of this folder."""
    record, packed = top / "repository.json", top.with_name(f"{top.name}.tar")
    return record.exists() and packed.exists() and json.loads(record.read_text())["digest"] == digest()


def ensure(top: Path) -> None:
    """Build where that was not done yet. Several may ask at once: one builds, the others wait."""
    os.umask(0o022)
    top.parent.mkdir(parents=True, exist_ok=True)
    with top.with_name(f"{top.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current(top):
            return
        shutil.rmtree(top, ignore_errors=True)
        build(top)
        with tarfile.open(top.with_name(f"{top.name}.tar"), "w") as tar:
            tar.add(top, ".")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    ensure(Path(sys.argv[1]).resolve())
