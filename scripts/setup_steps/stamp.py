"""Remember what was set up, so that a second call has nothing to do and sees so at once."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

#: Where dpkg keeps what is installed: as long as it was not written, no package came or went.
DPKG_STATUS = Path("/var/lib/dpkg/status")


@dataclass(frozen=True)
class Stamp:
    """What the last complete set-up did.

    Attributes:
        wanted: The set: "bake", "test" or "slow".
        digest: SHA-256 of everything that decides what gets installed; see `digest_of`.
        dpkg_mtime_ns: When dpkg's status was last written, in nanoseconds; 0 where packages were not looked at.
    """

    wanted: str
    digest: str
    dpkg_mtime_ns: int


def pins_of(wanted: str) -> str:
    """The name of the pins that a set installs: the slow tests need other programs, but no other Python packages."""
    return "bake" if wanted == "bake" else "test"


def digest_of(repo: Path, pins: str, python_version: str) -> str:
    """Hash what decides the content of .venv: the pins, the wrapper's metadata, these steps, the Python."""
    digest = hashlib.sha256(f"{pins}\0{python_version}\0{os.uname().machine}\0".encode())
    files = [
        repo / "requirements" / "uv.txt",
        repo / "requirements" / f"{pins}.txt",
        repo / "wrapper" / "pyproject.toml",
        *sorted((repo / "scripts" / "setup_steps").glob("*.py")),
    ]
    for file in files:
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def dpkg_mtime_ns(status: Path = DPKG_STATUS) -> int:
    """Return when dpkg's status was last written, in nanoseconds; 0 where there is none."""
    return status.stat().st_mtime_ns if status.exists() else 0


def load(path: Path) -> Stamp | None:
    """Read a stamp; None where there is none or where it cannot be read, which both mean: set up again."""
    try:
        return Stamp(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def save(path: Path, stamp: Stamp) -> None:
    """Write a stamp in one step: a killed set-up leaves the old one or none."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(stamp), indent=2) + "\n", encoding="utf-8")
    new.replace(path)
