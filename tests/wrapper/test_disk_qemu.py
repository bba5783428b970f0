# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""QEMU's command line, the seed of the first boot, and a guest that is gone whatever happens to its caller."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpuforge.errors import GpuforgeError, ToolMissing
from gpuforge.providers.local import kvm, qemu, seed
from gpuforge.providers.local.qemu import Machine, qemu_argv

AWKWARD = Path("/w/a b, ä=1")
BIOS = Machine("bios", "tcg", 2048, 2, AWKWARD / "o.qcow2", AWKWARD / "s.img", "boot-bios.log")
SECURE = Machine(
    "uefi-secure", "kvm", 1024, 4, AWKWARD / "o.qcow2", AWKWARD / "s.img", "boot-uefi-secure.log",
    AWKWARD / "code.fd", AWKWARD / "vars.fd",
)  # fmt: skip


def _nodes(argv: list[str]) -> dict[str, dict[str, object]]:
    nodes = [json.loads(value) for flag, value in itertools.pairwise(argv) if flag == "-blockdev"]
    return {str(node["node-name"]): node for node in nodes}


def _value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_names_with_blanks_commas_and_umlauts_are_never_part_of_an_option_list() -> None:
    argv = qemu_argv(SECURE)
    nodes = _nodes(argv)
    assert {name: node["file"]["filename"] for name, node in nodes.items()} == {  # type: ignore[index]
        "disk": "/w/a b, ä=1/o.qcow2", "seed": "/w/a b, ä=1/s.img",
        "code": "/w/a b, ä=1/code.fd", "variables": "/w/a b, ä=1/vars.fd",
    }  # fmt: skip
    assert [name for name, node in nodes.items() if not node["read-only"]] == ["variables", "disk"]
    others = [value for flag, value in itertools.pairwise(argv) if flag != "-blockdev"]
    assert not [value for value in others if "/w/" in value and not value.startswith("{")]


def test_nothing_listens_beyond_loopback_and_the_guest_reaches_nobody() -> None:
    netdev = _value(qemu_argv(BIOS), "-netdev")
    assert "restrict=on" in netdev
    assert "hostfwd=tcp:127.0.0.1:0-:22" in netdev
    assert netdev.count("hostfwd") == 1


def test_firmware_and_accelerator_are_as_asked() -> None:
    bios, secure = qemu_argv(BIOS), qemu_argv(SECURE)
    assert _value(bios, "-machine") == "q35,graphics=off"
    assert (_value(bios, "-accel"), _value(bios, "-cpu")) == ("tcg,thread=multi", "max,la57=off")
    assert _value(secure, "-machine") == "q35,graphics=off,pflash0=code,pflash1=variables,smm=on"
    assert (_value(secure, "-accel"), _value(secure, "-cpu")) == ("kvm", "host")
    assert "driver=cfi.pflash01,property=secure,value=on" in secure


def test_ovmf_is_taken_as_a_pair_and_its_absence_told(tmp_path: Path) -> None:
    assert qemu.ovmf_files("bios", tmp_path) is None
    (tmp_path / "OVMF_CODE_4M.fd").touch()
    with pytest.raises(ToolMissing, match="no UEFI firmware") as caught:
        qemu.ovmf_files("uefi", tmp_path)
    assert caught.value.hint == "apt-get install ovmf"
    (tmp_path / "OVMF_VARS_4M.fd").touch()
    assert qemu.ovmf_files("uefi", tmp_path) == (tmp_path / "OVMF_CODE_4M.fd", tmp_path / "OVMF_VARS_4M.fd")


def test_the_probe_is_a_boot_sector_and_its_limit_is_kept() -> None:
    assert len(kvm.boot_sector()) == 512
    assert kvm.boot_sector()[-2:] == b"\x55\xaa"
    start = time.monotonic()
    chosen = kvm.choose(2.0)
    assert time.monotonic() - start < 10
    assert chosen.name in ("kvm", "tcg")
    assert chosen.reason
    assert kvm.choose(2.0) is chosen, "asked once a run"


def test_the_probe_ends_where_guests_run() -> None:
    """The same sector under emulation, so that a probe that fails says something about KVM and not about itself."""
    assert kvm.boots("tcg", 30.0) == ""


def test_user_data_survives_any_key_and_lets_nobody_else_in() -> None:
    text = seed.user_data("ssh-ed25519 AAAA c\n", "-----BEGIN\nx: 'y'\n-----END\n", "ssh-ed25519 BBBB h\n")
    head, body = text.split("\n", 1)
    assert head == "#cloud-config"
    data = json.loads(body)
    assert data["ssh_keys"] == {
        "ed25519_private": "-----BEGIN\nx: 'y'\n-----END\n",
        "ed25519_public": "ssh-ed25519 BBBB h",
    }
    assert [user["ssh_authorized_keys"] for user in data["users"]] == [["ssh-ed25519 AAAA c"]]


def test_a_seed_holds_its_files_and_ssh_trusts_only_its_host_key(tmp_path: Path) -> None:
    folder = tmp_path / "a b, ä"
    folder.mkdir(mode=0o700)
    made = seed.make_seed(folder, "one")
    listing = subprocess.check_output(["mdir", "-b", "-i", made.image.name, "::"], cwd=folder, text=True)
    assert listing.split() == ["::/user-data", "::/meta-data"]
    public = (folder / "host_key.pub").read_text().split()
    assert (folder / made.known_hosts).read_text().split() == [seed.HOST_ALIAS, *public[:2]]
    argv = seed.ssh_argv(made, 2222, "true")
    for option in ("StrictHostKeyChecking=yes", "UserKnownHostsFile=known_hosts", "GlobalKnownHostsFile=none"):
        assert option in argv
    assert argv[1:3] == ["-F", "none"]


_CALLER = """
import sys, time
from pathlib import Path
from gpuforge.providers.local.qemu import Machine, running
folder = Path(sys.argv[1])
machine = Machine("bios", "tcg", 64, 1, folder / "disk", folder / "seed", "serial.log")
with running(machine, folder=folder, scratch=folder) as guest:
    assert guest.ssh_port > 0
    print(guest._process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a disk and a seed that hold nothing."""
    place = tmp_path / "a b, ä"
    place.mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "disk", "1M"], cwd=place, check=True)
    (place / "seed").write_bytes(bytes(1 << 16))
    return place


def _gone(pid: int) -> bool:
    """Whether the process ends within ten seconds (a zombie has ended)."""
    for _ in range(100):
        try:
            status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if status == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_guest_ends_with_its_caller(folder: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CALLER, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline())
        os.kill(pid, 0)
        caller.send_signal(how)
        caller.wait(20)
    assert _gone(pid)


def test_a_qemu_that_does_not_start_is_quoted(folder: Path) -> None:
    (folder / "disk").write_bytes(b"no qcow2 at all")
    machine = Machine("bios", "tcg", 64, 1, folder / "disk", folder / "seed", "serial.log")
    with (
        pytest.raises(GpuforgeError, match=r"QEMU ended with status 1; .*not in qcow2 format"),
        qemu.running(machine, folder=folder, scratch=folder),
    ):
        pytest.fail("there was a guest")
