# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The nodes of a cluster that one user reaches by ssh, and the lines that say so in the user's files.

What a node says about itself comes from that node: it is checked before a line is made of it, so that no node can
write anything but its own key and name into the files of the others.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

BEGIN = "# BEGIN gpuforge cluster"
END = "# END gpuforge cluster"
HOSTFILE_HEAD = "# Written by gpuforge (role multinode) from the inventory. Use: mpirun --hostfile {path} ...\n"

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$")
_KEY = re.compile(r"^[a-z0-9][a-z0-9@.-]* [A-Za-z0-9+/]+={0,3}$")
#: What a login by these keys may do: run programs, with a terminal; no forwarding of ports, X11 or an agent (sshd(8)).
_OPTIONS = "restrict,pty"


class PeerError(Exception):
    """What the inventory or a node says cannot be written to ssh's files; the message has every reason."""


class Peer(NamedTuple):
    """One node. ``address`` is what the others call; ``host_keys`` and ``public_key`` are "type base64"."""

    name: str
    address: str
    slots: int
    public_key: str
    host_keys: Tuple[str, ...]

    def facts(self) -> Dict[str, Any]:
        """As the module returns it and the record keeps it."""
        return {**self._asdict(), "host_keys": list(self.host_keys)}


def peer_from(raw: Mapping[str, Any]) -> Peer:
    """Check one node's words.

    :raises PeerError: they are not what ssh's files can hold; all reasons at once.
    """
    name, address = str(raw.get("name") or ""), str(raw.get("address") or "")
    key, host_keys = str(raw.get("public_key") or ""), [str(item) for item in raw.get("host_keys") or ()]
    slots = raw.get("slots")
    problems = []
    if not _NAME.match(name):
        problems.append(f"{name!r} is no name of a node")
    if not _NAME.match(address):
        problems.append(f"{name}: {address!r} is no address of a node")
    if not isinstance(slots, int) or isinstance(slots, bool) or not 1 <= slots <= 4096:
        problems.append(f"{name}: {slots!r} is no number of slots")
    if not _KEY.match(key):
        problems.append(f"{name}: its public key is not one")
    if not host_keys or not all(_KEY.match(item) for item in host_keys):
        problems.append(f"{name}: it has no host keys, or they are not such")
    if problems:
        raise PeerError("; ".join(problems))
    return Peer(name, address, int(slots or 0), key, tuple(host_keys))


def merge(recorded: Sequence[Peer], given: Sequence[Peer], names: Sequence[str]) -> List[Peer]:
    """Return the cluster's nodes in the order of *names*: what each says now, else what it said before.

    A run that is limited to some hosts so neither forgets the others nor invents them.

    :raises PeerError: two nodes have one address.
    """
    known = {**{peer.name: peer for peer in recorded}, **{peer.name: peer for peer in given}}
    peers = [known[name] for name in dict.fromkeys(names) if name in known]
    taken: Dict[str, str] = {}
    for peer in peers:
        if peer.address in taken:
            raise PeerError(f"{taken[peer.address]} and {peer.name} both have the address {peer.address}")
        taken[peer.address] = peer.name
    return peers


def authorized_keys(peers: Sequence[Peer]) -> List[str]:
    """Lines of the user's authorized_keys."""
    return [f"{_OPTIONS} {peer.public_key} gpuforge:{peer.name}" for peer in peers]


def known_hosts(peers: Sequence[Peer]) -> List[str]:
    """Lines of the user's known_hosts, for the address and the inventory's name of each node."""
    return [
        f"{','.join(dict.fromkeys((peer.address, peer.name)))} {key} gpuforge:{peer.name}"
        for peer in peers
        for key in peer.host_keys
    ]


def config(peers: Sequence[Peer], identity: str) -> List[str]:
    """Lines of the user's ssh configuration: the inventory's name reaches the node, with the cluster's key."""
    lines: List[str] = []
    for peer in peers:
        names = " ".join(dict.fromkeys((peer.name, peer.address)))
        lines += [f"Host {names}", f"  HostName {peer.address}", f"  IdentityFile {identity}"]
    # Ends the last section: what follows in the file is for every host again.
    return [*lines, "Match all"] if lines else []


def hostfile(peers: Sequence[Peer], path: str) -> str:
    """The text of Open MPI's hostfile, in the inventory's order."""
    return HOSTFILE_HEAD.format(path=path) + "".join(f"{peer.address} slots={peer.slots}\n" for peer in peers)


def put_block(text: str, lines: Sequence[str]) -> str:
    """Return a file's text with our lines as its last part; without a block when there are none."""
    own = take_block(text)
    if not lines:
        return own
    if own and not own.endswith("\n"):
        own += "\n"
    return own + "\n".join([BEGIN, *lines, END]) + "\n"


def take_block(text: str) -> str:
    """Return a file's text without our block.

    :raises PeerError: the block has no end.
    """
    kept: List[str] = []
    inside = False
    for line in text.splitlines(keepends=True):
        if line.rstrip("\n") == BEGIN:
            inside = True
        elif inside:
            inside = line.rstrip("\n") != END
        else:
            kept.append(line)
    if inside:
        raise PeerError(f"the line {END!r} is missing: put it back below gpuforge's lines")
    return "".join(kept)
