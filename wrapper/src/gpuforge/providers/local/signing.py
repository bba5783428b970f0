"""The builder's key that kernel modules are signed with: made once, lent to the layers that build modules.

The private key stays in the work directory's ``keys/``. A layer sees it in a folder that is no part of its tree, under
a name with the certificate's fingerprint in it: so the digest of the layer covers which key signed, and not one byte
of the key enters an image, a log, or a command line.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpuforge.errors import StoreError
from gpuforge.providers.local.store import Store

#: The role's variable that names the key, as a path in the tree.
VARIABLE: Final = "nvidia_driver_signing_key"
#: Its switch; with this value nothing is signed.
SWITCH: Final = "nvidia_driver_secure_boot"
OFF: Final = "off"
#: Where the role leaves the certificate in the tree, and its name beside the image.
CERTIFICATE: Final = "module-signing.der"
IN_TREE: Final = f"etc/gpuforge/{CERTIFICATE}"
#: The pair's folder in the work directory.
FOLDER: Final = "keys/module-signing"

_KEY: Final = "module-signing.key"
_DAYS: Final = 36500  # as DKMS makes its own: the kernel does not look at the dates of a module's certificate
_DOING: Final = "making the key that modules are signed with"
# Good for kernel modules only (the object identifier is the kernel's "module signing only", which shim honours): nobody
# can start a boot loader with it.
_REQUEST: Final = """\
[req]
distinguished_name = name
x509_extensions = usage
string_mask = utf8only
prompt = no
[name]
CN = gpuforge module signing {name}
[usage]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning,1.3.6.1.4.1.2312.16.1.2
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and its certificate (X.509, DER) in the work directory; ``name`` is what a tree knows the key as."""

    key: Path
    certificate: Path
    name: str


def wanted(roles: Mapping[str, Mapping[str, Any]], variables: Mapping[str, Any]) -> bool:
    """Whether one of *roles* (its options by name) signs modules and *variables* do not switch that off."""
    return any(VARIABLE in options for options in roles.values()) and variables.get(SWITCH) != OFF


def find_key(root: Path) -> SigningKey | None:
    """The key pair in the work directory *root*, None where there is none yet.

    Raises:
        StoreError: only one half of it is there, it cannot be read, or others than its owner can read the key.
    """
    folder = root / FOLDER
    key, certificate = folder / _KEY, folder / CERTIFICATE
    doing = "looking for the key that modules are signed with"
    try:
        if not folder.is_dir():
            return None
        fingerprint = hashlib.sha256(certificate.read_bytes()).hexdigest()
        mode = key.stat().st_mode
    except FileNotFoundError as exc:
        raise StoreError(
            f"{exc.filename} is missing", doing=doing,
            hint=f"put it back, or remove {folder}: then a new pair is made, and nodes must be made to trust that",
        ) from exc  # fmt: skip
    except PermissionError as exc:
        raise StoreError(
            f"{exc.filename} cannot be read", doing=doing, hint="run as the user who baked (root)"
        ) from exc
    if mode & 0o077:
        raise StoreError(
            f"{key} can be read by others than its owner", doing=doing,
            hint=f"chmod 0600 {key}; whoever may have read it can sign modules that your nodes load",
        )  # fmt: skip
    return SigningKey(key, certificate, f"/run/gpuforge/module-signing-{fingerprint[:16]}.key")


def make_key(store: Store) -> SigningKey:
    """The key pair of *store*, made where there is none. Raises StoreError."""
    with store.lock("signing-key"):
        if (found := find_key(store.root)) is not None:
            return found
        for left in (store.root / "keys").glob("new-*"):
            shutil.rmtree(left)  # of a run that was killed
        _make(store.root)
    made = find_key(store.root)
    assert made is not None
    return made


def _make(root: Path) -> None:
    folder = root / "keys" / f"new-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        argv = ["openssl", "req", "-new", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", str(_DAYS)]
        argv += ["-config", "/dev/stdin", "-keyout", str(folder / _KEY), "-outform", "DER"]
        done = subprocess.run(
            [*argv, "-out", str(folder / CERTIFICATE)], input=_REQUEST.format(name=secrets.token_hex(4)), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise StoreError(f"openssl ended with {done.returncode}: {done.stderr.strip()[-300:]}", doing=_DOING)
        (folder / _KEY).chmod(0o600)
        folder.rename(root / FOLDER)  # both halves, or none
    except OSError as exc:
        raise StoreError(f"{exc.filename}: {exc.strerror}", doing=_DOING) from exc
    finally:
        if folder.exists():
            shutil.rmtree(folder)


def lend(job: Mapping[str, Any], root: Path) -> None:
    """Put the pair that *job* names where the tree mounted at *root* sees it: below /run, a file system of its own."""
    if (lent := job.get("signing")) is None:
        return
    target = root / str(lent["name"]).lstrip("/")
    for source, place in ((lent["key"], target), (lent["certificate"], target.with_suffix(".der"))):
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Path(source).read_bytes())
