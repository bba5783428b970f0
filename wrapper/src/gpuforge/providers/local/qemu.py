# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""One guest in QEMU: its command line, its life and its end.

Block devices are given as JSON, whose strings take any file name; everything else is named relative to QEMU's current
folder. QEMU listens on nothing but a loopback port that it lets the kernel choose, and is asked for it afterwards. The
guest reaches nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gpuforge.errors import GpuforgeError, ToolMissing
from gpuforge.providers.local.tools import die_with_parent, find_tool, search_path

Firmware = Literal["bios", "uefi", "uefi-secure"]

# Code and variable store of OVMF, the best first: Debian's and Ubuntu's paths. The secure ones hold Microsoft's keys.
_OVMF: Final = Path("/usr/share/OVMF")
_CODE_AND_VARS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "uefi": (("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.fd", "OVMF_VARS.fd")),
    "uefi-secure": (("OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"), ("OVMF_CODE.ms.fd", "OVMF_VARS.ms.fd")),
}

_ANSWER_SECONDS: Final = 20.0  # for QEMU to answer its monitor; it is slow to start on a busy machine
_FORWARD: Final = re.compile(r"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest is made of.

    ``disk`` is a qcow2 that may be written, ``seed`` a raw image of cloud-init's data. ``code`` and ``variables`` are
    the UEFI firmware and its store (which is written), None for BIOS. ``serial_log`` is a file name in QEMU's folder.
    """

    firmware: Firmware
    accelerator: str
    memory_mib: int
    cpus: int
    disk: Path
    seed: Path
    serial_log: str
    code: Path | None = None
    variables: Path | None = None


def ovmf_files(firmware: Firmware, folder: Path = _OVMF) -> tuple[Path, Path] | None:
    """UEFI code and the template of its variable store; None for BIOS.

    Raises:
        ToolMissing: OVMF is not installed.
    """
    if firmware == "bios":
        return None
    for code, variables in _CODE_AND_VARS[firmware]:
        if (folder / code).exists() and (folder / variables).exists():
            return folder / code, folder / variables
    raise ToolMissing(
        f"there is no UEFI firmware for guests in {folder}", doing=f"booting by {firmware}", hint="apt-get install ovmf"
    )


def _blockdev(name: str, driver: str, path: Path, *, read_only: bool) -> list[str]:
    node = {
        "driver": driver,
        "node-name": name,
        "read-only": read_only,
        "file": {"driver": "file", "filename": str(path.absolute()), "locking": "auto"},
    }
    return ["-blockdev", json.dumps(node, ensure_ascii=False)]


def qemu_argv(machine: Machine) -> list[str]:
    """QEMU's arguments, without the program's name. Its monitor talks JSON on standard input and output."""
    kvm = machine.accelerator == "kvm"
    options = ["q35", "graphics=off"]  # without a display, the BIOS writes its messages to the serial line too
    firmware: list[str] = []
    if machine.code is not None and machine.variables is not None:
        options += ["pflash0=code", "pflash1=variables"]
        firmware += _blockdev("code", "raw", machine.code, read_only=True)
        firmware += _blockdev("variables", "raw", machine.variables, read_only=False)
    if machine.firmware == "uefi-secure":
        # Only code in system management mode may write the store, or Secure Boot would mean nothing.
        options.append("smm=on")
        firmware += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    return [
        "-name", "gpuforge-verify", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-machine", ",".join(options),
        "-accel", "kvm" if kvm else "tcg,thread=multi",
        "-cpu", "host" if kvm else "max,la57=off",
        "-m", str(machine.memory_mib), "-smp", str(machine.cpus),
        *firmware,
        *_blockdev("disk", "qcow2", machine.disk, read_only=False),
        *_blockdev("seed", "raw", machine.seed, read_only=True),
        "-device", "virtio-blk-pci,drive=disk,bootindex=0",
        "-device", "virtio-blk-pci,drive=seed",
        "-device", "virtio-rng-pci",
        "-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        "-chardev", f"file,id=serial,path={machine.serial_log}", "-serial", "chardev:serial",
        "-chardev", "stdio,id=monitor,signal=off", "-mon", "chardev=monitor,mode=control",
    ]  # fmt: skip


class Guest:
    """A running QEMU. ``ssh_port`` is the loopback port that leads to the guest's port 22."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self._process = process
        self._errors = errors
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        self._selector.register(process.stdout, selectors.EVENT_READ)
        self._buffer = b""
        self.ssh_port = 0

    def ended(self) -> str:
        """How QEMU ended, with its last words; empty while it runs."""
        if self._process.poll() is None:
            return ""
        words = self._errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
        status = self._process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return "; ".join([f"QEMU {how}", *words])

    def _messages(self, deadline: float) -> Iterator[dict[str, Any]]:
        """What the monitor says, until *deadline* (monotonic seconds) or its end."""
        assert self._process.stdout is not None
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                if line.strip():
                    yield json.loads(line)
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                return
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                return
            self._buffer += data

    def execute(self, command: str, **arguments: object) -> Any:
        """Run one command of the monitor and return its answer.

        Raises:
            GpuforgeError: QEMU refused it, ended, or did not answer in time.
        """
        doing = f"asking QEMU to {command}"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait()
            raise GpuforgeError(self.ended(), doing=doing) from None
        for message in self._messages(time.monotonic() + _ANSWER_SECONDS):
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise GpuforgeError(str(message["error"].get("desc")), doing=doing)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        raise GpuforgeError(self.ended() or f"no answer in {_ANSWER_SECONDS:g} s", doing=doing)

    def connect(self) -> None:
        """Open the monitor and learn the port that leads to the guest's ssh."""
        self.execute("qmp_capabilities")
        text = self.execute("human-monitor-command", **{"command-line": "info usernet"})
        found = _FORWARD.search(str(text))
        if found is None:
            raise GpuforgeError(f"QEMU forwards no port: {text!r}", doing="starting the guest")
        self.ssh_port = int(found[1])

    def power_off(self, seconds: float) -> bool:
        """Press the power button and wait up to *seconds* for the guest to shut down; whether it did."""
        try:
            self.execute("system_powerdown")
            self._process.wait(seconds)
        except (GpuforgeError, subprocess.TimeoutExpired):
            pass
        return self._process.poll() == 0

    def kill(self) -> None:
        """End QEMU now."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def running(machine: Machine, *, folder: Path, scratch: Path) -> Iterator[Guest]:
    """Start *machine* with *folder* as QEMU's current folder; on leaving, QEMU is gone.

    *scratch* takes QEMU's own messages and temporary files.

    Raises:
        GpuforgeError: QEMU did not start.
    """
    program = find_tool("qemu-system-x86_64")
    if program is None:
        raise ToolMissing(
            "qemu-system-x86_64 not found", doing="starting the guest", hint="apt-get install qemu-system-x86"
        )
    errors = scratch / "qemu.log"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [*die_with_parent(), program, *qemu_argv(machine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=folder,
            env={**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8", "TMPDIR": str(scratch.absolute())},
            start_new_session=True,  # Ctrl-C reaches gpuforge alone, which then ends the guest in order
        )
    guest = Guest(process, errors)
    try:
        guest.connect()
        yield guest
    finally:
        guest.kill()
