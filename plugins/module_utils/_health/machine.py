# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The machine that is asked: its files, its programs, what is expected of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, Sequence

from .expect import Expect
from .tree import Tree

#: Seconds. Long enough for a program on a loaded machine, short enough that a hung driver is noticed: nvidia-smi
#: on a GPU that fell off the bus can block for good.
PROGRAM_TIMEOUT = 60.0


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
    env = {**os.environ, "LC_ALL": "C"}
    env["PATH"] = os.pathsep.join(filter(None, [env.get("PATH"), "/usr/local/sbin", "/usr/sbin", "/sbin"]))
    try:
        done = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROGRAM_TIMEOUT, env=env, check=False
        )
    except FileNotFoundError as exc:
        raise ProgramError(f"{argv[0]} is not installed") from exc
    except subprocess.TimeoutExpired as exc:
        raise ProgramError(f"{argv[0]} did not answer within {PROGRAM_TIMEOUT:g} s") from exc
    except OSError as exc:
        raise ProgramError(f"{argv[0]} cannot be run: {exc.strerror}") from exc
    if done.returncode < 0:
        raise ProgramError(f"{argv[0]} was ended by signal {-done.returncode}")
    return Ran(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def _no_facts() -> Mapping[str, Any]:
    raise ProgramError("nobody offered to collect GPU facts")


@dataclass(frozen=True)
class Machine:
    """Everything a check may look at.

    ``live`` is true when the files are those of the running machine; ``facts`` collects the GPU, topology and fabric
    facts when first asked (it may run nvidia-smi); ``thresholds`` are numbers that replace those of thresholds.py.
    """

    tree: Tree
    live: bool = True
    run: Runner = run_program
    expect: Expect = field(default_factory=Expect)
    facts: Callable[[], Mapping[str, Any]] = _no_facts
    thresholds: Mapping[str, float] = field(default_factory=dict)
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
