# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What apt and dpkg say when they fail, put into what it means and what to do. Text in, text out: nothing is run."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

_HELD = re.compile(r"Could not get lock (?P<path>\S+?)\. It is held by process (?P<pid>\d+) \((?P<name>[^)]*)\)")
_HELD_UNNAMED = re.compile(r"Could not get lock (?P<path>\S+) - open")
_HELD_DPKG = re.compile(r"dpkg: error: .* lock was locked by (?P<name>\S+) process with pid (?P<pid>\d+)")
_HELD_DPKG_OLD = re.compile(r"dpkg: error: .* lock(?:ed)? .*by another process")


class Meaning(NamedTuple):
    """``known_by``: a pattern of apt's lines; ``words``: what that means, and what to do."""

    known_by: str
    words: str


#: The first that fits is said.
_MEANINGS = (
    Meaning(
        r"EXPKEYSIG|KEYEXPIRED|[Ee]xpired",
        "the key that signs the repository has expired. Its owner has a newer one: get it, compare its fingerprint "
        "with another source than the repository, and name both",
    ),
    Meaning(
        r"NO_PUBKEY|Missing key|REVKEYSIG|BADSIG|signatures were invalid|OpenPGP signature verification failed",
        "the repository is not signed by the key that is named for it, so nothing was taken from it. A mirror signs "
        "with its owner's key, or with one of its own: name that key and its fingerprint",
    ),
    Meaning(
        r"Hash Sum mismatch|has unexpected size|Hashes of received file|Mirror sync in progress",
        "what came is not what the repository's signed list says: a download cut short, a proxy with an old copy, or a "
        "mirror that is being renewed. Nothing of it was used. Run this again in a while; if it stays so, "
        "`apt-get clean`, and look at the proxy or the mirror",
    ),
    Meaning(
        r"No space left on device|don't have enough free space",
        "the disk is full. `df -h / /boot /var` says which; old kernels go with `apt-get autoremove --purge`",
    ),
    Meaning(
        r"does not have a Release file|no longer signed",
        "there is no signed repository at its address",
    ),
    Meaning(
        r"Could not (?:resolve|connect)|Temporary failure resolving|Connection (?:refused|timed out|failed)|"
        r"Unable to connect|Failed to fetch|404 +Not Found|File not found",
        "the repository was not reached, or lacks a file that it lists. Try its address with curl on the node; behind "
        "a proxy set http_proxy in the task's environment, without network name a mirror",
    ),
    Meaning(
        r"Held packages were changed",
        "somebody has put packages on hold: `apt-mark showhold` names them, `apt-mark unhold` lets them go",
    ),
)


class Lock(NamedTuple):
    """A lock that another program has: ``who`` is its name and process, as far as apt or dpkg tell."""

    path: str
    who: str


def lock_of(text: str) -> Optional[Lock]:
    """The lock that the program whose output this is did not get, None when it failed for another reason."""
    found = _HELD.search(text)
    if found:
        return Lock(found.group("path"), "%s (process %s)" % (found.group("name"), found.group("pid")))
    found = _HELD_DPKG.search(text)
    if found:
        name = found.group("name").rpartition("/")
        return Lock("dpkg's lock", ("%s (process %s)" if name[1] else "%s process %s") % (name[2], found.group("pid")))
    found = _HELD_UNNAMED.search(text)
    if found:
        return Lock(found.group("path"), "another program")
    return Lock("dpkg's lock", "another program") if _HELD_DPKG_OLD.search(text) else None


def meaning(text: str) -> str:
    """What it means and what to do, "" where apt's own words have to do."""
    return next((one.words for one in _MEANINGS if re.search(one.known_by, text)), "")
