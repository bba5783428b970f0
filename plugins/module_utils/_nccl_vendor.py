# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""NCCL settings from a vendor's own script, by running it: never a second copy of its values.

The script is sourced at boot by a shell with an empty environment, and what it exports under ``NCCL_`` goes to
/etc/nccl.conf. So every process gets it (services, Slurm steps, commands by ssh), and the environment still wins.
``LD_LIBRARY_PATH`` cannot be given that way (the loader reads it when a program starts) and stays the job's matter.
Which scripts, and what they need: _fabric_data.py.
"""

from __future__ import annotations

import os
import stat
from typing import Callable, Dict, List, Mapping, Optional

from ._fabric_data import SCRIPTS, Script
from ._smi_run import Answer, run

SECONDS = 20.0  # for the whole script; some ask the metadata service
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SOURCE = '. "$1" >&2 && exec /usr/bin/env -0'


class VendorError(Exception):
    """The vendor's script is there and did not give its settings; the message says why."""


def read_vendor(
    fabric: str, *, scripts: Mapping[str, Script] = SCRIPTS, ask: Callable[[List[str], float], Answer] = run
) -> Optional[Dict[str, str]]:
    """Return what the vendor's script for a fabric sets; None where no script belongs to it or none is installed.

    ``NCCL_DEBUG`` and its kin are left out, as everywhere in /etc/nccl.conf.

    :raises VendorError: the script could be changed by somebody other than root, fails, or takes too long.
    """
    script = scripts.get(fabric)
    if script is None:
        return None
    try:
        _refuse_foreign(script.path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise VendorError(f"{script.path}: {exc.strerror or exc}") from exc
    given = [f"{name}={value}" for name, value in script.needs.items()]
    answer = ask(["/usr/bin/env", "-i", _PATH, *given, "/bin/bash", "-c", _SOURCE, "bash", script.path], SECONDS)
    if answer.failure:
        said = answer.errors.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise VendorError(f"{script.path}: {'; '.join([answer.failure.split(' -i ')[-1][-80:], *said])}")
    found: Dict[str, str] = {}
    for entry in answer.output.decode("utf-8", "replace").split("\0"):
        name, sign, value = entry.partition("=")
        wanted = name.startswith("NCCL_") and not name.startswith("NCCL_DEBUG") and name not in script.needs
        if sign and value and wanted:
            found[name] = value
    return dict(sorted(found.items()))


def _refuse_foreign(path: str) -> None:
    """Refuse a script that others than root may change: it is run as root. Raises VendorError, OSError."""
    real = os.path.realpath(path)
    while True:
        info = os.stat(real)
        loose = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not info.st_mode & stat.S_ISVTX
        if info.st_uid != 0 or loose:
            raise VendorError(f"{path} is not run: {real} can be changed by others than root")
        if real == "/":
            return
        real = os.path.dirname(real)
