"""Packages at exact versions from a pinned repository: what is refused, planned and written, with apt as a fake."""

from __future__ import annotations

import contextlib
import json
from typing import ClassVar

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils import _apt_set as apt_set
from ansible_collections.gpuforge.node.plugins.module_utils._apt_plan import refuse
from ansible_collections.gpuforge.node.plugins.module_utils._apt_repo import (
    RepositoryError,
    check_key,
    make_repository,
    owners_of,
)
from ansible_collections.gpuforge.node.plugins.module_utils._apt_request import (
    Record,
    Request,
    SetError,
    Wish,
    check,
    pins,
)
from ansible_collections.gpuforge.node.plugins.module_utils._apt_tools import AptError, Step
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host

from .test_openpgp import FINGERPRINT, KEY

URI = "https://example.org/deb/x86_64"
OPTIONS = {"name": "example", "uri": URI, "fingerprints": [FINGERPRINT]}


def request(**more):
    return Request(name="tool", repository=make_repository(OPTIONS), key=lambda: KEY.encode(), **more)


@pytest.mark.parametrize(
    ("wanted", "version", "met"),
    [
        ("4.7.0", "1:4.7.0-1", True),
        ("1:4.7.0-1", "1:4.7.0-1", True),
        ("4.7.0-1", "1:4.7.0-1", True),
        ("4.7.0", "1:4.7.01-1", False),
        ("4.7", "1:4.7.0-1", False),
        ("13.2.2-*", "13.2.2-1", True),
        ("2.30.7-*+cuda13.*", "2.30.7-1+cuda13.3", True),
        ("2.30.7-*+cuda13.*", "2.30.7-1+cuda12.9", False),
        ("", "1.0", True),
    ],
)
def test_versions(wanted, version, met):
    assert Wish("x", wanted).met_by(version) is met


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fingerprints": []}, "any key would do"),
        ({"fingerprints": ["3bf863cc"]}, "no whole fingerprint"),
        ({"uri": "example.org"}, "no address"),
        ({"name": "Ex ample"}, "no name"),
        ({"suite": "stable"}, "components"),
        ({"components": ["main"]}, "components"),
    ],
)
def test_repositories_that_cannot_be(change, words):
    with pytest.raises(RepositoryError, match=words):
        make_repository({**OPTIONS, **change})


def test_a_fingerprint_may_be_written_in_groups():
    grouped = " ".join(FINGERPRINT[start : start + 4] for start in range(0, 40, 4)).lower()
    assert make_repository({**OPTIONS, "fingerprints": [grouped]}).fingerprints == (FINGERPRINT,)


def test_another_key_is_refused_and_named():
    repository = make_repository({**OPTIONS, "fingerprints": ["0" * 40]})
    with pytest.raises(RepositoryError, match=FINGERPRINT):
        check_key(repository, KEY.encode())


@pytest.mark.parametrize(
    ("uri", "suite", "name"),
    [
        ("https://example.org/a_b/c", "/", "example.org_a%5fb_c_"),
        ("file:///srv/deb", "./", "_srv_deb_._"),
        ("http://user@example.org/deb", "stable", "example.org_deb_dists_stable_"),
    ],
)
def test_names_of_lists_are_apts(uri, suite, name):
    options = {**OPTIONS, "uri": uri, "suite": suite, "components": [] if suite.endswith("/") else ["main"]}
    assert make_repository(options).list_name() == name


def test_a_set_that_cannot_be_says_everything_at_once():
    wishes = (Wish("a b"), Wish("nvidia-driver"), Wish("twice"), Wish("twice"))
    with pytest.raises(SetError) as caught:
        check(request(wishes=wishes, never=("nvidia-*",)))
    for words in ("'a b' is no package's name", "nvidia-driver must not come", "twice is there more than once"):
        assert words in str(caught.value)


def test_pins_are_above_what_allows_a_downgrade():
    text = pins(request(wishes=(Wish("a"), Wish("b"), Wish("c"))), {"a": "1-1", "b": "2-1", "c": "1-1"})
    assert "Package: a c\nPin: version 1-1\nPin-Priority: 1001\n" in text
    assert pins(request(wishes=(Wish("a"),), hold=False), {"a": "1-1"}) is None


def test_plans_that_do_more_than_asked_are_refused():
    steps = [Step("tool", "", "1"), Step("nvidia-driver", "", "2"), Step("mine", "3", ""), Step("ours", "1", "")]
    with pytest.raises(SetError) as caught:
        refuse(request(never=("nvidia-*",)), Record(brought=["ours"]), steps, [], {})
    assert "bring nvidia-driver," in str(caught.value)
    assert "remove mine" in str(caught.value)
    assert "ours" not in str(caught.value)


