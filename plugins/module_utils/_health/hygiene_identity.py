# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``hygiene`` about who the machine is and who may enter it."""

from __future__ import annotations

import re
from typing import List

from .hygiene import SEAL_AGAIN, of_a_system, verdict_on
from .leftovers import SLACK, boot_time, find, is_left
from .machine import Machine, ProgramError
from .model import CRITICAL, Check, Outcome, failed, passed, skipped, unknown

_MACHINE_ID = "/etc/machine-id"
_DBUS_ID = "/var/lib/dbus/machine-id"
_SEED = "/var/lib/systemd/random-seed"
_KEY_FILES = (
    "~/.ssh/authorized_keys",
    "~/.ssh/authorized_keys2",
    "/etc/ssh/authorized_keys*",
    "/etc/ssh/authorized_keys*/*",
)
#: Where cloud-init keeps what it was told (its documentation, "Instance metadata" and "Data storage").
_CLOUD_INIT_WAS_TOLD = (
    "/run/cloud-init/instance-data-sensitive.json",
    "/run/cloud-init/combined-cloud-config.json",
    "/var/lib/cloud/instance/user-data.txt",
    "/var/lib/cloud/instance/cloud-config.txt",
    "/var/lib/cloud/instance/vendor-cloud-config.txt",
)
#: The key itself in a line of authorized_keys: base64 of a length-prefixed name, so it begins with three zero bytes.
_KEY = re.compile(r"\bAAAA[0-9A-Za-z+/=]+")


@of_a_system
def _machine_id(machine: Machine) -> Outcome:
    tree = machine.tree
    text = tree.read_text(_MACHINE_ID).strip() if tree.is_file(_MACHINE_ID) else ""
    booted_at = boot_time(machine)
    if booted_at is None:
        expected = 'empty, absent or "uninitialized" (machine-id(5))'
        other = "" if tree.is_link(_DBUS_ID) or not tree.is_file(_DBUS_ID) else tree.read_text(_DBUS_ID).strip()
        if text not in ("", "uninitialized"):
            return failed(f"{_MACHINE_ID} is {text}", expected)
        return failed(f"{_DBUS_ID} is {other}", expected) if other else passed("none", expected)
    expected = "an id made in this boot"
    if not re.fullmatch("[0-9a-f]{32}", text):
        return failed(f"{_MACHINE_ID} is {text or 'empty'}", expected)
    if is_left(machine, _MACHINE_ID):
        age = booted_at - tree.stat(_MACHINE_ID).st_mtime
        return failed(f"{text} is {age:.0f} s older than the boot", expected)
    return passed(text, expected)


def _keys(text: str) -> List[str]:
    """The key of each line of authorized_keys that is neither empty nor a comment; a line without a key as it is."""
    found = []
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            match = _KEY.search(line)
            found.append(match.group(0) if match else line.strip())
    return found


@of_a_system
def _authorized_keys(machine: Machine) -> Outcome:
    tree = machine.tree
    files = {
        path: keys for path in find(machine, _KEY_FILES) if tree.is_file(path) and (keys := _keys(tree.read_text(path)))
    }
    if boot_time(machine) is None:
        return verdict_on([f"{path} ({len(keys)})" for path, keys in files.items()], "no key that lets anyone in")
    expected = "only keys that cloud-init was given for this boot"
    if not files:
        return passed("none", expected)
    sources = [path for path in _CLOUD_INIT_WAS_TOLD if tree.is_file(path)]
    told = "\n".join(tree.read_text(path) for path in sources)
    strange = [
        f"{path}: …{key[-16:]}" + (" (older than the boot)" if key in told else "")
        for path, keys in files.items()
        for key in keys
        if key not in told or is_left(machine, path)
    ]
    if strange and not sources:
        return unknown("cloud-init does not say which keys it was given; found " + ", ".join(strange), expected)
    return verdict_on(strange, expected)


@of_a_system
def _passwords(machine: Machine) -> Outcome:
    if machine.booted:
        return skipped("cannot be told from those that cloud-init set in this boot: ask the unpacked image")
    lines = [line.split(":") for line in machine.tree.read_text("/etc/shadow").splitlines() if ":" in line]
    # A hash or nothing lets somebody in; "!" and "*" lock the account (shadow(5)).
    return verdict_on([fields[0] for fields in lines if fields[1][:1] not in ("!", "*")], "no account with a password")


@of_a_system
def _random_seed(machine: Machine) -> Outcome:
    expected = "no random seed from before the boot"
    if not machine.tree.exists(_SEED):
        return passed("none", expected)
    booted_at = boot_time(machine)
    if booted_at is None:
        return failed(_SEED, expected)
    # systemd writes into the file at boot, so that only its birth tells where it came from.
    try:
        ran = machine.run(["stat", "--format=%W", machine.tree.host(_SEED)])
    except ProgramError as exc:
        return unknown(str(exc), expected)
    born = ran.out.strip()
    if ran.code or not born.isdigit() or born == "0":
        return unknown(f"the file system does not tell when {_SEED} was made", expected)
    if float(born) < booted_at - SLACK:
        return failed(f"{_SEED} is {booted_at - float(born):.0f} s older than the boot", expected)
    return passed("made in this boot", expected)


CHECKS = (
    Check(
        "hygiene.machine_id",
        "the image has no machine id",
        CRITICAL,
        f"Machines with one id get one DHCP address and mix their logs. {SEAL_AGAIN}",
        _machine_id,
    ),
    Check(
        "hygiene.authorized_keys",
        "nobody's key is in the image",
        CRITICAL,
        f"Whoever has the private key can enter every machine of this image. {SEAL_AGAIN}",
        _authorized_keys,
    ),
    Check(
        "hygiene.passwords",
        "no account has a password",
        CRITICAL,
        f"Whoever knows it can enter every machine of this image. {SEAL_AGAIN}",
        _passwords,
    ),
    Check(
        "hygiene.random_seed",
        "no random seed is in the image",
        CRITICAL,
        f"Machines that start from one seed may make the same keys. {SEAL_AGAIN}",
        _random_seed,
    ),
)
