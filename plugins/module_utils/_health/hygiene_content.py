# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Checks of the group ``hygiene`` that look into files: private keys, proxies, swap, and how large the logs are."""

from __future__ import annotations

import re
from typing import List

from .hygiene import SEAL_AGAIN, of_a_system, verdict_on
from .leftovers import boot_time, find, is_left
from .machine import Machine
from .model import CRITICAL, WARNING, Check, Outcome, failed, passed

#: The first line of a private key in PEM, whatever its kind (RFC 7468, section 10, and OpenSSH's own).
_PRIVATE_KEY = re.compile(rb"^-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----", re.MULTILINE)
_KEY_PLACES = ("/etc", "/root", "/home", "/var/lib")
#: Thousands of files that only dpkg and apt write.
_NO_KEYS_HERE = ("/var/lib/dpkg/info", "/var/lib/apt/lists")
#: Found by checks of their own, which say what they are for.
_OTHER_CHECKS = re.compile(r"/etc/ssh/ssh_host_.*|/var/lib/dkms/mok\.key|.*/\.ssh/id_[^/]*")
#: Bytes. A key has a few KiB; a bundle of keys and certificates fits, too.
_LARGEST_KEY_FILE = 1 << 20

_PROXY_FILES = (
    "/etc/environment",
    "/etc/environment.d/*",
    "/etc/profile",
    "/etc/profile.d/*",
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d/*",
    "/etc/systemd/system.conf",
    "/etc/systemd/system.conf.d/*",
    "/etc/wgetrc",
    "/etc/pip.conf",
    "~/.profile",
    "~/.bashrc",
    "~/.curlrc",
    "~/.wgetrc",
    "~/.gitconfig",
    "~/.config/pip/pip.conf",
)
_PROXY = re.compile(
    r"^(?!\s*(?:#|//|;)).*?(?:\b(?:https?|ftp|all)_proxy\s*=\s*[\"']?\w|Acquire::(?:https?|ftp)::\S*Proxy\s+\"(?!DIRECT|false)\w"
    r"|^\s*proxy\s*=\s*\S)",
    re.MULTILINE | re.IGNORECASE,
)

_SWAP_FILES = ("/swapfile", "/swap.img", "/swap", "/var/swap*")

#: Bytes of all log files together: a sealed log is empty, and package scripts may write a few lines after that.
LOG_LIMIT = 64 * 1024


@of_a_system
def _private_keys(machine: Machine) -> Outcome:
    tree = machine.tree
    found: List[str] = []
    for place in _KEY_PLACES:
        for path in tree.files_below(place, _NO_KEYS_HERE):
            if _OTHER_CHECKS.fullmatch(path) or tree.stat(path).st_size > _LARGEST_KEY_FILE:
                continue
            if _PRIVATE_KEY.search(tree.read_bytes(path)) and is_left(machine, path):
                found.append(path)
    return verdict_on(found, f"no private key below {', '.join(_KEY_PLACES)}")


@of_a_system
def _proxies(machine: Machine) -> Outcome:
    tree = machine.tree
    found = [
        path
        for path in find(machine, _PROXY_FILES)
        if tree.is_file(path) and _PROXY.search(tree.read_text(path)) and is_left(machine, path)
    ]
    return verdict_on(found, "no proxy is set")


@of_a_system
def _swap(machine: Machine) -> Outcome:
    tree = machine.tree
    found = [path for path in find(machine, _SWAP_FILES) if is_left(machine, path)]
    fstab = tree.read_text("/etc/fstab").splitlines() if tree.is_file("/etc/fstab") else []
    entries = [line.split() for line in fstab if not line.lstrip().startswith("#")]
    found += [f"{fields[0]} in /etc/fstab" for fields in entries if len(fields) > 2 and fields[2] == "swap"]
    return verdict_on(found, "no swap area")


@of_a_system
def _logs(machine: Machine) -> Outcome:
    tree = machine.tree
    expected = f"at most {LOG_LIMIT // 1024} KiB in /var/log"
    sizes = {}
    for path in tree.files_below("/var/log"):
        if is_left(machine, path):
            info = tree.stat(path)
            # A sparse file such as lastlog is as large as its blocks.
            sizes[path] = min(info.st_size, info.st_blocks * 512)
    if boot_time(machine) is not None:
        own = tree.read_text("/etc/machine-id").strip()
        strange = [
            name for name in tree.names("/var/log/journal") if re.fullmatch("[0-9a-f]{32}", name) and name != own
        ]
        if strange:
            return failed("journal of another machine: " + ", ".join(strange), expected)
    total = sum(sizes.values())
    if total <= LOG_LIMIT:
        return passed(f"{total} bytes", expected)
    largest = sorted(sizes, key=lambda path: -sizes[path])[:4]
    return failed(f"{total} bytes, most in " + ", ".join(f"{path} ({sizes[path]})" for path in largest), expected)


CHECKS = (
    Check(
        "hygiene.private_keys",
        "no private key is in the image",
        CRITICAL,
        f"Whoever has the image has the key: replace it wherever it is used. {SEAL_AGAIN}",
        _private_keys,
    ),
    Check(
        "hygiene.proxies",
        "no proxy of the network it was made in is set",
        WARNING,
        f"Machines elsewhere cannot reach it and fail to download anything. {SEAL_AGAIN}",
        _proxies,
    ),
    Check(
        "hygiene.swap",
        "no swap area is in the image",
        WARNING,
        f"A swap area holds memory of the machine that was baked. {SEAL_AGAIN}",
        _swap,
    ),
    Check("hygiene.logs", "the logs are empty", WARNING, f"They tell how the image was made. {SEAL_AGAIN}", _logs),
)
