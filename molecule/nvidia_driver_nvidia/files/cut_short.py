"""Copy a repository, and leave only half of each package: cut_short.py FROM TO."""

from __future__ import annotations

import pathlib
import shutil
import sys

source, target = (pathlib.Path(argument) for argument in sys.argv[1:])
target.mkdir()
for path in source.iterdir():
    if path.is_file():
        shutil.copy(path, target)
for path in target.glob("*.deb"):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
