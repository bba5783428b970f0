"""Copy a repository's index and one package, and leave only half of the package: cut_short.py FROM TO."""

from __future__ import annotations

import pathlib
import shutil
import sys

source, target = (pathlib.Path(argument) for argument in sys.argv[1:])
target.mkdir()
for path in source.iterdir():
    if path.is_file() and (path.suffix != ".deb" or path.name.startswith("nvlsm_")):
        shutil.copy(path, target)
for path in target.glob("nvlsm_*.deb"):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
