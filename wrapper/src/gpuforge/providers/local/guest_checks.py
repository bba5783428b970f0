# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is asked of a booted guest, in one ssh connection, and how the answers are judged. Nothing here runs
anything."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# Names of the commands whose answers this module knows how to judge.
STATE, FAILED_UNITS, FIRMWARE, ROOT_BYTES, CHECK, MANIFEST = (
    "state", "failed-units", "firmware", "root-bytes", "check", "manifest",
)  # fmt: skip
NODE_PROGRAM: Final = "gpuforge-node"
_STATE_SECONDS: Final = 600  # for systemd to finish starting up, in emulation
_MARK: Final = "gpuforge-answer"
_HELLO: Final = "hello"  # printed first: from here on the connection is known to carry data both ways

# GUID of EFI's global variables (UEFI specification, "Globally Defined Variables"). The value follows four attribute
# bytes.
_SECURE_BOOT: Final = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


@dataclass(frozen=True, slots=True)
class GuestCommand:
    """A line of shell that root runs in the guest; ``name`` is how its answer is found."""

    name: str
    command: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command in the guest gave back."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a booted guest that is not as it must be. ``kind`` is for programs, ``message`` for people."""

    kind: str
    message: str


# Every group, also hygiene, which the program leaves out unless it is asked: here the machine has just booted the
# image.
CHECK_GROUPS: Final = ("system", "driver", "tuning", "manifest", "gpu", "hygiene")

# What every image must answer, whatever is in it.
SYSTEM_COMMANDS: Final = (
    GuestCommand(STATE, f"timeout {_STATE_SECONDS} systemctl is-system-running --wait"),
    GuestCommand(FAILED_UNITS, "systemctl list-units --failed --plain --no-legend --no-pager"),
    GuestCommand(
        FIRMWARE,
        f"if [ ! -d /sys/firmware/efi ]; then echo bios; elif [ \"$(od -An -j4 -N1 -tu1 {_SECURE_BOOT})\" -eq 1 ];"
        " then echo uefi-secure; else echo uefi; fi",
    ),
    GuestCommand(ROOT_BYTES, "findmnt --noheadings --bytes --output SIZE /"),
    GuestCommand("esp", "findmnt --noheadings --output FSTYPE,OPTIONS --mountpoint /boot/efi"),
)  # fmt: skip


def image_commands(expect: Mapping[str, object] | None = None) -> tuple[GuestCommand, ...]:
    """The commands for a finished image: the system's, the node's own checks (with *expect*), and its manifest."""
    check = f"{NODE_PROGRAM} check --format json --only {','.join(CHECK_GROUPS)}"
    if expect:
        packed = base64.b64encode(json.dumps(dict(expect)).encode()).decode()
        check = f"echo {packed} | base64 -d > /run/gpuforge-expect.json && {check} --expect /run/gpuforge-expect.json"
    return (*SYSTEM_COMMANDS, GuestCommand(CHECK, check), GuestCommand(MANIFEST, "cat /etc/gpuforge/manifest.json"))


def make_script(commands: Sequence[GuestCommand], nonce: str) -> str:
    """A shell script that runs all *commands*, each for itself, and prints one line for each when it has ended."""
    lines = [f"echo {_MARK} {nonce} {_HELLO}"]
    lines += ["work=$(mktemp -d -p /run) || exit 1", "trap 'rm -rf \"$work\"' EXIT", 'cd "$work"']
    for item in commands:
        # In base64, so that no byte of an answer can be taken for another line.
        lines.append(f"sh -c {shlex.quote(item.command)} </dev/null >out 2>err; status=$?")
        lines.append(f'echo {_MARK} {nonce} {shlex.quote(item.name)} $status ="$(base64 -w0 out)" ="$(base64 -w0 err)"')
    return "\n".join(lines) + "\n"


def make_nonce() -> str:
    """A word that no program in the guest can print by chance."""
    return secrets.token_hex(8)


def is_hello(line: str, nonce: str) -> bool:
    """Whether *line* is the script's first word."""
    return line.split() == [_MARK, nonce, _HELLO]


