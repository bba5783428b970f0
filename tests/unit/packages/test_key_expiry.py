"""When a key expires, as gpg writes it: never, in time, prolonged, and signed by somebody else."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._apt_repo import (
    RepositoryError,
    make_repository,
    refuse_expired,
)
from ansible_collections.gpuforge.node.plugins.module_utils._apt_set import valid_key
from ansible_collections.gpuforge.node.plugins.module_utils._openpgp import armor, dearmor, expiries, fingerprints

DAY = 86400
BORN = 1704067200  # 2024-01-01


class Keys:
    """A folder of gpg's, whose clock stands still."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)

    def gpg(self, *argv: str, now: int = BORN) -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty", "--passphrase", ""]
        clock = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + "!"
        command += ["--pinentry-mode", "loopback", "--faked-system-time", clock, *argv]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def make(self, name: str, lasts: str) -> str:
        self.gpg("--quick-generate-key", name, "ed25519", "sign", lasts)
        return fingerprints(self.public(name))[0]

    def public(self, name: str) -> bytes:
        return self.gpg("--armor", "--export", f"={name}")


@pytest.fixture
def keys(tmp_path):
    made = Keys(tmp_path / "home")
    yield made
    subprocess.run(["gpgconf", "--homedir", str(made.home), "--kill", "all"], check=True)


def repository(*prints):
    return make_repository({"name": "example", "uri": "https://example.org/deb", "fingerprints": list(prints)})


def test_a_key_that_lasts(keys):
    keys.make("lasting", "never")
    assert expiries(keys.public("lasting")) == {}


def test_a_key_that_ends_a_subkey_that_ends_sooner_and_a_name_signed_by_somebody_else(keys):
    one, other = keys.make("ending", "10d"), keys.make("lasting", "never")
    keys.gpg("--quick-add-key", one, "ed25519", "sign", "2d", now=BORN + 60)
    keys.gpg("--yes", "--default-key", other, "--quick-sign-key", one, now=BORN + 120)
    assert expiries(keys.public("ending")) == {one: BORN + 10 * DAY}


def test_a_prolonged_key_and_two_in_one_file(keys):
    one, other = keys.make("prolonged", "1d"), keys.make("ended", "3d")
    keys.gpg("--quick-set-expire", one, "30d", now=BORN + 3600)
    found = expiries(keys.public("prolonged") + keys.public("ended"))
    assert found[other] == BORN + 3 * DAY
    assert abs(found[one] - (BORN + 30 * DAY)) <= 3600
    keys.gpg("--quick-set-expire", one, "never", now=BORN + 7200)
    assert expiries(keys.public("prolonged")) == {}


def test_an_expired_key_is_refused_with_the_day(keys):
    one = keys.make("ended", "1d")
    refuse_expired(repository(one), keys.public("ended"), BORN + DAY - 1)
    with pytest.raises(RepositoryError, match=f"{one}, has expired on 2024-01-02"):
        refuse_expired(repository(one), keys.public("ended"), BORN + DAY)


def test_a_key_that_its_owner_has_prolonged_is_taken_anew(keys):
    one = keys.make("prolonged", "1d")
    old = armor(dearmor(keys.public("prolonged")))
    with pytest.raises(RepositoryError, match="has expired"):
        valid_key(repository(one), old, lambda: old.encode())
    keys.gpg("--quick-set-expire", one, "never", now=BORN + 3600)
    new = keys.public("prolonged")
    assert expiries(valid_key(repository(one), old, lambda: new).encode()) == {}
    with pytest.raises(RepositoryError, match="is not the expected"):
        valid_key(repository(one), old, lambda: _other(keys))


def _other(keys):
    keys.make("other", "never")
    return keys.public("other")
