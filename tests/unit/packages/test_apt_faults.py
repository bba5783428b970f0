"""Repositories and locks that stand in the way: apt's own words, and what the module makes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _apt_tools as apt_tools
from ansible_collections.gpuforge.node.plugins.module_utils._apt_faults import Lock, lock_of, meaning
from ansible_collections.gpuforge.node.plugins.module_utils._apt_tools import Apt, AptError
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

SUITE = "compute/cuda/repos/debian13/x86_64"
KEY = "8793F200.pub"
HOLDER = """
import fcntl, sys, time
stream = open(sys.argv[1], "w")
fcntl.lockf(stream, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def ours(tmp_path):
    """Make the module's apt, with folders of its own, for an address. It has no dpkg, so it can install nothing."""

    def make(uri, key, lock_s=0.0):
        for folder in ("etc/preferences.d", "state/lists/partial", "cache/archives/partial"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "status").write_text("")
        shutil.copy(key, tmp_path / "key.asc")
        (tmp_path / "etc/sources.list").write_text(f"deb [signed-by={tmp_path}/key.asc arch=amd64] {uri} /\n")
        settings = {
            "Dir::Etc": tmp_path / "etc",
            "Dir::State": tmp_path / "state",
            "Dir::State::status": tmp_path / "status",
            "Dir::Cache": tmp_path / "cache",
            "Dir::Bin::dpkg": "/bin/false",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",
            "Acquire::Retries": "0",
        }
        return Apt(Host(), [f"{name}={value}" for name, value in settings.items()], lock_s)

    return make


@pytest.fixture
def mirror(repository, tmp_path):
    """A copy of the repository that a test may damage: the index, and one small package."""
    made = tmp_path / "mirror"
    made.mkdir()
    for path in (repository / SUITE).iterdir():
        if path.is_file() and (path.suffix != ".deb" or path.name.startswith("nvlsm_")):
            shutil.copy(path, made)
    return made


def download(apt):
    apt.update()
    apt.act(["--download-only", "install", "nvlsm"])


def package(folder):
    """The newest of the package's files, which is the one that apt takes."""
    return max(folder.glob("nvlsm_*.deb"))


def test_a_repository_in_order(ours, mirror):
    download(ours(f"file:{mirror}", mirror / KEY))


@pytest.mark.parametrize(
    ("suite", "words"),
    [("expired", "has expired. Its owner has a newer one"), ("foreign", "is not signed by the key that is named")],
)
def test_signatures(ours, repository, suite, words):
    folder = repository / f"faults/{suite}/debian13/x86_64"
    with pytest.raises(AptError, match=words):
        ours(f"file:{folder}", folder / KEY).update()


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9/nothing", "http://no-such-host.invalid/nothing", "file:/no/such/folder"]
)
def test_a_repository_that_is_not_there(ours, mirror, uri):
    with pytest.raises(AptError, match=r"was not reached, or lacks a file|no signed repository at its address"):
        ours(uri, mirror / KEY).update()


def test_a_list_that_was_changed_on_the_way(ours, mirror):
    for path in mirror.glob("Packages*"):
        path.write_bytes(path.read_bytes()[:-1] + b"#")
    with pytest.raises(AptError, match="what came is not what the repository's signed list says"):
        ours(f"file:{mirror}", mirror / KEY).update()


def cut_short(data):
    return data[: len(data) // 2]


def changed(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut_short, changed])
def test_a_package_that_is_not_the_signed_one(ours, mirror, damage):
    package(mirror).write_bytes(damage(package(mirror).read_bytes()))
    with pytest.raises(AptError, match="what came is not what the repository's signed list says"):
        download(ours(f"copy:{mirror}", mirror / KEY))


def test_a_package_that_the_mirror_lost(ours, mirror):
    package(mirror).unlink()
    with pytest.raises(AptError, match="lacks a file that it lists"):
        download(ours(f"file:{mirror}", mirror / KEY))


def test_a_download_that_was_cut_short_is_taken_up_again(ours, mirror, tmp_path):
    apt = ours(f"copy:{mirror}", mirror / KEY)
    apt.update()
    name = f"nvlsm_{package(mirror).name.split('_')[1]}_amd64.deb"
    (tmp_path / "cache/archives/partial" / name).write_bytes(cut_short(package(mirror).read_bytes()))
    apt.act(["--download-only", "install", "nvlsm"])
    assert (tmp_path / "cache/archives" / name).read_bytes() == package(mirror).read_bytes()


@pytest.fixture
def holder():
    """Let another process have a lock for some seconds."""
    processes = []

    def hold(path, seconds):
        argv = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("lock", ["state/lists/lock", "cache/archives/lock", "lock-frontend"])
def test_a_lock_that_stays_is_said_by_whom(ours, mirror, holder, tmp_path, lock):
    apt = ours(f"file:{mirror}", mirror / KEY)
    if lock != "state/lists/lock":
        apt.update()
    process = holder(tmp_path / lock, 60)
    words = rf"python\S* \(process {process.pid}\) has \S*{lock}, and still had it after \d+ s"
    with pytest.raises(AptError, match=words):
        apt.update() if lock == "state/lists/lock" else apt.act(["install", "nvlsm"])


def test_a_lock_that_goes_is_waited_for(ours, mirror, holder, tmp_path, monkeypatch):
    monkeypatch.setattr(apt_tools, "_LOOK_S", 0.2)
    apt = ours(f"file:{mirror}", mirror / KEY, lock_s=30)
    process = holder(tmp_path / "state/lists/lock", 1.5)
    began = time.monotonic()
    apt.update()
    assert time.monotonic() - began > 1
    assert len(apt.waited) == 1
    assert f"(process {process.pid})" in apt.waited[0]


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        (
            "dpkg: error: dpkg frontend lock was locked by another process with pid 4242\nNote: do not",
            Lock("dpkg's lock", "another process 4242"),
        ),
        (
            "dpkg: error: dpkg database lock was locked by /usr/bin/python3.13 process with pid 7",
            Lock("dpkg's lock", "python3.13 (process 7)"),
        ),
        ("dpkg: error: dpkg frontend is locked by another process", Lock("dpkg's lock", "another program")),
        (
            "E: Could not get lock /var/lib/apt/lists/lock - open (11: Resource temporarily unavailable)",
            Lock("/var/lib/apt/lists/lock", "another program"),
        ),
        ("E: Unable to locate package x", None),
    ],
)
def test_what_they_say_of_locks(text, lock):
    assert lock_of(text) == lock


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cp: error writing '/boot/initrd.img-6.1.0-51-amd64.new': No space left on device", "the disk is full"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "the disk is full"),
        ("E: Held packages were changed and -y was used without --allow-change-held-packages.", "apt-mark unhold"),
        ("E: Unable to locate package x", ""),
    ],
)
def test_what_it_means(text, words):
    assert words in meaning(text)
    assert bool(words) == bool(meaning(text))