class FakeApt:
    """An archive with two versions of one package, and a machine that nothing is done to."""

    log: ClassVar[list] = []
    waited: ClassVar[list] = []
    plan: ClassVar[list] = [Step("tool", "", "1.0-1"), Step("libtool", "", "1.0-1")]
    broken = ""

    def __init__(self, host, settings=(), lock_s=0):
        pass

    def update(self, source=None):
        self.log.append(("update", source))

    def versions(self, names):
        return {"tool": ["2.0-1", "1.0-1"]} if "tool" in names else {}

    def simulate(self, words):
        return self.plan if "install" in words else []

    def act(self, words):
        self.log.append(("act", words))

    def repair(self):
        self.log.append(("repair",))
        if self.broken:
            raise AptError(self.broken)


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(apt_set, "Apt", FakeApt)
    monkeypatch.setattr(FakeApt, "log", [])
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Package: mine\nStatus: install ok installed\nVersion: 1\n")
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    release = tmp_path / "var/lib/apt/lists" / (make_repository(OPTIONS).list_name() + "InRelease")
    release.write_text("Origin: Example\nLabel: Example tools\n")

    def stage(_host, _repository, _key, _preferences=(), _lock_s=0):
        raise AssertionError("the index is there: no stage is needed")

    monkeypatch.setattr(apt_set, "stage", stage)
    found = Host(str(tmp_path))
    repository = make_repository(OPTIONS)
    found.write_file(repository.key_path, KEY)
    found.write_file(repository.source_path, repository.source(repository.key_path, ["other", "tool"]))
    return found


def test_check_mode_says_it_all_and_touches_nothing(host, tmp_path):
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    result = apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),), check_mode=True))
    assert result["changed"] is True
    assert result["versions"] == {"tool": "1.0-1"}
    assert {one["name"] for one in result["packages"]} == {"tool", "libtool"}
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    assert FakeApt.log == []


def test_it_is_pinned_remembered_and_installed_at_the_version(host):
    apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),), update=False))
    assert ("act", ["--purge", "install", "tool=1.0-1"]) in FakeApt.log
    assert "Pin: version 1.0-1" in host.read("/etc/apt/preferences.d/gpuforge-tool.pref")
    assert "Pin: release o=Example,l=Example tools" in host.read(make_repository(OPTIONS).preference_path)
    record = json.loads(host.read("/etc/gpuforge/packages/tool.json"))
    assert record == {"version": 1, "asked": ["tool"], "brought": ["libtool", "tool"]}


def test_a_version_that_there_is_not_names_those_that_there_are(host, monkeypatch):
    monkeypatch.setattr(apt_set, "stage", lambda *_args: contextlib.nullcontext((FakeApt(host), "")))
    with pytest.raises(SetError, match=r"tool 3\.0 \(there is: 2\.0-1, 1\.0-1\)"):
        apt_set.ensure(host, request(wishes=(Wish("tool", "3.0"),)))
    assert host.read("/etc/gpuforge/packages/tool.json") is None


def test_a_second_source_of_the_same_repository_is_refused(host):
    host.write_file("/etc/apt/sources.list.d/cuda.list", f"deb [signed-by=/x.gpg] {URI}/ /\n")
    with pytest.raises(RepositoryError, match=r"cuda\.list"):
        apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),)))


def test_which_version_there_is_none_asked_for_is_apts_choice(host, monkeypatch):
    class Backports(FakeApt):
        """The newest version is one of backports, which apt takes only where somebody asks for it."""

        plan: ClassVar[list] = [Step("tool", "", "1.0-1")]

        def act(self, words):
            self.log.append(("act", words))

    monkeypatch.setattr(apt_set, "Apt", Backports)
    result = apt_set.ensure(host, request(wishes=(Wish("tool"),), update=False))
    assert ("act", ["--purge", "install", "tool"]) in FakeApt.log
    assert result["versions"] == {"tool": "1.0-1"}


class Needed(FakeApt):
    """A machine on which somebody's own program has come to need one of the tools and its library."""

    def simulate(self, words):
        if "autoremove" in words:
            return []
        gone = [name for name in ("tool", "other") if name in words]
        after = [Step("libother", "1", "")] if "other" in words and "--auto-remove" in words else []
        return [Step(name, "1", "") for name in gone] + ([Step("mine", "1", "")] if "tool" in words else []) + after


def _brought(host):
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: 1\n\n"
        for name in ("mine", "tool", "other", "libtool", "libother")
    )
    host.write_file("/var/lib/dpkg/status", status)
    record = Record(["tool", "other"], ["tool", "other", "libtool", "libother"])
    host.write_file(request().record_path, record.text())


def test_what_something_else_needs_stays_of_the_distribution_s_packages(host, monkeypatch):
    monkeypatch.setattr(apt_set, "Apt", Needed)
    _brought(host)
    result = apt_set.remove(host, Request(name="tool", repository=None, key=bytes))
    assert result["kept"] == ["tool"]
    assert [one["name"] for one in result["packages"]] == ["other", "libother"]
    assert ("act", ["purge", "other"]) in FakeApt.log
    assert host.read(request().record_path) is None


def test_what_something_else_needs_of_a_repository_is_refused(host, monkeypatch):
    monkeypatch.setattr(apt_set, "Apt", Needed)
    _brought(host)
    with pytest.raises(SetError, match="mine would go with it"):
        apt_set.remove(host, request())
    assert FakeApt.log == []


