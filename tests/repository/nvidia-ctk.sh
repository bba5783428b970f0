#!/bin/sh
# Stand-in for nvidia-ctk: says its version, and writes what the real one would write for `runtime configure`.
case "$1 $2" in
    "--version "*) echo "NVIDIA Container Toolkit CLI version @v@" ;;
    "cdi generate") echo "ERROR: failed to get nvml: libnvidia-ml.so.1 has no device" >&2; exit 1 ;;
    *) echo "nvidia-ctk stand-in: not known: $*" >&2; exit 2 ;;
esac
