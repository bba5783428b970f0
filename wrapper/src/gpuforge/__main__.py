# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""``python -m gpuforge``."""

from gpuforge.cli import entry

if __name__ == "__main__":
    entry()
