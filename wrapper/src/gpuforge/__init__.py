# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""gpuforge: bakes and checks images of NVIDIA GPU nodes."""

__version__ = "0.1.0"
