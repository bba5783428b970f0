# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads who signed a kernel module from the signature at the end of its file, as kmod's ``modinfo`` names it.

Layout from the kernel's sources: include/linux/module_signature.h (twelve bytes before a fixed text, the signature
before those) and scripts/sign-file.c (a PKCS#7 message in DER whose only signer is named by issuer and serial number).
Whether the signature is right is the kernel's to judge, when it loads the module.
"""

from __future__ import annotations

import struct
from typing import List, NamedTuple, Optional, Tuple

_MAGIC = b"~Module signature appended~\n"
_TRAILER = struct.Struct(">BBBBB3xI")
_PKCS7 = 2  # PKEY_ID_PKCS7, the only kind since Linux 4.3
_SEQUENCE, _SET, _INTEGER, _OID, _CONTEXT_0 = 0x30, 0x31, 0x02, 0x06, 0xA0
_COMMON_NAME = bytes((0x55, 0x04, 0x03))  # 2.5.4.3


class Signature(NamedTuple):
    """Whose key signed: the common name of the certificate, and its serial number as ``modinfo -F sig_key`` has it."""

    signer: str
    serial: str


class SignatureError(Exception):
    """There is a signature, and it cannot be understood; the message says why."""


_Item = Tuple[int, bytes]  # tag and content of one DER element


def _items(data: bytes) -> List[_Item]:
    """The elements that ``data`` is a row of. Raises SignatureError."""
    found: List[_Item] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise SignatureError("a DER element without a length")
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise SignatureError("a DER element longer than its message")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _first(data: bytes, tag: int, what: str) -> bytes:
    for found, content in _items(data):
        if found == tag:
            return content
    raise SignatureError("no %s in it" % what)


def common_name(name: bytes) -> str:
    """The common name in the content of a DER Name, "" where it has none. Raises SignatureError."""
    for _tag, group in _items(name):
        for _inner, attribute in _items(group):
            parts = _items(attribute)
            if len(parts) == 2 and parts[0] == (_OID, _COMMON_NAME):
                return parts[1][1].decode("utf-8", "replace")
    return ""


def serial_text(number: bytes) -> str:
    """A serial number as kmod prints it: bytes in hexadecimal between colons, without DER's leading zero."""
    return ":".join("%02X" % byte for byte in number.lstrip(b"\0") or b"\0")


def certificate_names(der: bytes) -> Signature:
    """What modules signed with the key of this X.509 certificate (DER) name as their signer. Raises SignatureError."""
    outer = _first(der, _SEQUENCE, "certificate")
    fields = [item for item in _items(_first(outer, _SEQUENCE, "certificate's content")) if item[0] != _CONTEXT_0]
    # serial number, algorithm, issuer, validity, subject, …
    if len(fields) < 3 or fields[0][0] != _INTEGER or fields[2][0] != _SEQUENCE:
        raise SignatureError("not an X.509 certificate")
    return Signature(common_name(fields[2][1]), serial_text(fields[0][1]))


def read_signature(blob: bytes) -> Optional[Signature]:
    """Who signed the module ``blob`` (unpacked); None when nobody did. Raises SignatureError."""
    if not blob.endswith(_MAGIC):
        return None
    end = len(blob) - len(_MAGIC) - _TRAILER.size
    if end < 0:
        raise SignatureError("the signature is cut short")
    kind, length = _TRAILER.unpack_from(blob, end)[2], _TRAILER.unpack_from(blob, end)[5]
    if kind != _PKCS7 or length > end:
        raise SignatureError("a signature of kind %d with %d bytes" % (kind, length))
    message = _first(blob[end - length : end], _SEQUENCE, "message")
    signed = _first(_first(message, _CONTEXT_0, "signed data"), _SEQUENCE, "signed data")
    signers = [content for tag, content in _items(signed) if tag == _SET][-1:]  # the first set names algorithms
    identity = _first(
        _first(signers[0] if signers else b"", _SEQUENCE, "signer"), _SEQUENCE, "issuer and serial number"
    )
    parts = _items(identity)
    if len(parts) < 2 or parts[1][0] != _INTEGER:
        raise SignatureError("a signer without serial number")
    return Signature(common_name(parts[0][1]), serial_text(parts[1][1]))
