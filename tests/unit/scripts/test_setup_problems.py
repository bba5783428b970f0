"""A failed command of the set-up is explained by its output, and never guessed at."""

from __future__ import annotations

import pytest

from setup_steps.problems import SetupError, explain

#: What the tools really print, beside the words that the reader must find.
SEEN = [
    ("Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
    ("error: Failed to install: x.whl\n  Caused by: No space left on device (os error 28)", "the disk is full"),
    ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one that was pinned"),
    ("  × Failed to read `rich==15.0.0`\n  ╰─▶ Hash mismatch for `rich==15.0.0`", "not the one that was pinned"),
    ("E: Failed to fetch http://x/p.deb  Hash Sum mismatch", "not the one that was pinned"),
    (
        "error sending request\n  invalid peer certificate: UnknownIssuer",
        "certificate that this machine does not trust",
    ),
    ("SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "certificate that this machine does not trust"),
    ("W: Failed to fetch http://x/  Temporary failure resolving 'x'", "cannot be reached"),
    ("NewConnectionError: Failed to establish a new connection: [Errno -3]", "cannot be reached"),
    ("error sending request for url (x)\n  dns error: failed to lookup address information", "cannot be reached"),
    (
        "The virtual environment was not created successfully because ensurepip is not available.",
        "virtual environments",
    ),
    ("E: Unable to locate package mmdebstrap", "does not know one of the packages"),
    ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7", "another package manager"),
    ("ERROR: No matching distribution found for uv==0.13.9", "lacks a pinned package"),
]


@pytest.mark.parametrize(("output", "words"), SEEN)
def test_known_causes(output: str, words: str) -> None:
    error = explain("installing", output)
    assert words in error.message
    assert error.hint
    assert error.output == output


def test_a_full_disk_explains_more_than_the_download_it_broke() -> None:
    output = "Failed to fetch http://x/p.deb\nE: Write error - write (28: No space left on device)"
    assert "the disk is full" in explain("installing", output).message


def test_an_unknown_cause_is_called_that() -> None:
    error = explain("installing", "\n".join(f"line {number}" for number in range(100)) + "\n\n", tail=3)
    assert error.message == "installing failed."
    assert error.output.splitlines() == ["line 97", "line 98", "line 99"]


def test_the_text_has_what_happened_its_output_and_what_to_do() -> None:
    text = str(SetupError("installing failed.", "do this", "E: x"))
    assert text.splitlines() == ["setup: installing failed.", "  its last words:", "    E: x", "  what to do: do this"]
