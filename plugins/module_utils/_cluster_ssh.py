# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""One user that reaches every node of a cluster by ssh: first each node's own key, then everybody's.

The record /etc/gpuforge/cluster-ssh.json keeps what was made here and what each node said, for runs that do not reach
every node, and for taking it all away again.
"""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from . import _cluster_user as users
from ._cluster_peers import (
    Peer,
    PeerError,
    authorized_keys,
    config,
    hostfile,
    known_hosts,
    merge,
    peer_from,
    put_block,
    take_block,
)
from ._machine import Host
from ._pci import read_pci
from ._sysfs import Tree

RECORD = "/etc/gpuforge/cluster-ssh.json"
_VERSION = 1


@dataclass
class Record:
    """What is set up here. ``made_user`` and ``made_folder`` are what has to go with it."""

    user: str = ""
    made_user: bool = False
    made_folder: bool = False
    hostfile: str = ""
    peers: List[Peer] = field(default_factory=list)

    def text(self) -> str:
        """As it lies on disk."""
        body = {**self.__dict__, "version": _VERSION, "peers": [peer.facts() for peer in self.peers]}
        return json.dumps(body, indent=2, sort_keys=True) + "\n"


def load(host: Host) -> Optional[Record]:
    """The record, or None. Raises PeerError when it is damaged."""
    text = host.read(RECORD)
    if text is None:
        return None
    try:
        body = json.loads(text)
        if body.pop("version") != _VERSION:
            raise ValueError("another version")
        body["peers"] = [peer_from(peer) for peer in body["peers"]]
        return Record(**body)
    except (ValueError, KeyError, TypeError) as exc:
        raise PeerError(f"{RECORD} is damaged ({exc}); remove it to start anew") from exc


def host_keys(host: Host) -> List[str]:
    """The public host keys of this machine as "type base64"."""
    found = []
    for path in sorted(glob.glob(os.path.join(host.root, "etc/ssh/ssh_host_*_key.pub"))):
        with open(path, encoding="ascii", errors="replace") as stream:
            fields = stream.read().split()
        if len(fields) >= 2:
            found.append(" ".join(fields[:2]))
    return found


def slots(root: str = "/") -> int:
    """How many processes a node takes unless the inventory says so: one a GPU, and one without any."""
    return sum(1 for device in read_pci(Tree(root)) if device.is_gpu) or 1


def wanted_files(peers: List[Peer], now: Mapping[str, str]) -> Dict[str, str]:
    """The text of each of the user's files."""
    lines = {
        "authorized_keys": authorized_keys(peers),
        "known_hosts": known_hosts(peers),
        "config": config(peers, "~/.ssh/" + users.KEY),
    }
    return {name: put_block(now[name], lines[name]) for name in users.FILES}


class Work:
    """One run of the module: what it changed, and whether it may."""

    def __init__(self, host: Host, check_mode: bool) -> None:
        self.host, self.check_mode = host, check_mode
        self.diff: List[Dict[str, str]] = []

    def note(self, path: str, before: str, after: str) -> bool:
        """Keep a difference for the result; True when it is to be carried out."""
        if before == after:
            return False
        self.diff.append({"before_header": path, "after_header": path, "before": before, "after": after})
        return not self.check_mode

    def root_file(self, path: str, text: str) -> None:
        """Bring a file of root up to date; an empty text removes it."""
        if not self.note(path, self.host.read(path) or "", text):
            return
        if text:
            self.host.write_file(path, text)
        else:
            self.host.remove(path)

    def user_files(self, account: users.Account, now: Mapping[str, str], after: Mapping[str, str]) -> None:
        """Bring the user's files up to date."""
        for name in users.FILES:
            if self.note(account.ssh(name), now[name], after[name]):
                users.write_file(account, name, after[name])


def present(host: Host, params: Mapping[str, Any], *, check_mode: bool) -> Dict[str, Any]:
    """Make the user and its key; with ``nodes``, let every node in, too. Returns the module's result.

    :raises PeerError: the inventory or a node says what cannot be.
    :raises UserError: an account, key or file could not be made.
    """
    work = Work(host, check_mode)
    record = load(host) or Record()
    kept: List[str] = []
    if record.user and record.user != params["user"]:
        kept = _take_away(work, record)
        record = Record()
    given = [peer_from(node) for node in params["nodes"] or ()]
    account = users.find(params["user"])
    if account is not None and account.uid == 0:
        raise PeerError("mpirun refuses to work as root: name another user")
    record.user, record.hostfile = params["user"], params["hostfile"]
    if account is None and work.note(f"user {params['user']}", "", "present\n"):
        record.made_user = True
        host.write_file(RECORD, record.text())  # before the user: whoever kills this run leaves nothing unknown
        account = users.create(params["user"])
    key = users.public_key(account) if account is not None else ""
    if not key and work.note("~/.ssh/" + users.KEY, "", "a new key pair\n") and account is not None:
        record.made_folder = record.made_folder or not os.path.isdir(account.ssh())
        key = users.make_key(account, f"gpuforge:{params['name']}")
    node = {
        "name": params["name"],
        "address": params["address"],
        "slots": params["slots"] or slots(host.root),
        "public_key": key,
        "host_keys": host_keys(host),
    }
    now = users.read_files(account)
    if params["nodes"] is not None:
        record.peers = merge(record.peers, given, params["names"])
        if account is not None:
            work.user_files(account, now, wanted_files(record.peers, now))
        work.root_file(params["hostfile"], hostfile(record.peers, params["hostfile"]))
    work.root_file(RECORD, record.text())
    now = users.read_files(account)
    right = wanted_files(record.peers, now) == now
    right = right and (host.read(params["hostfile"]) or "") == hostfile(record.peers, params["hostfile"])
    return {
        "changed": bool(work.diff),
        "diff": work.diff,
        "node": node if key else {},
        "peers": [peer.facts() for peer in record.peers] if right else [],
        "kept": kept,
    }


def absent(host: Host, *, check_mode: bool) -> Dict[str, Any]:
    """Take everything away that the record names. Raises as ``present``."""
    work = Work(host, check_mode)
    record = load(host)
    kept = _take_away(work, record) if record is not None else []
    return {"changed": bool(work.diff), "diff": work.diff, "node": {}, "peers": [], "kept": kept}


def _take_away(work: Work, record: Record) -> List[str]:
    account = users.find(record.user)
    kept: List[str] = []
    if account is not None:
        now = users.read_files(account)
        work.user_files(account, now, {name: take_block(text) for name, text in now.items()})
        if work.note("~/.ssh/" + users.KEY, "the cluster's key pair\n", ""):
            users.remove_keys(account, record.made_folder)
        if record.made_user and work.note(f"user {record.user}", "present\n", ""):
            kept = users.delete(account)
    if record.hostfile:
        work.root_file(record.hostfile, "")
    work.root_file(RECORD, "")
    if not work.check_mode:
        work.host.remove_folder(os.path.dirname(RECORD))
    return kept
