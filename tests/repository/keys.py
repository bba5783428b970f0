"""Keys that sign the test repository, made for it alone, and the signing itself. Needs gpg."""

from __future__ import annotations

import subprocess
from pathlib import Path

KINDS = {
    # name: (gpg's algorithm, options when the key is made and used)
    "new": ("ed25519", ()),
    # A binding signature with SHA-1, as that of NVIDIA's first key: Debian 12 takes it, Debian 13 does not any more.
    "old": ("rsa2048", ("--cert-digest-algo", "SHA1")),
    "expired": ("ed25519", ("--faked-system-time", "20240101T000000!")),
    "foreign": ("ed25519", ()),
}


def _gpg(home: Path, *argv: str, stdin: bytes | None = None) -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--passphrase", ""]
    command += ["--pinentry-mode", "loopback", *argv]
    return subprocess.run(command, check=True, input=stdin, stdout=subprocess.PIPE).stdout


def make_keys(home: Path) -> None:
    """Make one key of each kind in the GnuPG folder `home`."""
    home.mkdir(mode=0o700)
    for name, (algorithm, options) in KINDS.items():
        lasts = "1d" if name == "expired" else "never"
        _gpg(home, *options, "--quick-generate-key", f"{name} key of the gpuforge tests", algorithm, "sign", lasts)


def public(home: Path, name: str) -> bytes:
    """Return the public half, armoured."""
    return _gpg(home, "--armor", "--export", f"={name} key of the gpuforge tests")


def fingerprint(home: Path, name: str) -> str:
    """Return the 40 hexadecimal digits of the key's fingerprint."""
    said = _gpg(home, "--with-colons", "--list-keys", f"={name} key of the gpuforge tests").decode()
    return next(line.split(":")[9] for line in said.splitlines() if line.startswith("fpr:"))


def clearsign(home: Path, name: str, text: str) -> bytes:
    """Return `text` as InRelease has it, signed by one of the keys."""
    who = f"={name} key of the gpuforge tests"
    return _gpg(
        home, *KINDS[name][1], "--digest-algo", "SHA512", "--local-user", who, "--clearsign", stdin=text.encode()
    )
