# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which keys a keyring file holds: fingerprints out of its packets, so that no gpg has to be on the machine.

Only what a pinned key needs: RFC 9580 sections 4.2 (packet headers), 5.2.3 (expiry), 5.5.4 (fingerprints) and
6 (armor). Signatures are not checked here; apt does that, with the key that this module let through.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Dict, Iterator, List, Mapping, Tuple

_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_PUBLIC_KEY, _SIGNATURE = 6, 2  # RFC 9580, 5; subkeys and signatures belong to the key before them
_SELF_SIGNATURES = (0x10, 0x11, 0x12, 0x13, 0x1F)  # RFC 9580, 5.2.1: of a name, and of the key itself; not of a subkey
_MADE, _KEY_EXPIRES, _ISSUER, _ISSUER_FINGERPRINT = 2, 9, 16, 33  # RFC 9580, 5.2.3.7: what signatures say
_CRC_START, _CRC_POLYNOMIAL = 0xB704CE, 0x1864CFB  # RFC 9580, 6.1.1


class BadKey(ValueError):
    """What was given is no OpenPGP public key."""


def dearmor(data: bytes) -> bytes:
    """Return the packets of a key file, be it armored or not.

    :raises BadKey: the armor's content is no base64.
    """
    blocks = _ARMOR.findall(data)
    if not blocks:
        return data
    found = b""
    for block in blocks:
        lines = [line.strip() for line in block.splitlines()]
        try:
            found += base64.b64decode(b"".join(line for line in lines if not line.startswith(b"=")), validate=True)
        except binascii.Error as exc:
            raise BadKey("the key's armor is damaged: %s" % exc) from None
    return found


def armor(data: bytes) -> str:
    """Return packets as an armored key, the form that apt takes from a file named ``.asc``."""
    crc = _CRC_START
    for byte in data:
        crc ^= byte << 16
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= _CRC_POLYNOMIAL
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    check = base64.b64encode(crc.to_bytes(3, "big")).decode()
    block = ["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", *lines, "=" + check, "-----END PGP PUBLIC KEY BLOCK-----", ""]
    return "\n".join(block)


def fingerprints(data: bytes) -> List[str]:
    """Return the fingerprint of every primary key, in capitals, in the file's order.

    :raises BadKey: it holds no key, or is cut off or damaged.
    """
    found = [_fingerprint(body) for tag, body in _packets(dearmor(data)) if tag == _PUBLIC_KEY]
    if not found:
        raise BadKey("there is no OpenPGP public key in it")
    return found


def expiries(data: bytes) -> Dict[str, int]:
    """When each primary key expires, by fingerprint, as UNIX time; no entry for one that never does.

    What the key says of itself last counts: an owner prolongs a key by signing it anew.

    :raises BadKey: it holds no key, or is cut off or damaged.
    """
    found: Dict[str, int] = {}
    owner, born, latest = "", 0, -1
    for tag, body in _packets(dearmor(data)):
        if tag == _PUBLIC_KEY:
            owner, born, latest = _fingerprint(body), int.from_bytes(body[1:5], "big"), -1
        elif tag == _SIGNATURE and owner:
            said = _said(body)
            made = int.from_bytes(said.get(_MADE, b""), "big")
            if made > latest and _by(owner, said):
                latest = made
                lasts = int.from_bytes(said.get(_KEY_EXPIRES, b""), "big")
                found.pop(owner, None)
                if lasts:
                    found[owner] = born + lasts
    return found


def _by(owner: str, said: Mapping[int, bytes]) -> bool:
    """Whether a signature names the key itself as its issuer; others may sign it, too."""
    if _ISSUER_FINGERPRINT in said:
        return said[_ISSUER_FINGERPRINT][1:].hex().upper() == owner
    return said.get(_ISSUER, b"").hex().upper() == owner[-16:]


def _said(body: bytes) -> Dict[int, bytes]:
    """The subpackets of a self-signature, {} for another kind. Those that are not signed only name the issuer."""
    if len(body) < 8 or body[0] not in (4, 6) or body[1] not in _SELF_SIGNATURES:
        return {}
    size, at, found = (2 if body[0] == 4 else 4), 4, {}  # type: int, int, Dict[int, bytes]
    for signed in (True, False):
        end = at + size + int.from_bytes(body[at : at + size], "big")
        at += size
        while at < min(end, len(body)):
            first = body[at]
            if first < 192:
                start, length = at + 1, first
            elif first < 255:
                start, length = at + 2, ((first - 192) << 8) + int.from_bytes(body[at + 1 : at + 2], "big") + 192
            else:
                start, length = at + 5, int.from_bytes(body[at + 1 : at + 5], "big")
            kind = int.from_bytes(body[start : start + 1], "big") & 0x7F
            if length and (signed or kind == _ISSUER):
                found.setdefault(kind, body[start + 1 : start + length])
            at = start + max(length, 1)
        at = end
    return found


def _fingerprint(body: bytes) -> str:
    version = body[0] if body else 0
    if version == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    if version == 6:
        return hashlib.sha256(b"\x9b" + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    raise BadKey("a key of version %d, which apt does not take either" % version)


def _packets(data: bytes) -> Iterator[Tuple[int, bytes]]:
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise BadKey("this is no OpenPGP key")
        tag, at, length = _header(data, at, head)
        if at + length > len(data):
            raise BadKey("the key is cut off")
        yield tag, data[at : at + length]
        at += length


def _header(data: bytes, at: int, head: int) -> Tuple[int, int, int]:
    """Return a packet's tag, where its body starts, and how long that is."""
    try:
        if not head & 0x40:
            size = (1, 2, 4, 0)[head & 3]
            if not size:
                raise BadKey("a packet without a length, which keys do not have")
            return (head >> 2) & 15, at + 1 + size, int.from_bytes(data[at + 1 : at + 1 + size], "big")
        first = data[at + 1]
        if first < 192:
            return head & 63, at + 2, first
        if first < 224:
            return head & 63, at + 3, ((first - 192) << 8) + data[at + 2] + 192
        if first == 255:
            return head & 63, at + 6, int.from_bytes(data[at + 2 : at + 6], "big")
    except IndexError:
        raise BadKey("the key is cut off") from None
    raise BadKey("a packet in parts, which keys do not have")
