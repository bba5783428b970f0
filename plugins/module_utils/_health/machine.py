# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The machine that is asked: its files, its programs, what is expected of it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Sequence

from .._smi_run import run
from .expect import Expect
from .tree import Tree

#: Seconds. Long enough for a program on a loaded machine, short enough that a hung driver is noticed: nvidia-smi
#: on a GPU that fell off the bus can block for good.
PROGRAM_TIMEOUT = 60.0
#: Not in the PATH of ordinary users, who may ask, too.
_ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class ProgramError(Exception):
    """A program could not be run to its end: it is missing, hangs or was killed."""


@dataclass(frozen=True)
class Ran:
    """How a program ended."""

    code: int
    out: str
    err: str


Runner = Callable[[Sequence[str]], Ran]


def run_program(argv: Sequence[str]) -> Ran:
    """Run a program in the C locale with no input. Raises ProgramError when there is no exit code to speak of."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_ADMIN_FOLDERS])
    found = shutil.which(argv[0], path=path)
    if found is None:
        raise ProgramError(f"{argv[0]} is not installed")
    answer = run([found, *argv[1:]], PROGRAM_TIMEOUT)
    if answer.code is None or answer.code < 0:
        raise ProgramError(answer.failure)
    return Ran(answer.code, answer.output.decode("utf-8", "replace"), answer.errors.decode("utf-8", "replace"))


def _no_facts() -> Mapping[str, Any]:
    raise ProgramError("nobody offered to collect GPU facts")


@dataclass(frozen=True)
class Machine:
    """Everything a check may look at.

    ``live`` is true when the files are those of the running machine; ``gpu_facts`` reads what the module ``gpu_info``
    returns, and is called at most once.
    """

    tree: Tree
    live: bool = True
    run: Runner = run_program
    expect: Expect = field(default_factory=Expect)
    gpu_facts: Callable[[], Mapping[str, Any]] = _no_facts
    _cache: Dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """The value of ``make()``, computed at most once for this machine: several checks share dear reads."""
        if key not in self._cache:
            self._cache[key] = make()
        return self._cache[key]

    @property
    def booted(self) -> bool:
        """Whether systemd runs this machine (false in a chroot and on an unpacked tree); see sd_booted(3)."""
        return self.live and self.tree.is_dir("/run/systemd/system")
