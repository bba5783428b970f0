"""Ssh between nodes: what a node says is not trusted, what a person wrote stays, what was made goes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _cluster_ssh as cluster
from ansible_collections.gpuforge.node.plugins.module_utils import _cluster_user as users
from ansible_collections.gpuforge.node.plugins.module_utils._cluster_peers import (
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
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"
RAW = {"name": "gpu-01", "address": "192.0.2.11", "slots": 8, "public_key": KEY, "host_keys": [KEY + "Zz=="]}
ONE = peer_from(RAW)
TWO = peer_from({**RAW, "name": "gpu-02", "address": "192.0.2.12", "slots": 2})
NEEDS_SSH_KEYGEN = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="openssh-client is not installed")


@pytest.mark.parametrize(
    "words",
    [
        {"name": "gpu 01"},
        {"name": "gpu-01\nroot"},
        {"name": "-oProxyCommand=x"},
        {"address": "a,b"},
        {"address": "*"},
        {"address": ""},
        {"slots": 0},
        {"slots": "8"},
        {"slots": True},
        {"public_key": KEY + "\nssh-ed25519 AAAA"},
        {"public_key": 'command="x" ' + KEY},
        {"public_key": ""},
        {"host_keys": []},
        {"host_keys": [KEY, "@cert-authority * " + KEY]},
    ],
)
def test_words_that_would_write_more_than_a_line_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(PeerError):
        peer_from({**RAW, **words})


def test_every_reason_is_told_at_once() -> None:
    with pytest.raises(PeerError, match=r"no address.*no number of slots.*public key.*host keys"):
        peer_from({"name": "gpu-01"})


def test_lines() -> None:
    assert authorized_keys([ONE]) == [f"restrict,pty {KEY} gpuforge:gpu-01"]
    assert known_hosts([ONE]) == [f"192.0.2.11,gpu-01 {KEY}Zz== gpuforge:gpu-01"]
    assert known_hosts([ONE._replace(address="gpu-01")])[0].startswith("gpu-01 ssh-")
    assert config([ONE], "~/.ssh/k") == [
        "Host gpu-01 192.0.2.11",
        "  HostName 192.0.2.11",
        "  IdentityFile ~/.ssh/k",
        "Match all",
    ]
    assert hostfile([ONE, TWO], "/h").splitlines()[1:] == ["192.0.2.11 slots=8", "192.0.2.12 slots=2"]


def test_a_limited_run_forgets_nobody_and_the_inventory_decides() -> None:
    assert merge([ONE, TWO], [ONE._replace(slots=4)], ["gpu-02", "gpu-01", "gpu-03"]) == [TWO, ONE._replace(slots=4)]
    assert merge([ONE, TWO], [], ["gpu-02"]) == [TWO]
    with pytest.raises(PeerError, match=r"gpu-01 and gpu-02 both have the address 192\.0\.2\.11"):
        merge([ONE], [TWO._replace(address=ONE.address)], ["gpu-01", "gpu-02"])


def test_blocks_leave_the_lines_of_others() -> None:
    text = put_block("mine", ["ours"])
    assert text == "mine\n# BEGIN gpuforge cluster\nours\n# END gpuforge cluster\n"
    assert put_block(text + "later\n", ["ours"]).startswith("mine\nlater\n# BEGIN")
    assert put_block(text, []) == take_block(text) == "mine\n"
    with pytest.raises(PeerError, match="END"):
        take_block("# BEGIN gpuforge cluster\nours\n")


#: Whose rights the files in the home are written with.
UID = 65534 if os.geteuid() == 0 else os.geteuid()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A tree with host keys, where useradd makes a home below it."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        root.chmod(0o755)
        home = root / "home/mpi"
        account = users.Account("mpi", UID, os.getegid(), str(home))
        (root / "etc/ssh").mkdir(parents=True)
        (root / "etc/ssh/ssh_host_ed25519_key.pub").write_text(KEY + " root@gpu-01\n")
        monkeypatch.setattr(users, "find", lambda _name: account if home.is_dir() else None)
        monkeypatch.setattr(users, "create", lambda _name: make_home(home) and account)
        monkeypatch.setattr(users, "run", lambda argv, *who: "" if argv[0] == "userdel" else original(argv, *who))
        monkeypatch.setattr(cluster, "slots", lambda _root: 1)
        yield Host(str(root))


def make_home(home: Path, *files: str) -> Path:
    home.mkdir(parents=True)
    made = [home]
    for file in files:
        (home / file).parent.mkdir(exist_ok=True, mode=0o700)
        (home / file).write_text(KEY + " me\n")
        made += [(home / file).parent, home / file]
    for path in made:
        os.chown(path, UID, -1)
    return home


original = users.run
OPTIONS = {"user": "mpi", "name": "gpu-01", "address": "192.0.2.11", "slots": 0, "names": ["gpu-01", "gpu-02"]}
OPTIONS |= {"nodes": None, "hostfile": "/etc/gpuforge/hostfile"}


def both(host: Host, **changed: Any) -> dict[str, Any]:
    """The two calls of a whole run."""
    first = cluster.present(host, OPTIONS, check_mode=False)
    return cluster.present(host, {**OPTIONS, "nodes": [first["node"], TWO.facts()], **changed}, check_mode=False)


@NEEDS_SSH_KEYGEN
def test_it_comes_once_and_goes_without_a_trace(machine: Host) -> None:
    before = sorted(Path(machine.root).rglob("*"))
    dry = cluster.present(machine, OPTIONS, check_mode=True)
    assert (dry["changed"], dry["node"]) == (True, {})
    assert sorted(Path(machine.root).rglob("*")) == before
    assert both(machine)["changed"]
    again = cluster.present(machine, OPTIONS, check_mode=False)
    assert (again["changed"], [peer["name"] for peer in again["peers"]]) == (False, ["gpu-01", "gpu-02"])
    assert both(machine)["changed"] is False
    assert "slots=2" in (machine.read("/etc/gpuforge/hostfile") or "")
    assert (Path(machine.root) / "home/mpi/.ssh/id_ed25519_gpuforge").stat().st_mode & 0o777 == 0o600
    assert cluster.absent(machine, check_mode=True)["changed"]
    assert cluster.absent(machine, check_mode=False)["kept"] == []
    assert [path for path in sorted(Path(machine.root).rglob("*")) if path.name != "home"] == before
    assert not cluster.absent(machine, check_mode=False)["changed"]


@NEEDS_SSH_KEYGEN
def test_what_a_person_has_there_stays(machine: Host) -> None:
    ssh = make_home(Path(machine.root) / "home/mpi", ".ssh/authorized_keys", ".ssh/id_ed25519") / ".ssh"
    both(machine)
    assert (ssh / "authorized_keys").read_text().startswith(KEY + " me\n# BEGIN")
    drifted = (ssh / "known_hosts").read_text().replace("192.0.2.12", "192.0.2.99")
    (ssh / "known_hosts").write_text(drifted)
    assert cluster.present(machine, OPTIONS, check_mode=False)["peers"] == []  # so the second call is made
    assert both(machine)["changed"]
    cluster.absent(machine, check_mode=False)
    assert sorted(path.name for path in ssh.iterdir()) == ["authorized_keys", "id_ed25519"]
    assert (ssh / "authorized_keys").read_text() == KEY + " me\n"


def test_a_link_in_the_home_leads_nowhere_that_the_user_may_not_write(machine: Host) -> None:
    if os.geteuid() == UID:
        pytest.skip("the account has the rights of whoever runs this")
    target = Path(machine.root) / "etc/ssh/ssh_host_ed25519_key.pub"
    ssh = make_home(Path(machine.root) / "home/mpi", ".ssh/x") / ".ssh"
    (ssh / "known_hosts").symlink_to(target)
    with pytest.raises(users.UserError, match="Permission denied"):
        both(machine)
    assert target.read_text() == KEY + " root@gpu-01\n"


def test_root_is_refused(machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "find", lambda _name: users.Account("root", 0, 0, machine.root))
    with pytest.raises(PeerError, match="as root"):
        cluster.present(machine, OPTIONS, check_mode=False)


def test_a_damaged_record_is_told(machine: Host) -> None:
    machine.write_file(cluster.RECORD, "{}")
    with pytest.raises(PeerError, match="remove it to start anew"):
        cluster.absent(machine, check_mode=False)
