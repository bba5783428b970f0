"""Where the Ansible collection ``gpuforge.node`` lies: the wrapper knows only its playbooks, roles and plugins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gpuforge.errors import Refused

_MARK = "playbooks/site.yml"
_INSTALLED = "ansible_collections/gpuforge/node"


@dataclass(frozen=True, slots=True)
class Collection:
    """The collection's root folder."""

    root: Path

    @property
    def site(self) -> Path:
        """The playbook that owns the order of the layers."""
        return self.root / _MARK

    @property
    def seal(self) -> Path:
        """The playbook that generalises a tree before it becomes an image."""
        return self.root / "playbooks/seal.yml"

    def role(self, name: str) -> Path:
        """Folder of the role *name* (short name)."""
        return self.root / "roles" / name


def candidates() -> list[Path]:
    """Where the collection may be, in this order: where the user says, round this file, where Ansible looks."""
    if chosen := os.environ.get("GPUFORGE_COLLECTION"):
        return [Path(chosen)]
    checkout = Path(__file__).resolve().parents[3]
    listed = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")
    folders = [Path(item) for item in listed.split(os.pathsep) if item]
    folders += [Path.home() / ".ansible/collections", Path("/usr/share/ansible/collections")]
    return [checkout, *(folder / _INSTALLED for folder in folders)]


def find_collection() -> Collection:
    """The collection to work with. Raises Refused naming every place that was looked at."""
    tried = candidates()
    for path in tried:
        if (path / _MARK).is_file():
            return Collection(path.resolve())
    raise Refused(
        f"the collection gpuforge.node is in none of {', '.join(map(str, tried))}",
        hint="run gpuforge from a checkout, install the collection, or set GPUFORGE_COLLECTION to its folder",
    )
