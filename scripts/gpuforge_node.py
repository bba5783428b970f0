#!/usr/bin/env python3
"""Write the on-node program: `make gpuforge-node` puts it at dist/gpuforge-node.

Needs nothing but Python. The file is the same as the one that the role node_health installs.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PACKER = ROOT / "plugins" / "plugin_utils" / "_zipapp.py"


def load_packer() -> ModuleType:
    """The collection's own packer, by its path: the collection need not be installed to build the program."""
    spec = importlib.util.spec_from_file_location("gpuforge_zipapp", PACKER)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{PACKER} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Pack and write; ends with 2 when that is not possible."""
    parser = argparse.ArgumentParser(description="Write the on-node program gpuforge-node.")
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "dist" / "gpuforge-node")
    output: Path = parser.parse_args().output
    packer = load_packer()
    try:
        program: bytes = packer.pack()
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(program)
        output.chmod(0o755)
    except (packer.PackError, OSError) as exc:
        sys.stderr.write(f"Failed to write {output}: {exc}\n")
        return 2
    sys.stdout.write(f"{output}: {len(program)} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
