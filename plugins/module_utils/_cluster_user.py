# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The user that reaches the other nodes, on this machine: account, key pair, files.

The private key is made here and never leaves. Files in the user's home are written with the user's own rights: a link
that the user put there leads nowhere the user could not write.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Dict, Iterator, List, Optional, Sequence

COMMENT = "MPI between nodes (gpuforge)"
KEY = "id_ed25519_gpuforge"
FILES = ("authorized_keys", "known_hosts", "config")


class UserError(Exception):
    """An account, key or file could not be made or removed; the message says which and why."""


@dataclass(frozen=True)
class Account:
    """The user as the system knows it."""

    name: str
    uid: int
    gid: int
    home: str

    def ssh(self, name: str = "") -> str:
        """Path of a file in the user's folder of ssh, or of that folder."""
        return os.path.join(self.home, ".ssh", name) if name else os.path.join(self.home, ".ssh")


def find(name: str) -> Optional[Account]:
    """The account, or None."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def run(argv: Sequence[str], account: Optional[Account] = None) -> str:
    """Run a program, as that account if one is given. Raises UserError with what it said."""

    def become() -> None:
        if account is not None and os.geteuid() == 0:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)

    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": account.home if account else "/"}
    try:
        done = subprocess.run(
            list(argv),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            preexec_fn=become,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError) as exc:
        raise UserError(f"{argv[0]}: {exc}") from exc
    if done.returncode != 0:
        raise UserError(f"{argv[0]} ended with {done.returncode}: {done.stdout.decode('utf-8', 'replace').strip()}")
    return done.stdout.decode("utf-8", "replace")


def create(name: str) -> Account:
    """Make the account: a home with nothing in it, no password ('*' matches none). Raises UserError."""
    argv = ["useradd", "--create-home", "--skel", "/nonexistent", "--shell", "/bin/bash"]
    run([*argv, "--comment", COMMENT, "--password", "*", "--", name])
    account = find(name)
    if account is None:
        raise UserError(f"useradd made no user {name}")
    return account


def delete(account: Account) -> List[str]:
    """Remove the account, and its home when nothing is in it. Returns what was kept. Raises UserError."""
    run(["userdel", "--", account.name])
    try:
        os.rmdir(account.home)
    except FileNotFoundError:
        return []
    except OSError:
        return [account.home]
    return []


@contextmanager
def rights_of(account: Account) -> Iterator[None]:
    """Work with the file rights of the account instead of root's."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def public_key(account: Account) -> str:
    """The cluster's public key of this node as "type base64"; empty where there is none."""
    try:
        with rights_of(account), open(account.ssh(KEY + ".pub"), encoding="ascii", errors="replace") as stream:
            fields = stream.read().split()
        private = os.path.isfile(account.ssh(KEY))
    except OSError:
        return ""
    return " ".join(fields[:2]) if private and len(fields) >= 2 else ""


def make_key(account: Account, comment: str) -> str:
    """Make the key pair and return its public half. Raises UserError."""
    try:
        with rights_of(account):
            if not os.path.isdir(account.home):
                raise UserError(f"{account.home}, the home of {account.name}, is not there")
            os.makedirs(account.ssh(), mode=0o700, exist_ok=True)
            for path in (account.ssh(KEY), account.ssh(KEY + ".pub")):
                if os.path.lexists(path):  # half a pair
                    os.unlink(path)
    except OSError as exc:
        raise UserError(f"{exc.filename}: {exc.strerror or exc}") from exc
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", account.ssh(KEY)], account)
    return public_key(account)


def read_files(account: Optional[Account]) -> Dict[str, str]:
    """The text of each of ``FILES``; empty where it is missing. Raises UserError."""
    found = dict.fromkeys(FILES, "")
    for name in FILES if account is not None else ():
        assert account is not None
        try:
            with rights_of(account), open(account.ssh(name), encoding="utf-8", errors="surrogateescape") as stream:
                found[name] = stream.read()
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise UserError(f"{account.ssh(name)}: {exc.strerror or exc}") from exc
    return found


def write_file(account: Account, name: str, text: str) -> None:
    """Replace one of ``FILES`` in one step, or remove it when nothing is to be in it. Raises UserError."""
    path = os.path.realpath(account.ssh(name))
    try:
        with rights_of(account):
            if not text:
                if os.path.lexists(account.ssh(name)):
                    os.unlink(account.ssh(name))
                return
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            temporary = path + ".gpuforge-new"
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600),
                "w",
                encoding="utf-8",
                errors="surrogateescape",
            ) as stream:
                stream.write(text)
            os.replace(temporary, path)
    except OSError as exc:
        raise UserError(f"{path}: {exc.strerror or exc}") from exc


def remove_keys(account: Account, folder_too: bool) -> None:
    """Remove the key pair, and the folder when it is ours and empty. Raises UserError."""
    try:
        with rights_of(account):
            for path in (account.ssh(KEY), account.ssh(KEY + ".pub")):
                if os.path.lexists(path):
                    os.unlink(path)
            if folder_too and os.path.isdir(account.ssh()) and not os.listdir(account.ssh()):
                os.rmdir(account.ssh())
    except OSError as exc:
        raise UserError(f"{exc.filename}: {exc.strerror or exc}") from exc
