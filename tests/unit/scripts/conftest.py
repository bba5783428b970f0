"""Makes the repository's own scripts importable by their file names."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPTS = str(Path(__file__).resolve().parents[3] / "scripts")
if SCRIPTS not in sys.path:
    sys.path.append(SCRIPTS)  # last: nothing of the standard library may be hidden by a script's name
