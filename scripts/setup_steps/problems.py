"""Errors of the set-up, each with what to do next, and how to tell them from a failed command's output."""

from __future__ import annotations

import re
from dataclasses import dataclass


class SetupError(Exception):
    """The set-up cannot go on.

    Args:
        message: What was being done and what happened, one sentence or more.
        hint: What the reader should do now.
        output: The last lines of the command that failed, if one did.
    """

    def __init__(self, message: str, hint: str = "", output: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.output = output

    def __str__(self) -> str:
        parts = [f"setup: {self.message}"]
        if self.output:
            parts += ["  its last words:", *(f"    {line}" for line in self.output.splitlines())]
        if self.hint:
            parts += [f"  what to do: {self.hint}"]
        return "\n".join(parts)


@dataclass(frozen=True)
class Cause:
    """One known reason for a command to fail: its sign in the output, what to call it, what to do."""

    sign: str
    what: str
    hint: str


# The first match wins, so what explains more stands first: a full disk or a wrong certificate also breaks a download.
CAUSES = (
    Cause(
        r"No space left on device|ENOSPC|You don't have enough free space|not enough free (disk )?space|os error 28",
        "the disk is full",
        "free some space (a complete .venv takes about 1 GB, the system packages about 1 GB), then run it again",
    ),
    Cause(
        r"DO NOT MATCH THE HASHES|Hash mismatch|hash mismatch|Hash Sum mismatch",
        "a downloaded file is not the one that was pinned",
        "do not go on with it: a mirror or a cache gives out a different file. Try another index or mirror; "
        "if the file was replaced on purpose, pin it anew with `make requirements` and read the difference",
    ),
    Cause(
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|invalid peer certificate|UnknownIssuer",
        "the package index shows a certificate that this machine does not trust",
        "name your certificate authority's file: SSL_CERT_FILE=/path/ca.crt PIP_CERT=/path/ca.crt make …",
    ),
    Cause(
        r"Temporary failure (in name resolution|resolving)|Name or service not known|Could not resolve|dns error|"
        r"Failed to establish a new connection|Network is unreachable|Connection refused|Could not connect|"
        r"Unable to connect|[Cc]onnection timed out|operation timed out|error sending request|client error \(Connect\)|"
        r"ReadTimeout|ConnectTimeout|Failed to fetch",
        "the package index cannot be reached",
        "check the network; behind a proxy set https_proxy, for another index PIP_INDEX_URL (or pip.conf), "
        "for another archive /etc/apt/sources.list",
    ),
    Cause(
        r"ensurepip is not available|No module named '?(ensurepip|venv)|ensurepip.*non-zero exit status",
        "this Python cannot make virtual environments",
        "install its venv module (Debian and Ubuntu: apt-get install python3-venv), then run it again",
    ),
    Cause(
        r"Unable to locate package|has no installation candidate",
        "the archive does not know one of the packages",
        "run apt-get update; on Ubuntu enable the component universe (add-apt-repository universe)",
    ),
    Cause(
        r"Could not get lock|Unable to acquire the dpkg frontend lock|dpkg was interrupted",
        "another package manager is at work, or was interrupted",
        "wait for it, or finish it with: dpkg --configure -a",
    ),
    Cause(
        r"No matching distribution found|No solution found|has no wheels|no version of",
        "the package index lacks a pinned package, or has none for this machine",
        "if PIP_INDEX_URL or pip.conf names a mirror, check that it is complete",
    ),
)


def explain(doing: str, output: str, *, tail: int = 15) -> SetupError:
    """Name the cause of a failed command from its output.

    Args:
        doing: What the command was for, as in "installing the system packages".
        output: All that the command printed.
        tail: How many of its last lines the error carries.

    Returns:
        The error to raise. An unknown cause is called that, never guessed.
    """
    last = "\n".join(line for line in output.splitlines() if line.strip()).splitlines()[-tail:]
    for cause in CAUSES:
        if re.search(cause.sign, output):
            return SetupError(f"{doing} failed: {cause.what}.", cause.hint, "\n".join(last))
    return SetupError(f"{doing} failed.", "read the lines above; run it again when the cause is gone", "\n".join(last))