def parse_line(line: str, nonce: str) -> tuple[str, Answer] | None:
    """The answer in one line of the script's output, or None where the line is something else."""
    words = line.split()
    if len(words) != 6 or words[:2] != [_MARK, nonce]:
        return None
    stdout, stderr = (base64.b64decode(word[1:]).decode("utf-8", "replace") for word in words[4:])
    return words[2], Answer(int(words[3]), stdout, stderr)


def failed_units(answers: Mapping[str, Answer]) -> tuple[str, ...]:
    """Names of the units that failed."""
    found = answers.get(FAILED_UNITS)
    return tuple(line.split()[0] for line in found.stdout.splitlines() if line.strip()) if found else ()


def parse_checks(answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
    """The results of ``gpuforge-node check``; empty where it did not give any."""
    try:
        document = json.loads(answers[CHECK].stdout)
        checks = document["checks"]
    except (KeyError, TypeError, ValueError):
        return []
    return [check for check in checks if isinstance(check, dict)] if isinstance(checks, list) else []


def _judge_check(answer: Answer, checks: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if answer.status == 127:
        return [Finding("check-missing", f"{NODE_PROGRAM} is not in the image, so nothing of the node was checked")]
    bad = [check for check in checks if check.get("status") not in ("pass", "skipped")]
    found = [
        Finding(
            "check",
            f"{check.get('id')} is {check.get('status')}: observed {check.get('observed')!r},"
            f" expected {check.get('expected')!r}; {check.get('remedy', '')}".rstrip("; "),
        )
        for check in bad
    ]
    if not checks or (answer.status != 0 and not bad):
        words = (answer.stderr.strip() or answer.stdout.strip() or "no output")[-500:]
        found.append(Finding("check", f"{NODE_PROGRAM} check ended with status {answer.status}: {words}"))
    return found


def judge(
    commands: Sequence[GuestCommand],
    answers: Mapping[str, Answer],
    *,
    firmware: str,
    disk_bytes: int,
    manifest: str | None,
) -> list[Finding]:
    """Everything in *answers* that is not as it must be.

    Args:
        commands: what was asked; a command without an answer is a finding, and commands of other names must succeed.
        answers: by name.
        firmware: how the guest was to boot.
        disk_bytes: the size of the guest's disk; its root must have grown to fill it.
        manifest: the manifest that lies beside the image, None where there is none to compare.
    """
    found: list[Finding] = []
    units = failed_units(answers)
    for item in commands:
        answer = answers.get(item.name)
        if answer is None:
            found.append(Finding("no-answer", f"the guest gave no answer to {item.name} ({item.command})"))
        elif item.name == STATE:
            if (state := answer.stdout.strip()) != "running":
                failed = f"; failed: {', '.join(units)}" if units else ""
                found.append(Finding("state", f"the system is {state or 'not up in time'} instead of running{failed}"))
        elif item.name == FAILED_UNITS:
            found += [Finding("units", f"{unit} failed") for unit in units]
        elif item.name == FIRMWARE:
            if answer.stdout.strip() != firmware:
                found.append(Finding("firmware", f"the guest booted by {answer.stdout.strip()}, not by {firmware}"))
        elif item.name == ROOT_BYTES:
            size = int(answer.stdout.strip() or 0)
            if size < disk_bytes * 0.9:
                message = (
                    f"the root file system has {size} bytes on a disk of {disk_bytes}: it did not grow at first boot"
                )
                found.append(Finding("growth", message))
        elif item.name == CHECK:
            found += _judge_check(answer, parse_checks(answers))
        elif answer.status != 0:
            words = (answer.stderr or answer.stdout).strip()[-500:]
            found.append(Finding("command", f"{item.name} ended with status {answer.status} in the guest: {words}"))
        elif item.name == MANIFEST and manifest is not None and answer.stdout != manifest:
            found.append(Finding("manifest", "/etc/gpuforge/manifest.json in the image is not the one beside it"))
    return found
