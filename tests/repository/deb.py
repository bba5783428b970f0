"""Write Debian packages and the index of a flat repository with nothing but Python. No Debian tool is needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

EPOCH = 1_700_000_000
"""Time stamp of everything, UNIX seconds: the same data make the same bytes."""


class Package(NamedTuple):
    """One binary package."""

    control: Mapping[str, str]  # fields in their order: Package, Version, Architecture ...
    files: Mapping[str, str]  # path without leading slash -> text
    scripts: Mapping[str, str]  # "postinst" ... -> text

    @property
    def file_name(self) -> str:
        """The usual name of the file; the epoch is no part of it."""
        version = self.control["Version"].split(":", 1)[-1]
        return f"{self.control['Package']}_{version}_{self.control['Architecture']}.deb"

    @property
    def stanza(self) -> str:
        """The control file."""
        return "".join(f"{field}: {value}\n" for field, value in self.control.items() if value)


def _tar(entries: Mapping[str, str], executable: Iterable[str] = ()) -> bytes:
    """Pack texts, with the folders above them as dpkg wants them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = sorted({str(parent) for path in entries for parent in Path(path).parents} - {"."})
        for folder in [".", *folders]:
            info = tarfile.TarInfo("./" if folder == "." else f"./{folder}/")
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, EPOCH
            tar.addfile(info)
        for path, text in sorted(entries.items()):
            data = text.encode()
            info = tarfile.TarInfo(f"./{path}")
            info.size, info.mtime = len(data), EPOCH
            info.mode = 0o755 if path in executable or "bin" in Path(path).parts else 0o644
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), 1, mtime=EPOCH)


def deb_bytes(package: Package) -> bytes:
    """Return the package as the ar archive that deb(5) describes."""
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": _tar({"control": package.stanza, **package.scripts}, package.scripts),
        "data.tar.gz": _tar(package.files),
    }
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        parts.append(f"{name:<16}{EPOCH:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts.append(data + b"\n" * (len(data) % 2))
    return b"".join(parts)


def write_packages(folder: Path, packages: Iterable[Package]) -> str:
    """Write every package into `folder` and return the text of its index."""
    stanzas = []
    for package in packages:
        data = deb_bytes(package)
        (folder / package.file_name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        stanzas.append(f"{package.stanza}Filename: ./{package.file_name}\nSize: {len(data)}\nSHA256: {digest}\n")
    return "\n".join(stanzas)


def release(folder: Path, origin: str) -> str:
    """Return the text of Release for the indices that lie in `folder`."""
    lines = [f"Origin: {origin}", "Label: gpuforge tests", "Date: Tue, 14 Nov 2023 22:13:20 GMT", "SHA256:"]
    for path in (folder / "Packages", folder / "Packages.gz"):
        data = path.read_bytes()
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path.name}")
    return "\n".join(lines) + "\n"