def test_the_last_owner_takes_the_repository_away(host):
    repository = make_repository(OPTIONS)
    apt_set.remove(host, request())
    assert owners_of(host.read(repository.source_path)) == ["other"]
    other = Request(name="other", repository=repository, key=lambda: b"")
    apt_set.remove(host, other)
    assert host.read(repository.source_path) is None
    assert host.read(repository.key_path) is None
    assert host.glob("/var/lib/apt/lists/*") == []


@pytest.mark.parametrize("known", [True, False])
def test_where_apt_changes_nothing_nothing_is_left(host, monkeypatch, known):
    def fail(_apt, _words):
        raise AptError("Hash Sum mismatch")

    repository = make_repository(OPTIONS)
    monkeypatch.setattr(FakeApt, "act", fail)
    if not known:
        host.remove(repository.source_path)
    monkeypatch.setattr(apt_set, "stage", lambda *_args: contextlib.nullcontext((FakeApt(host), "Origin: Example\n")))
    with pytest.raises(AptError, match="Hash Sum"):
        apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),), update=False))
    assert host.read("/etc/gpuforge/packages/tool.json") is None
    assert host.read("/etc/apt/preferences.d/gpuforge-tool.pref") is None
    assert bool(host.read(repository.source_path)) is known
    assert bool(host.glob("/var/lib/apt/lists/*InRelease")) is known


def settled(host):
    """Let a first run do everything, so that a second one would have nothing to do."""
    apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),), update=False))
    status = host.read("/var/lib/dpkg/status")
    for name in ("tool", "libtool"):
        status += f"\nPackage: {name}\nStatus: install ok installed\nVersion: 1.0-1\n"
    host.write_file("/var/lib/dpkg/status", status)
    FakeApt.log.clear()


def again(host, **more):
    return apt_set.ensure(host, request(wishes=(Wish("tool", "1.0"),), update=False, **more))


def test_a_second_run_has_nothing_to_do(host):
    settled(host)
    assert again(host)["changed"] is False
    assert FakeApt.log == []


@pytest.mark.parametrize("state", ["half-configured", "unpacked", "half-installed"])
def test_what_a_killed_run_left_is_repaired(host, monkeypatch, state):
    settled(host)
    monkeypatch.setattr(FakeApt, "plan", [])
    status = host.read("/var/lib/dpkg/status")
    host.write_file("/var/lib/dpkg/status", status.replace("ok installed\nVersion: 1.0", f"ok {state}\nVersion: 1.0"))
    assert again(host, check_mode=True)["changed"] is True
    assert FakeApt.log == []
    assert again(host)["changed"] is True
    assert ("repair",) in FakeApt.log
    # Else nobody would take these away again.
    assert json.loads(host.read("/etc/gpuforge/packages/tool.json"))["brought"] == ["libtool", "tool"]


def test_a_journal_that_dpkg_left_is_enough(host):
    settled(host)
    host.write_file("/var/lib/dpkg/updates/0003", "Package: tool\nStatus: install ok half-configured\n")
    result = again(host)
    assert result["changed"] is True
    assert {"before": "interrupted\n", "after": "whole\n"}.items() <= result["diff"][-1].items()
    assert FakeApt.log == [("repair",)]


def test_what_cannot_be_repaired_may_be_what_is_replaced(host, monkeypatch):
    settled(host)
    monkeypatch.setattr(FakeApt, "broken", "tool does not compile")
    host.write_file("/var/lib/dpkg/updates/0003", "")
    with pytest.raises(AptError, match="does not compile"):
        again(host)
    apt_set.ensure(host, request(wishes=(Wish("tool", "2.0"),), update=False))
    assert FakeApt.log[-2:] == [("repair",), ("act", ["--purge", "install", "tool=2.0-1"])]


def test_a_hold_is_somebodys_wish(host):
    settled(host)
    status = host.read("/var/lib/dpkg/status")
    host.write_file(
        "/var/lib/dpkg/status", status.replace("Package: libtool\nStatus: install", "Package: libtool\nStatus: hold")
    )
    assert again(host)["changed"] is False
    with pytest.raises(SetError, match=r"change libtool \(now 1\.0-1\), .* on hold.* apt-mark unhold libtool"):
        apt_set.ensure(host, request(wishes=(Wish("tool", "2.0"),), update=False))
    assert FakeApt.log == []


def test_where_apt_finds_no_way_the_holds_are_named(host, monkeypatch):
    def no_way(_apt, _words):
        raise AptError("Unable to correct problems, you have held broken packages.")

    settled(host)
    monkeypatch.setattr(FakeApt, "simulate", no_way)
    status = host.read("/var/lib/dpkg/status")
    host.write_file(
        "/var/lib/dpkg/status", status.replace("Package: mine\nStatus: install", "Package: mine\nStatus: hold")
    )
    with pytest.raises(AptError, match="somebody has put mine on hold: if it shall move, apt-mark unhold mine"):
        apt_set.ensure(host, request(wishes=(Wish("tool", "2.0"),), update=False))
