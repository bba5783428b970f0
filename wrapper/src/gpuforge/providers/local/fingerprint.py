"""What a folder of the store looked like when it was finished, in one digest.

The digest covers every entry's path, type, mode, owner, size, modification time, device number and link target, but
not the bytes of the files: reading them all would take longer than the bake that it is to save. It finds files that are
missing, added, truncated, touched or edited with any tool that does not forge the modification time.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Digest of a tree's metadata (hex SHA-256), the bytes its regular files hold and the number of its entries."""

    digest: str
    bytes: int
    entries: int


def fingerprint(tree: Path) -> Fingerprint:
    """Return the fingerprint of everything below *tree*; the folder itself counts by nothing. Raises OSError."""
    digest = hashlib.sha256()
    size = entries = 0
    pending = [(b"", os.fsencode(tree))]
    while pending:
        prefix, folder = pending.pop()
        with os.scandir(folder) as listing:
            children = sorted(listing, key=lambda entry: entry.name)
        for entry in children:
            info = entry.stat(follow_symlinks=False)
            path = prefix + b"/" + entry.name
            target = b""
            if stat.S_ISDIR(info.st_mode):
                pending.append((path, entry.path))
            elif stat.S_ISLNK(info.st_mode):
                target = os.fsencode(Path(os.fsdecode(entry.path)).readlink())
            elif stat.S_ISREG(info.st_mode):
                size += info.st_size
            # A folder's own size and time depend on the file system and on removed names: they say nothing.
            length, changed = (0, 0) if stat.S_ISDIR(info.st_mode) else (info.st_size, info.st_mtime_ns)
            line = f"\0{info.st_mode:o} {info.st_uid} {info.st_gid} {length} {changed} {info.st_rdev}\0"
            digest.update(path + line.encode() + target + b"\n")
            entries += 1
    return Fingerprint(digest.hexdigest(), size, entries)
