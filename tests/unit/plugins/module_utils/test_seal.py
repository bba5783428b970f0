"""Sealing a tree: what goes, what stays, and what is never touched."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._seal import (
    SealError,
    apply,
    by_rule,
    choose,
    make_plan,
    own_files,
)
from ansible_collections.gpuforge.node.plugins.module_utils._seal_find import Guard, find, foreign_mounts, homes
from ansible_collections.gpuforge.node.plugins.module_utils._seal_rules import RULES

PASSWD = (
    "root:x:0:0::/root:/bin/bash\nada:x:1000:1000::/srv/ada:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/sh\n"
)


def write(root: Path, path: str, text: str = "a trace", mode: int = 0o644) -> Path:
    """Put a file into the tree."""
    where = root / path.lstrip("/")
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(text)
    where.chmod(mode)
    return where


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with users and an empty machine id, and nothing else to seal."""
    write(tmp_path, "/etc/passwd", PASSWD)
    write(tmp_path, "/etc/machine-id", "", 0o444)
    (tmp_path / "root").mkdir()
    (tmp_path / "srv/ada").mkdir(parents=True)
    return tmp_path


def seal(
    root: Path, kept: Iterable[str] = (), keep: Iterable[str] = (), extra: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Plan, apply, and return what was done."""
    steps = make_plan(str(root), choose(list(keep), list(extra)), Guard(kept))
    apply(steps)
    return by_rule(steps, str(root))


def test_a_sealed_tree_needs_nothing(root: Path) -> None:
    assert seal(root) == {}


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("dbus_machine_id", "/var/lib/dbus/machine-id"),
        ("ssh_host_keys", "/etc/ssh/ssh_host_ed25519_key.pub"),
        ("module_signing_keys", "/var/lib/dkms/mok.key"),
        ("random_seed", "/var/lib/systemd/random-seed"),
        ("credential_secret", "/var/lib/systemd/credential.secret"),
        ("storage_ids", "/etc/nvme/hostnqn"),
        ("authorized_keys", "/root/.ssh/authorized_keys"),
        ("authorized_keys", "/srv/ada/.ssh/authorized_keys2"),
        ("ssh_identities", "/srv/ada/.ssh/id_ed25519"),
        ("credentials", "/root/.aws"),
        ("builders_rights", "/etc/sudoers.d/90-cloud-init-users"),
        ("account_backups", "/etc/shadow-"),
        ("cloud_init", "/var/lib/cloud/instance"),
        ("network", "/etc/netplan/50-cloud-init.yaml"),
        ("leases", "/var/lib/dhcp/dhclient.leases"),
        ("rotated_logs", "/var/log/apt/history.log.1.gz"),
        ("journal", "/var/log/journal/0123"),
        ("histories", "/srv/ada/.python_history"),
        ("ansible", "/root/.ansible"),
        ("user_caches", "/srv/ada/.cache"),
        ("temporary_files", "/var/tmp/.hidden"),
        ("package_index", "/var/lib/apt/lists/archive_Packages"),
        ("package_files", "/var/cache/apt/archives/a.deb"),
        ("package_backups", "/etc/deep/er/conf.dpkg-old"),
        ("linker_cache", "/var/cache/ldconfig/aux-cache"),
        ("state_of_services", "/var/lib/systemd/timers/stamp-x.timer"),
        ("swap_files", "/swapfile"),
    ],
)
def test_each_kind_of_trace_goes_and_only_once(root: Path, rule: str, path: str) -> None:
    write(root, path)
    assert seal(root) == {rule: [path]}
    assert not (root / path.lstrip("/")).exists()
    assert (root / path.lstrip("/")).parent.is_dir()
    assert seal(root) == {}


def test_every_rule_is_told_apart_and_says_why() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.why and rule.source and all(path[0] in "/~" for path in rule.paths) for rule in RULES)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("logs", "/var/log/btmp"),
        ("build_logs", "/var/lib/dkms/nvidia-current/535.309.01/6.1.0-56-cloud-amd64/x86_64/log/make.log"),
    ],
)
def test_logs_are_emptied_in_place(root: Path, rule: str, path: str) -> None:
    log = write(root, path, "x" * 100, 0o660)
    assert seal(root) == {rule: [path]}
    assert (log.stat().st_size, stat.S_IMODE(log.stat().st_mode)) == (0, 0o660)


@pytest.mark.parametrize("before", ["0123456789abcdef0123456789abcdef\n", "uninitialized\n", None])
def test_the_machine_id_is_an_empty_file(root: Path, before: str | None) -> None:
    machine_id = root / "etc/machine-id"
    machine_id.unlink()
    if before is not None:
        write(root, "/etc/machine-id", before)
    assert seal(root) == {"machine_id": ["/etc/machine-id"]}
    assert machine_id.read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "line", "instead"),
    [
        ("/etc/environment", "http_proxy=http://proxy.example:3128", ""),
        ("/etc/environment", 'NO_PROXY="localhost"', ""),
        ("/etc/apt/apt.conf.d/80proxy", 'Acquire::https::Proxy "http://proxy.example:3128";', ""),
        ("/etc/apt/apt.conf", '  Proxy "http://proxy.example:3128";', ""),
        ("/etc/pip.conf", "proxy = http://proxy.example:3128", ""),
        ("/root/.gitconfig", "\tproxy = http://proxy.example:3128", ""),
        ("/root/.curlrc", 'proxy = "proxy.example:3128"', ""),
        ("/etc/profile.d/site.sh", "export https_proxy=http://proxy.example:3128", ":\n"),
        ("/srv/ada/.bashrc", '[ -n "$PS1" ] && HTTP_PROXY=proxy.example', ":\n"),
    ],
)
def test_proxies_go_line_by_line(root: Path, path: str, line: str, instead: str) -> None:
    file = write(root, path, f"# before\n{line}\nLANG=C\n", 0o640)
    assert list(seal(root).values()) == [[path]]
    assert file.read_text() == f"# before\n{instead}LANG=C\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert seal(root) == {}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/environment", "# http_proxy=http://proxy.example\nhttp_proxy=\n"),
        ("/etc/apt/apt.conf", '// Acquire::http::Proxy "x";\nAPT::Get::Assume-Yes "true";\n'),
        ("/etc/profile.d/site.sh", 'if [ -n "$http_proxy" ]; then unset http_proxy; fi\n'),
        ("/etc/fstab", "# /swapfile none swap sw 0 0\nUUID=1 / ext4 defaults 0 1\n"),
        ("/etc/hosts", "http_proxy=http://not.a.place.we.look\n"),
    ],
)
def test_lines_that_only_look_like_it_stay(root: Path, path: str, text: str) -> None:
    write(root, path, text)
    assert seal(root) == {}


def test_swap_goes_from_fstab(root: Path) -> None:
    fstab = write(root, "/etc/fstab", "UUID=1 / ext4 defaults 0 1\nUUID=2 none swap sw 0 0\n")
    assert seal(root) == {"swap_entries": ["/etc/fstab"]}
    assert fstab.read_text() == "UUID=1 / ext4 defaults 0 1\n"


def test_bytes_that_are_no_text_survive(root: Path) -> None:
    file = root / "etc/environment"
    file.write_bytes(b"NAME=\xff\xfe\nhttp_proxy=http://x\n")
    seal(root)
    assert file.read_bytes() == b"NAME=\xff\xfe\n"


def test_folders_of_apt_stay(root: Path) -> None:
    write(root, "/var/lib/apt/lists/partial/half")
    (root / "var/lib/apt/lists/partial").chmod(0o700)
    seal(root)
    assert stat.S_IMODE((root / "var/lib/apt/lists/partial").stat().st_mode) == 0o700


def test_the_plan_touches_nothing(root: Path) -> None:
    write(root, "/swapfile")
    write(root, "/etc/machine-id", "1")
    make_plan(str(root), RULES, Guard([]))
    assert (root / "swapfile").exists()
    assert (root / "etc/machine-id").read_text() == "1"


def test_links_never_lead_out_of_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    write(root, "/etc/passwd", PASSWD)
    write(root, "/etc/machine-id", "")
    victim = write(outside, "/log/wtmp", "keep")
    (root / "var").mkdir()
    (root / "var/log").symlink_to(outside / "log")
    (root / "var/tmp").mkdir()
    (root / "var/tmp/link").symlink_to(outside)
    assert seal(root) == {"temporary_files": ["/var/tmp/link"]}
    assert victim.read_text() == "keep"


def test_a_link_inside_the_tree_is_followed_as_the_image_would(root: Path) -> None:
    write(root, "/data/log/syslog", "x")
    (root / "var").mkdir()
    (root / "var/log").symlink_to("/data/log")
    assert seal(root) == {"logs": ["/data/log/syslog"]}


def test_what_is_kept_stays_with_everything_around_it_gone(root: Path) -> None:
    own = write(root, "/tmp/ansible_payload/module.py")
    write(root, "/tmp/ansible_payload/other")
    write(root, "/tmp/else/x")
    done = seal(root, kept=[str(own)])
    assert done == {"temporary_files": ["/tmp/ansible_payload/other", "/tmp/else"]}
    assert own.exists()
    assert seal(root, kept=[str(own)]) == {}


def test_what_a_pattern_names_itself_can_be_kept(root: Path) -> None:
    own = write(root, "/tmp/module.zip")
    assert seal(root, kept=[str(own)]) == {}
    assert own.exists()


def test_a_mounted_folder_is_not_entered(root: Path) -> None:
    package = write(root, "/var/cache/apt/archives/a.deb")
    assert seal(root, kept=[str(package.parent)]) == {}
    assert package.exists()


def test_own_files_are_those_that_a_rule_would_take() -> None:
    paths = ["/tmp/x/module.py", None, "/usr/lib/python3", "/root/.ansible/tmp/y"]
    assert own_files("/", paths) == ("/tmp/x/module.py", "/root/.ansible/tmp/y")


def test_mounts_that_the_image_does_not_consist_of(tmp_path: Path) -> None:
    base = os.path.realpath(tmp_path)
    mountinfo = "\n".join(
        [
            f"1 0 8:1 / {base} rw - overlay overlay rw",
            f"2 1 8:2 / {base}/home rw shared:1 - ext4 /dev/sda2 rw",
            f"3 1 0:5 / {base}/tmp rw - tmpfs tmpfs rw",
            f"4 1 8:1 /some/cache {base}/var/cache/apt/archives rw - ext4 /dev/sda1 rw",
            f"5 1 0:6 /@srv {base}/srv rw - btrfs /dev/sdb rw",
            rf"6 1 0:7 / {base}/with\040space rw - proc proc rw",
            "7 1 8:3 / /elsewhere rw - tmpfs tmpfs rw",
        ]
    )
    assert foreign_mounts(str(tmp_path), mountinfo) == [
        f"{base}/tmp",
        f"{base}/var/cache/apt/archives",
        f"{base}/with space",
    ]


def test_homes_are_those_of_all_users(root: Path) -> None:
    (root / "home/eve").mkdir(parents=True)
    assert homes(str(root)) == ["/home/eve", "/root", "/srv/ada"]


def test_two_stars_mean_any_depth(root: Path) -> None:
    write(root, "/etc/a.old")
    write(root, "/etc/x/y/b.old")
    found = find(str(root), ["/etc/**/*.old"], Guard([]), [])
    assert [os.path.relpath(path, root) for path in found] == ["etc/a.old", "etc/x/y/b.old"]


def test_rules_can_be_kept_and_paths_added(root: Path) -> None:
    write(root, "/swapfile")
    write(root, "/var/lib/example/id")
    assert seal(root, keep=["swap_files"], extra=["/var/lib/example/*"]) == {"extra": ["/var/lib/example/id"]}
    assert (root / "swapfile").exists()


def test_every_wrong_name_is_told_at_once() -> None:
    with pytest.raises(SealError) as caught:
        choose(["no_such"], ["relative", "/*", "/etc/../root"])
    text = str(caught.value)
    assert all(part in text for part in ("no_such", "relative", "'/*'", "/etc/../root", "ssh_host_keys"))


def test_a_failure_names_every_path_and_the_rest_is_done(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("/swapfile", "/swap.img", "/var/tmp/x"):
        write(root, name)
    unlink = os.unlink

    def refuse(path: str) -> None:
        if "swap" in path:
            raise PermissionError(1, "Operation not permitted")
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(SealError, match=r"do not capture.*swap\.img.*swapfile"):
        seal(root)
    assert not (root / "var/tmp/x").exists()
