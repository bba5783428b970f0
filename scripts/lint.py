"""`make lint`: run every linter, show what each one finds, and end with a count.

One linter a concern; none is stopped by another's findings. Names as arguments run only those.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
COLLECTIONS = REPO / ".venv" / "share" / "collections"
COLLECTION = "ansible_collections.gpuforge.node"


@dataclass(frozen=True)
class Check:
    """One linter: its name, its command, and the variables it needs."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def tracked(*patterns: str) -> list[str]:
    """List the repository's files, new ones included, ignored ones not; relative to the checkout."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(argv, cwd=REPO, stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    return sorted({name for name in names if name and (REPO / name).is_file()})


def shell_files() -> list[str]:
    """List the shell files: by their name, or by their first line where they have no ending."""
    found = []
    for name in tracked():
        path = REPO / name
        if path.suffix == ".sh":
            found.append(name)
        elif not path.suffix:
            with path.open("rb") as stream:
                first = stream.readline(80)
            if first.startswith(b"#!") and (b"sh\n" in first or b"bash" in first) and b"python" not in first:
                found.append(name)
    return found


def mypy(name: str, paths: list[Path], *, search: Path, python: str) -> list[Check]:
    """Check with mypy --strict those paths that exist; nothing where there are none."""
    paths = [path for path in paths if path.exists()]
    cache = f"--cache-dir={REPO / '.mypy_cache' / name}"
    argv = ("mypy", "--strict", f"--python-version={python}", cache, *map(str, paths))
    return [Check(f"mypy-{name}", argv, {"MYPYPATH": str(search)})] if paths else []


def checks() -> list[Check]:
    """List all linters, the quick ones first."""
    # Under their collection name: that is how they import each other.
    collection_env = {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)}
    plugins = COLLECTIONS.joinpath(*COLLECTION.split(".")) / "plugins"
    cores = [*(plugins / "module_utils").rglob("*.py"), *(plugins / "plugin_utils").glob("_*.py")]
    cores += (plugins / "plugin_utils" / "_stack").glob("*.py")
    return [
        Check("ruff", ("ruff", "check", "--quiet", "--output-format=concise", ".")),
        Check("ruff-format", ("ruff", "format", "--check", "--quiet", "--output-format=concise", ".")),
        Check("yamllint", ("yamllint", "--strict", ".")),
        Check("shellcheck", ("shellcheck", *shell_files())),
        Check("changelog", ("antsibull-changelog", "lint")),
        *mypy("wrapper", [REPO / "wrapper" / "src" / "gpuforge"], search=REPO / "wrapper" / "src", python="3.11"),
        *mypy("scripts", sorted((REPO / "scripts").glob("*.py")), search=REPO / "scripts", python="3.11"),
        # mypy no longer knows 3.8; ruff's target and a test of the syntax watch over that.
        *mypy("cores", sorted(cores), search=COLLECTIONS, python="3.10"),
        Check("pages", (sys.executable, "scripts/docs.py", "--check")),
        # References between modules, roles and options, and the markup of every text.
        Check("collection-docs", ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "."), collection_env),
        # Its own home: a collection of this name that a user has installed would be taken for this checkout.
        Check(
            "ansible-lint",
            ("ansible-lint", "--offline", "--profile", "production", "--nocolor"),
            {"ANSIBLE_HOME": str(REPO / "build" / "ansible")},
        ),
    ]


def run(check: Check) -> bool:
    """Run one linter; print its findings if it has any, and one line in any case."""
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **check.env}
    start = time.monotonic()
    try:
        done = subprocess.run(
            check.argv, cwd=REPO, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False,
        )  # fmt: skip
        passed, output = done.returncode == 0, done.stdout
    except FileNotFoundError:
        passed, output = False, f"{check.argv[0]} is not installed: run `make setup`"
    if not passed:
        print(output.rstrip())
    print(f"{'passed' if passed else 'FAILED'} {check.name} {time.monotonic() - start:.1f} s", flush=True)
    return passed


def main(argv: list[str] | None = None) -> int:
    """Run the linters; returns 1 if any found something."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    every = checks()
    parser.add_argument("only", nargs="*", help=f"of: {', '.join(check.name for check in every)}")
    wanted = set(parser.parse_args(argv).only)
    unknown = sorted(wanted - {check.name for check in every})
    if unknown:
        parser.error(f"no linter called {', '.join(unknown)}")
    results = [run(check) for check in every if not wanted or check.name in wanted]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
