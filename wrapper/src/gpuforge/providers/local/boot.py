# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Boot what was captured, once, and ask it whether it is what it should be.

The image file is only read: the guest writes to an overlay that is thrown away.
"""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gpuforge.errors import GpuforgeError
from gpuforge.events import Event, Status, make_event
from gpuforge.providers.local import guest_checks, kvm, qemu, seed, serial_log
from gpuforge.providers.local.boot_result import BootResult, serial_name
from gpuforge.providers.local.disk import GIB
from gpuforge.providers.local.guest_checks import Answer, GuestCommand
from gpuforge.providers.local.guest_session import BootFailed, Say, Session
from gpuforge.providers.local.qemu import Firmware
from gpuforge.providers.local.tools import require_tools, run

__all__ = ["BootResult", "verify_image"]

GROWTH_BYTES: Final = 2 * GIB  # by which the guest's disk is larger than the image, to see the root grow
POWER_OFF_SECONDS: Final = 90.0

Emit = Callable[[Event], None]


def _make_overlay(image_dir: Path, scratch: Path) -> tuple[Path, int]:
    """A writable disk over the image in *image_dir* and its size in bytes, larger than the image."""
    image = next((image_dir / name for name in ("disk.qcow2", "disk.raw") if (image_dir / name).is_file()), None)
    if image is None and (packed := image_dir / "disk.tar.gz").is_file():
        run(
            ["tar", "--extract", "--sparse", "--force-local", f"--file={packed.absolute()}"],
            doing="unpacking the image",
            cwd=scratch,
        )
        image = scratch / "disk.raw"
    if image is None:
        raise GpuforgeError(f"{image_dir} holds no disk image", doing="booting the image", exit_code=3)
    driver = "qcow2" if image.suffix == ".qcow2" else "raw"
    info = json.loads(
        run(["qemu-img", "info", "-f", driver, "--output=json", str(image.absolute())], doing="reading the image")
    )
    size = int(info["virtual-size"]) + GROWTH_BYTES
    run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image.absolute()), "-F", driver, "overlay.qcow2",
        str(size)], doing="making the overlay", cwd=scratch,
    )  # fmt: skip
    return scratch / "overlay.qcow2", size


def verify_image(
    image_dir: Path,
    *,
    firmware: Firmware,
    scratch: Path,
    emit: Emit,
    commands: Sequence[GuestCommand] | None = None,
    expect: Mapping[str, object] | None = None,
    timeout_s: float = 900.0,
    memory_mib: int = 2048,
    cpus: int = 2,
    accelerator: str | None = None,
) -> BootResult:
    """Boot the image in *image_dir* once and judge it.

    Args:
        image_dir: folder with disk.qcow2, disk.raw or disk.tar.gz, and manifest.json to compare with; takes the
            serial log.
        firmware: "bios", "uefi", or "uefi-secure" (UEFI with Secure Boot and Microsoft's keys).
        scratch: an existing folder, for the overlay and the keys, which are removed at the end.
        emit: gets events of kind "step" named "boot-<firmware>".
        commands: what to ask; None for ``guest_checks.image_commands(expect)``.
        expect: passed to ``gpuforge-node check --expect``.
        timeout_s: limit in seconds for everything up to the last answer.
        memory_mib: the guest's memory in MiB.
        cpus: the guest's processors.
        accelerator: "kvm" or "tcg"; None to probe.

    Returns:
        What was found; a guest that fails is a result with ``errors``, not an exception.

    Raises:
        GpuforgeError: this machine cannot boot any image (a tool or the firmware is missing, QEMU does not start), or
            there is no image.
    """
    require_tools(["qemu-system-x86_64", "qemu-img", "setpriv", "ssh", "ssh-keygen"], doing=f"booting by {firmware}")
    asked = guest_checks.image_commands(expect) if commands is None else tuple(commands)
    name = f"boot-{firmware}"

    def say(status: Status, detail: str) -> None:
        emit(make_event("step", status, name, parent="verify", detail=detail))

    ovmf = qemu.ovmf_files(firmware)
    log = image_dir / serial_name(firmware)
    log.unlink(missing_ok=True)
    with TemporaryDirectory(prefix=f"{name}-", dir=scratch) as folder:
        work = Path(folder)
        chosen = kvm.Accelerator(accelerator, "asked for") if accelerator else kvm.choose()
        say("start", f"{chosen.name}: {chosen.reason}")
        overlay, disk_bytes = _make_overlay(image_dir, work)
        keys = seed.make_seed(work, f"verify-{uuid.uuid4()}")
        machine = qemu.Machine(firmware, chosen.name, memory_mib, cpus, overlay, keys.image, log.name)
        if ovmf is not None:
            shutil.copyfile(ovmf[1], work / "variables.fd")
            machine = qemu.Machine(
                firmware, chosen.name, memory_mib, cpus, overlay, keys.image, log.name, ovmf[0], work / "variables.fd"
            )
        result = _boot_and_judge(machine, image_dir, work, keys, asked, disk_bytes, timeout_s, say)
    say("ok" if result.ok else "failed", "; ".join(finding.message for finding in result.errors))
    return result


def _boot_and_judge(
    machine: qemu.Machine,
    image_dir: Path,
    work: Path,
    keys: seed.Seed,
    asked: Sequence[GuestCommand],
    disk_bytes: int,
    timeout_s: float,
    say: Say,
) -> BootResult:
    beside = image_dir / "manifest.json"
    manifest = beside.read_text(encoding="utf-8") if beside.is_file() else None
    start = time.monotonic()
    to_ssh: float | None = None
    answers: dict[str, Answer] = {}
    powered_off = False
    with qemu.running(machine, folder=image_dir, scratch=work) as guest:
        session = Session(guest, keys, image_dir / machine.serial_log, start + timeout_s, say)
        try:
            session.wait_for_ssh()
            to_ssh = time.monotonic() - start
            say("progress", f"ssh answers after {to_ssh:.0f} s")
            answers = session.ask(asked)
            errors = guest_checks.judge(
                asked, answers, firmware=machine.firmware, disk_bytes=disk_bytes, manifest=manifest
            )
            powered_off = guest.power_off(POWER_OFF_SECONDS)
            if not powered_off:
                say("warning", f"the guest did not shut down within {POWER_OFF_SECONDS:g} s of the power button")
        except BootFailed as exc:
            errors = [exc.finding]
        text = session.serial()
    state = answers.get(guest_checks.STATE)
    seen = answers.get(guest_checks.MANIFEST)
    return BootResult(
        firmware=machine.firmware,
        accelerator=machine.accelerator,
        seconds=time.monotonic() - start,
        seconds_to_ssh=to_ssh,
        state=state.stdout.strip() if state else "",
        failed_units=guest_checks.failed_units(answers),
        checks=tuple(guest_checks.parse_checks(answers)),
        manifest=seen.stdout if seen and seen.status == 0 else None,
        answers=answers,
        errors=tuple(errors),
        serial_tail=serial_log.tail(text),
        powered_off=powered_off,
    )
