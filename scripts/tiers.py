"""The tiers of tests: what each runs, what it needs, and how its result is read."""

from __future__ import annotations

import os
import re
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
REPORTS = REPO / "build" / "test"
BIN = Path(sys.executable).parent
#: The tools of .venv first; administrators' tools are not on every user's PATH.
SEARCH = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


@dataclass(frozen=True)
class Counts:
    """How many passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True)
class Tier:
    """One tier.

    Attributes:
        name: What `TIERS=` calls it.
        what: One line for the reader.
        argv: The command; pytest tiers get `--junitxml` added.
        limit_s: When it is stopped, in seconds.
        tools: Programs it cannot do without.
        root: Whether it needs root; run through sudo otherwise.
    """

    name: str
    what: str
    argv: tuple[str, ...]
    limit_s: int
    tools: tuple[str, ...] = ()
    root: bool = False

    @property
    def junit(self) -> Path | None:
        """Where pytest writes its results; None where lines on standard output are counted."""
        return REPORTS / f"{self.name}.xml" if "pytest" in self.argv else None


PYTEST = (sys.executable, "-m", "pytest", "--quiet", "--durations=5", "--durations-min=5")
#: Tests that need more than Python carry a mark (those below tests/integration and tests/image get theirs from
#: conftest.py), so that each runs in exactly one tier wherever it stands.
PLAIN = "not (integration or container or image or slow)"
BAKE_TOOLS = ("mmdebstrap", "qemu-system-x86_64", "qemu-img", "sfdisk", "mtools")
#: One scenario a role, after the one that puts them all together: it takes longest, so it does not end alone.
SCENARIOS = (
    "default",
    "container_toolkit",
    "cuda",
    "dcgm",
    "framework",
    "image_seal",
    "multinode",
    "node_health",
    "nvidia_driver",
    "nvidia_driver_nvidia",
    "perf_tuning",
)
TIERS = (
    Tier("lint", "every linter", (sys.executable, "scripts/lint.py"), 900, ("git", "shellcheck")),
    Tier(
        "unit",
        "cores and modules on trees and captures, and the repository's own rules",
        (*PYTEST, "-n", "2", "-m", PLAIN, "tests/unit"),
        900,
        ("git",),
    ),
    Tier("wrapper", "the builder on fakes", (*PYTEST, "-n", "2", "-m", PLAIN, "tests/wrapper"), 900),
    Tier(
        "integration",
        "modules for real, twice, and site.yml over ssh",
        (*PYTEST, "-m", "(integration or container) and not (image or slow)", "tests"),
        1800,
        ("podman", "mmdebstrap", "unshare"),
        root=True,
    ),
    Tier(
        "molecule",
        "each role in booted containers, and all of them together",
        (sys.executable, "tests/containers/run_molecule.py", *SCENARIOS),
        4500,
        ("podman", "mmdebstrap"),
        root=True,
    ),
    Tier(
        "image",
        "bake, boot, check",
        (*PYTEST, "-m", "image and not slow", "tests"),
        3300,
        BAKE_TOOLS,
        root=True,
    ),
)
SLOW = Tier("slow", "what takes many minutes", (*PYTEST, "-m", "slow", "tests"), 4 * 3600, BAKE_TOOLS, root=True)


def environment() -> dict[str, str]:
    """The environment of every tier; no byte code in the checkout from root's runs."""
    return {**os.environ, "PATH": SEARCH, "PYTHONDONTWRITEBYTECODE": "1"}


def find(tool: str) -> str | None:
    """Path of a program, or None."""
    return shutil.which(tool, path=SEARCH)


def obstacle(
    tier: Tier, *, euid: int, which: Callable[[str], str | None] = find, sudo_works: Callable[[], bool]
) -> str:
    """Say why a tier cannot run here, or "" if it can."""
    lacking = [tool for tool in tier.tools if which(tool) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (run `make setup`)"
    if tier.root and euid != 0 and not (which("sudo") and sudo_works()):
        return "it needs root, and sudo is not to be had"
    return ""


def command(tier: Tier, *, euid: int, env: Mapping[str, str]) -> tuple[str, ...]:
    """The whole command of a tier: through sudo where it needs root, with its report where pytest writes one."""
    argv = tier.argv
    if tier.junit:
        argv = (*argv, f"--junitxml={tier.junit}")
    if tier.root and euid != 0:
        keep = [f"{key}={env[key]}" for key in sorted(env) if key in ("PATH", "CI") or key.startswith("GPUFORGE_")]
        argv = ("sudo", "env", *keep, "PYTHONDONTWRITEBYTECODE=1", *argv)
    return argv


def count_junit(path: Path) -> Counts:
    """Read pytest's report; nothing counted where it was not written."""
    if not path.exists():
        return Counts()
    total = Counts()
    for suite in ET.parse(path).getroot().iter("testsuite"):
        tests, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        total += Counts(max(tests - failed - skipped, 0), failed, skipped)
    return total


def count_lines(output: str) -> Counts:
    """Count lines of the form "passed NAME …" and "FAILED NAME …", which the other runners print."""
    words = re.findall(r"^(passed|FAILED) \S", output, flags=re.MULTILINE)
    return Counts(words.count("passed"), words.count("FAILED"))
