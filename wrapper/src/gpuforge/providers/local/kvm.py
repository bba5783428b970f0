# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Whether hardware virtualisation works here, found out by booting something.

/dev/kvm may be there and useless: guests hang in it, or crawl at a hundredth of the speed of software emulation. So a
boot sector of six instructions is booted under a time limit: software emulation takes a fifth of a second for it.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from gpuforge.providers.local.tools import die_with_parent, find_tool

PROBE_SECONDS: Final = 4.0  # about twenty times what the boot takes where KVM works
_DEVICE: Final = "/dev/kvm"

# A write to the debug port ends QEMU with the status (value << 1) | 1: QEMU, hw/misc/debugexit.c.
_PORT: Final = 0x501
_VALUE: Final = 0x2A
_STATUS: Final = (_VALUE << 1) | 1


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How a guest's processor is made: ``name`` is "kvm" or "tcg", ``reason`` why it was chosen, for people."""

    name: str
    reason: str


def boot_sector() -> bytes:
    """512 bytes of real-mode code: mov dx, port; mov al, value; out dx, al; then halt for good."""
    code = bytes([0xBA, _PORT & 0xFF, _PORT >> 8, 0xB0, _VALUE, 0xEE, 0xF4, 0xEB, 0xFD])
    return code + bytes(510 - len(code)) + b"\x55\xaa"


def boots(accelerator: str, seconds: float) -> str:
    """Boot the sector under *accelerator* ("kvm" or "tcg"); what went wrong, or an empty string."""
    with os.fdopen(os.memfd_create("probe"), "wb") as image:
        image.write(boot_sector())
        image.flush()
        argv = [
            *die_with_parent(), find_tool("qemu-system-x86_64") or "qemu-system-x86_64",
            "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max", "-machine", "q35", "-m", "64",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=1",
            "-drive", f"file=/proc/self/fd/{image.fileno()},format=raw,if=floppy,read-only=on", "-boot", "a",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False,
                pass_fds=[image.fileno()],
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"a guest of six instructions did not end in {seconds:g} s under {accelerator}"
    if done.returncode != _STATUS:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"QEMU with {accelerator} ended with status {done.returncode}" + (f": {lines[-1]}" if lines else "")
    return ""


@cache
def choose(seconds: float = PROBE_SECONDS) -> Accelerator:
    """The accelerator to use, found out once a run; *seconds* limits the probe. Nothing is written to a disk."""
    if not Path(_DEVICE).exists():
        return Accelerator("tcg", f"{_DEVICE} does not exist")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Accelerator("tcg", f"{_DEVICE} may not be opened by this user")
    start = time.monotonic()
    if wrong := boots("kvm", seconds):
        return Accelerator("tcg", wrong)
    return Accelerator("kvm", f"a probe guest ran under KVM in {time.monotonic() - start:.2f} s")
