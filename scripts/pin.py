"""`make requirements`: pin requirements/*.in with hashes, for every supported Python at once.

Pins that still satisfy their .in file stay; with `--upgrade` the newest are taken.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
OLDEST_PYTHON = "3.11"
#: In this order: a later set takes the pins of `bake` as they are, so that tests run with what a bake runs with.
SETS = ("bake", "test", "uv")
#: No index is named in what is written: that is a matter of the machine that installs.
FLAGS = ("--universal", "--generate-hashes", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet")


def compile_set(name: str, *, upgrade: bool) -> None:
    """Write requirements/NAME.txt from requirements/NAME.in."""
    argv = [str(UV), "pip", "compile", *FLAGS, f"--python-version={OLDEST_PYTHON}"]
    argv += ["--constraints=bake.txt"] if name != "bake" else []
    argv += ["--upgrade"] if upgrade else []
    argv += [f"--output-file={name}.txt", f"{name}.in"]
    subprocess.run(argv, cwd=REPO / "requirements", stdout=subprocess.DEVNULL, check=True)
    print(f"wrote requirements/{name}.txt")


def main() -> int:
    """Pin every set."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    for name in SETS:
        compile_set(name, upgrade=upgrade)
    return 0


if __name__ == "__main__":
    sys.exit(main())
