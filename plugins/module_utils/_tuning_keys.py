"""What is known about single sysctl keys: kind, range, module, and the document that says so.

The table is no list of permitted keys: a key it doesn't hold is allowed, only unchecked. Ranges are those the kernel
documents or enforces; the kernel has the last word, because every value is read back.
"""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from typing import Dict, Iterable, List, Optional

from ._tuning_key import Key
from ._tuning_keys_kernel import KEYS as _KERNEL_KEYS
from ._tuning_keys_net import KEYS as _NET_KEYS

_TABLE: Dict[str, Key] = {**_KERNEL_KEYS, **_NET_KEYS}


def normalise(key: str) -> str:
    """A key with dots between its parts; a dot inside a part (``eth0.100``) becomes a slash, as sysctl(8) writes it.

    ``net/ipv4/conf/eth0.100/mtu`` and ``net.ipv4.conf.eth0/100.mtu`` are one key.
    """
    key = key.strip()
    if key.startswith("/proc/sys/"):
        key = key[len("/proc/sys/") :]
    for sign in key:
        if sign == ".":
            return key
        if sign == "/":
            return key.replace("/", "\0").replace(".", "/").replace("\0", ".")
    return key


def proc_path(key: str) -> str:
    """The file below ``/proc/sys`` of a normalised key."""
    return "/proc/sys/" + key.replace("/", "\0").replace(".", "/").replace("\0", ".")


def lookup(key: str) -> Optional[Key]:
    """What is known of the key, through patterns for per-interface keys; None when nothing is."""
    table = known()
    found = table.get(key)
    if found is not None:
        return found
    for pattern, entry in table.items():
        if "*" in pattern and key.count(".") == pattern.count(".") and fnmatchcase(key, pattern):
            return entry
    return None


def known() -> Dict[str, Key]:
    """The whole table."""
    return _TABLE


def near(word: str, words: Iterable[str], cutoff: float = 0.75) -> str:
    """The most similar of ``words``, or an empty text."""
    found = difflib.get_close_matches(word, list(words), n=1, cutoff=cutoff)
    return found[0] if found else ""


def misspelt(key: str) -> str:
    """The known key this one is most likely a slip of, or an empty text.

    Only a slip in one part counts: ``vm.swapiness`` is one, ``net.ipv6.conf.all.x`` beside ``net.ipv4…`` is not.
    """
    if lookup(key) is not None:
        return ""
    parts = key.split(".")
    candidates: List[str] = []
    for name in known():
        other = name.split(".")
        if len(other) != len(parts):
            continue
        differing = [place for place in range(len(parts)) if parts[place] != other[place] and other[place] != "*"]
        if len(differing) == 1 and _slip(parts[differing[0]], other[differing[0]], 0.8 if differing == [0] else 0.86):
            candidates.append(name)
    return near(key, candidates, 0.5)


def _slip(written: str, meant: str, least: float) -> bool:
    """True if the words are alike, and differ in more than a number at the end."""
    if written.rstrip("0123456789") == meant.rstrip("0123456789"):
        return False
    return difflib.SequenceMatcher(None, written, meant).ratio() >= least


def check_value(entry: Key, value: str) -> str:
    """Why ``value`` can't be this key's value, or an empty text."""
    if entry.kind in ("readonly", "action", "gone", "pages"):
        return entry.hint
    if entry.kind == "text":
        return "" if value else "must not be empty"
    if entry.kind == "name":
        return _check_name(entry, value)
    return _check_numbers(entry, value.split())


def _check_name(entry: Key, value: str) -> str:
    if value in entry.names:
        return ""
    if not value or not value.replace("_", "").replace("-", "").isalnum():
        return "must be one word such as %s" % entry.names[0]
    close = near(value, entry.names, 0.5)
    # A word that resembles no known one may be a module of the user's own: the kernel decides.
    return "unknown name %r; did you mean %r?" % (value, close) if close else ""


def _check_numbers(entry: Key, words: List[str]) -> str:
    if len(words) != entry.count:
        return "needs %d number%s, not %d" % (entry.count, "" if entry.count == 1 else "s", len(words))
    numbers: List[int] = []
    for word in words:
        try:
            numbers.append(int(word, 10))
        except ValueError:
            return "%r is not a whole number" % word
    for number in numbers:
        if not entry.low <= number <= entry.high:
            return "%d is outside %d to %d" % (number, entry.low, entry.high)
    if entry.rising and numbers != sorted(numbers):
        return "the numbers must not fall from left to right"
    return ""


def module_of(key: str, value: str) -> str:
    """The kernel module a wanted value needs, or an empty text (built in, or loaded by the kernel itself)."""
    if key == "net.ipv4.tcp_congestion_control" and value not in ("reno", "cubic"):
        return "tcp_" + value
    entry = lookup(key)
    return entry.module if entry is not None else ""
