"""Choose the Python that .venv is made from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from .problems import SetupError
from .system import System

#: The versions that ansible-core 2.19 runs on, the newest first.
SUPPORTED = ("3.13", "3.12", "3.11")
#: Systems whose own python3 is too old, and the newer one that their archive has beside it.
BESIDE = {("ubuntu", "22.04"): "3.11"}


@dataclass(frozen=True)
class Choice:
    """An interpreter: the command, its version ("3.11"), and the packages to install before it can be used."""

    command: str
    version: str
    packages: tuple[str, ...] = ()


def version_of(command: str) -> str:
    """Return "major.minor" of an interpreter, or "" where it does not run (a shim without its version, say)."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        probe = subprocess.run(
            [command, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return ""
    return probe.stdout.strip() if probe.returncode == 0 else ""


def can_make_venvs(command: str) -> bool:
    """Tell whether an interpreter has venv and ensurepip; Debian's packages hold them apart from it."""
    probe = subprocess.run(
        [command, "-c", "import venv, ensurepip"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return probe.returncode == 0


def _candidates() -> Iterator[tuple[str, str]]:
    # The one that runs this comes first: whoever called it chose it (make PYTHON=…).
    yield sys.executable, f"{sys.version_info[0]}.{sys.version_info[1]}"
    for version in SUPPORTED:
        found = shutil.which(f"python{version}")
        if found:
            yield found, version_of(found)


def choose(system: System | None) -> Choice:
    """Choose the interpreter for .venv.

    Args:
        system: The system, to name packages for; None where its packages are not this program's concern.

    Raises:
        SetupError: No supported interpreter is there and none can be installed.
    """
    tried = []
    for command, version in _candidates():
        if version not in SUPPORTED:
            tried.append(f"{command} ({version or 'does not run'})")
        elif can_make_venvs(command):
            return Choice(command, version)
        elif system is not None and os.path.realpath(command).startswith("/usr/bin/"):
            return Choice(command, version, (f"python{version}-venv",))
        else:
            tried.append(f"{command} ({version}, without venv and ensurepip)")
    if system is not None and (system.name, system.version) in BESIDE:
        version = BESIDE[system.name, system.version]
        return Choice(f"/usr/bin/python{version}", version, (f"python{version}", f"python{version}-venv"))
    raise SetupError(
        f"no Python {', '.join(reversed(SUPPORTED))} that can make virtual environments; tried: {'; '.join(tried)}.",
        "install one with its venv module, then: make PYTHON=/path/to/python3 …",
    )
