"""Fingerprints out of key files, and what is no key."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._openpgp import BadKey, armor, dearmor, fingerprints

# Made by gpg 2.2 for this test alone; the fingerprint is what gpg said.
KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawMHQxYJKwYBBAHaRw8BAQdA+wp+BJKHXFKF29ywl5nRYwYdOHpOgxwJTeIj
czHLs5m0DmdwdWZvcmdlIHRlc3RziJAEExYIADgWIQTO5Oj4+RsTyZnbpCplai63
+YZvCgUCawMHQwIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBlai63+YZv
Cv/8AP9/GBRUD2QpX3CeD96ag/Jhi+ljPtqPJh/hwkWN+I+V0wD8CdxH8nO9KBGg
gK9+trbZzM+YKP93mYX3Y6X/HQnS5gw=
=ccIE
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "CEE4E8F8F91B13C999DBA42A656A2EB7F9866F0A"


def test_fingerprint_of_an_armored_key_and_of_a_bare_one():
    assert fingerprints(KEY.encode()) == [FINGERPRINT]
    assert fingerprints(dearmor(KEY.encode())) == [FINGERPRINT]


def test_two_keys_in_one_file_are_two():
    assert fingerprints(KEY.encode() * 2) == [FINGERPRINT] * 2
    assert fingerprints(dearmor(KEY.encode()) * 2) == [FINGERPRINT] * 2


def test_windows_line_ends_and_headers_are_understood():
    text = KEY.replace("BLOCK-----\n\n", "BLOCK-----\nVersion: 1\n\n", 1).replace("\n", "\r\n")
    assert fingerprints(text.encode()) == [FINGERPRINT]


def test_armor_is_what_gpg_writes():
    assert armor(dearmor(KEY.encode())) == KEY


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no OpenPGP public key"),
        (b"<html>not found</html>", "no OpenPGP key"),
        (dearmor(KEY.encode())[:30], "cut off"),
        (dearmor(KEY.encode())[:1], "cut off"),
        (KEY.replace("mDME", "m!ME").encode(), "damaged"),
        (b"\x98\x01\x03", "version 3"),
        (b"\xb4\x01x", "no OpenPGP public key"),
        (b"\xc6\xe1x", "in parts"),
    ],
)
def test_what_is_no_key(data, words):
    with pytest.raises(BadKey, match=words):
        fingerprints(data)
