"""Trees for the group hygiene: an unpacked image, and a machine that has just booted for the first time.

``t_…`` builds an unpacked tree, ``b_…`` a booted machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from ansible_collections.gpuforge.node.plugins.module_utils._health.machine import Ran
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import (
    BOOTED_AT,
    MACHINE_ID,
    Case,
    Node,
)

BEFORE, AFTER = BOOTED_AT - 3600.0, BOOTED_AT + 5.0
PASSWD = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/sh\n"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
USERS_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIUsersOwnKeyOfThisBoot"
BUILDERS_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIBuildersKeyLeftBehind"


def t_clean(node: Node) -> None:
    """A sealed image: what is always there, and nothing else."""
    node.live = False
    node.file("/etc/passwd", PASSWD)
    node.file("/etc/shadow", "root:*:19000:0:99999:7:::\nnobody:!:19000:0:99999:7:::\n")
    node.file("/etc/machine-id", "")
    node.link("/var/lib/dbus/machine-id", "/etc/machine-id")
    node.file("/etc/fstab", "UUID=1 / ext4 defaults 0 1\n# /swapfile none swap sw 0 0\n")
    node.file("/etc/ssh/sshd_config", "Port 22\n")
    node.file("/etc/wgetrc", "#https_proxy = http://proxy.yoyodyne.com:18023/\n")
    node.file("/etc/ssl/certs/ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    node.file("/root/.bashrc", "# ~/.bashrc\n")
    node.file("/var/lib/apt/lists/lock")
    node.folder("/var/lib/apt/lists/partial")
    node.file("/var/cache/apt/archives/lock")
    for name in ("wtmp", "btmp", "lastlog"):
        node.file(f"/var/log/{name}")
    for folder in ("/tmp", "/var/tmp", "/home", "/var/lib/cloud/scripts/per-boot", "/var/lib/dhcp"):
        node.folder(folder)


def b_clean(node: Node) -> None:
    """The same image a few seconds after its first boot."""
    t_clean(node)
    node.live = True
    node.boot()
    node.file("/etc/machine-id", MACHINE_ID + "\n", at=AFTER)
    node.file("/etc/ssh/ssh_host_ed25519_key", PRIVATE, at=AFTER)
    node.file("/var/lib/cloud/instances/iid-1/boot-finished", "x", at=AFTER)
    os.utime(node.root / "var/lib/cloud/instances/iid-1", (AFTER, AFTER))
    node.file("/root/.ssh/authorized_keys", f"ssh-ed25519 {USERS_KEY} me\n", at=AFTER)
    node.file("/run/cloud-init/instance-data-sensitive.json", f'{{"keys": ["ssh-ed25519 {USERS_KEY} me"]}}')
    node.file(f"/var/log/journal/{MACHINE_ID}/system.journal", b"x" * 500_000, at=AFTER)
    node.file("/var/lib/systemd/random-seed", b"x" * 32, at=AFTER)
    node.answer("stat", f"{int(AFTER)}\n")


Build = Callable[[Node], None]


def _named(name: str, build: Build) -> Build:
    build.__name__ = name
    return build


def _tree_with(path: str, content: str = "x") -> Build:
    def build(node: Node) -> None:
        t_clean(node)
        node.file(path, content)

    return _named("tree with " + path, build)


def _booted_with(path: str, content: str = "x", at: float = BEFORE) -> Build:
    def build(node: Node) -> None:
        b_clean(node)
        node.file(path, content, at=at)

    return _named(("left " if at == BEFORE else "made ") + path, build)


#: For each row of hygiene_traces.py, files that an image must not hold.
LEFT = {
    "hygiene.ssh_host_keys": ("/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub"),
    "hygiene.dkms_key": ("/var/lib/dkms/mok.key", "/var/lib/shim-signed/mok/MOK.priv"),
    "hygiene.host_secrets": ("/var/lib/systemd/credential.secret", "/etc/nvme/hostid"),
    "hygiene.credentials": ("/root/.ssh/id_ed25519", "/home/debian/.docker/config.json", "/etc/skel/.netrc"),
    "hygiene.builders_rights": ("/etc/sudoers.d/90-cloud-init-users",),
    "hygiene.account_backups": ("/etc/shadow-", "/var/backups/passwd.bak"),
    "hygiene.cloud_init": ("/var/lib/cloud/instances/i-1", "/var/lib/cloud/data/instance-id"),
    "hygiene.histories": ("/root/.bash_history", "/home/debian/.python_history", "/home/debian/.lesshst"),
    "hygiene.ansible": ("/root/.ansible/tmp/x", "/home/debian/.ansible/cp/x"),
    "hygiene.package_caches": (
        "/var/lib/apt/lists/deb_dists_bookworm_Release",
        "/var/cache/apt/archives/less.deb",
        "/var/cache/apt/pkgcache.bin",
    ),
    "hygiene.leases": ("/var/lib/dhcp/dhclient.ens3.leases",),
    "hygiene.network_names": ("/etc/netplan/50-cloud-init.yaml", "/etc/udev/rules.d/70-persistent-net.rules"),
    "hygiene.logins": ("/var/log/wtmp", "/var/log/btmp.1"),
    "hygiene.temporary": ("/tmp/x", "/var/tmp/.x"),
    "hygiene.dumps": ("/var/lib/systemd/coredump/core.x", "/var/crash/x"),
    "hygiene.service_ban": ("/usr/sbin/policy-rc.d",),
}
#: Times of change cannot be set: on paper these are always new, so that only the unpacked tree shows them.
BY_CHANGE = (
    "hygiene.account_backups",
    "hygiene.ansible",
    "hygiene.package_caches",
    "hygiene.temporary",
    "hygiene.dumps",
)


def t_history_empty(node: Node) -> None:
    t_clean(node)
    node.file("/root/.bash_history", "")


def t_id_uninitialized(node: Node) -> None:
    t_clean(node)
    node.file("/etc/machine-id", "uninitialized\n")


def t_id_absent(node: Node) -> None:
    t_clean(node)
    (node.root / "etc/machine-id").unlink()


def t_id_left(node: Node) -> None:
    t_clean(node)
    node.file("/etc/machine-id", MACHINE_ID + "\n")


def t_id_of_dbus_left(node: Node) -> None:
    t_clean(node)
    (node.root / "var/lib/dbus/machine-id").unlink()
    node.file("/var/lib/dbus/machine-id", MACHINE_ID + "\n")


def b_id_left(node: Node) -> None:
    b_clean(node)
    node.file("/etc/machine-id", MACHINE_ID + "\n", at=BEFORE)


def b_id_empty(node: Node) -> None:
    b_clean(node)
    node.file("/etc/machine-id", "", at=AFTER)


def t_key_in_home(node: Node) -> None:
    t_clean(node)
    node.file("/home/packer/.ssh/authorized_keys", f"# builder\n\nssh-ed25519 {BUILDERS_KEY} packer\n")


def t_key_of_system_user(node: Node) -> None:
    t_clean(node)
    node.file("/etc/passwd", PASSWD + "git:x:999:999::/srv/git:/bin/sh\n")
    node.file("/srv/git/.ssh/authorized_keys2", f"ssh-ed25519 {BUILDERS_KEY} packer\n")


def t_key_file_empty(node: Node) -> None:
    t_clean(node)
    node.file("/root/.ssh/authorized_keys", "# nobody\n\n")


def b_strange_key_appended(node: Node) -> None:
    b_clean(node)
    text = f"ssh-ed25519 {BUILDERS_KEY} packer\nssh-ed25519 {USERS_KEY} me\n"
    node.file("/root/.ssh/authorized_keys", text, at=AFTER)


def b_known_key_left(node: Node) -> None:
    b_clean(node)
    node.file("/root/.ssh/authorized_keys", f"ssh-ed25519 {USERS_KEY} me\n", at=BEFORE)


def b_line_without_key(node: Node) -> None:
    b_clean(node)
    node.file("/root/.ssh/authorized_keys", "cert-authority nonsense\n", at=AFTER)


def b_cloud_init_is_silent(node: Node) -> None:
    b_clean(node)
    (node.root / "run/cloud-init/instance-data-sensitive.json").unlink()


def b_no_keys(node: Node) -> None:
    b_clean(node)
    (node.root / "root/.ssh/authorized_keys").unlink()


def t_password_hash(node: Node) -> None:
    t_clean(node)
    node.file("/etc/shadow", "root:$y$j9T$abc:19000:0:99999:7:::\n")


def t_password_empty(node: Node) -> None:
    t_clean(node)
    node.file("/etc/shadow", "root:*:19000::::::\nguest::19000::::::\n")


def t_no_shadow(node: Node) -> None:
    t_clean(node)
    (node.root / "etc/shadow").unlink()


def t_seed_left(node: Node) -> None:
    t_clean(node)
    node.file("/var/lib/systemd/random-seed", b"x")


def b_seed_left(node: Node) -> None:
    b_clean(node)
    node.answer("stat", f"{int(BEFORE)}\n")


def b_seed_without_birth(node: Node) -> None:
    b_clean(node)
    node.answer("stat", "0\n")


def b_seed_without_stat(node: Node) -> None:
    b_clean(node)
    node.programs.clear()


def t_key_in_etc(node: Node) -> None:
    t_clean(node)
    node.file("/etc/ssl/private/snakeoil.key", "text before\n-----BEGIN PRIVATE KEY-----\nAAAA\n")


def t_key_in_var_lib(node: Node) -> None:
    t_clean(node)
    node.file("/var/lib/puppet/ssl/x.pem", "-----BEGIN RSA PRIVATE KEY-----\n")


def t_key_only_where_dpkg_writes(node: Node) -> None:
    t_clean(node)
    node.file("/var/lib/dpkg/info/openssl.postinst", "-----BEGIN PRIVATE KEY-----\n")


def b_key_left(node: Node) -> None:
    b_clean(node)
    node.file("/home/debian/deploy.key", PRIVATE, at=BEFORE)


def b_key_made(node: Node) -> None:
    b_clean(node)
    node.file("/var/lib/cloud/instance-user-data", PRIVATE, at=AFTER)


def t_proxy_of_apt(node: Node) -> None:
    t_clean(node)
    node.file("/etc/apt/apt.conf.d/01proxy", 'Acquire::http::Proxy "http://10.0.0.1:3142";\n')


def t_proxy_in_environment(node: Node) -> None:
    t_clean(node)
    node.file("/etc/environment", 'PATH="/usr/bin"\nhttps_proxy="http://10.0.0.1:3128"\n')


def t_no_proxy_for_apt(node: Node) -> None:
    t_clean(node)
    node.file("/etc/apt/apt.conf.d/01proxy", '// Acquire::http::Proxy "x";\nAcquire::http::Proxy "DIRECT";\n')
    node.file("/etc/environment", "no_proxy=localhost\n")


def b_proxy_made(node: Node) -> None:
    b_clean(node)
    node.file("/etc/apt/apt.conf.d/90cloud-init-aptproxy", 'Acquire::http::Proxy "http://p:1";\n', at=AFTER)


def b_proxy_left(node: Node) -> None:
    b_clean(node)
    node.file("/etc/environment", "http_proxy=http://p:1\n", at=BEFORE)


def t_swap_file(node: Node) -> None:
    t_clean(node)
    node.file("/swapfile", b"x")


def t_swap_in_fstab(node: Node) -> None:
    t_clean(node)
    node.file("/etc/fstab", "UUID=2 none swap sw 0 0\n")


def t_logs_full(node: Node) -> None:
    t_clean(node)
    node.file("/var/log/dpkg.log", b"x" * 100_000)


def t_logs_sparse(node: Node) -> None:
    t_clean(node)
    with (node.root / "var/log/faillog").open("wb") as file:
        file.truncate(10_000_000)


def t_link_to_logins(node: Node) -> None:
    """As Debian 13's package of wtmpdb ships it."""
    t_clean(node)
    (node.root / "var/lib/wtmpdb").mkdir(parents=True)
    (node.root / "var/lib/wtmpdb/wtmp.db").symlink_to("../../log/wtmp.db")


def t_logins_behind_a_link(node: Node) -> None:
    t_link_to_logins(node)
    node.file("/var/log/wtmp.db", b"SQLite format 3")


def b_logs_left(node: Node) -> None:
    b_clean(node)
    node.file("/var/log/apt/term.log", b"x" * 100_000, at=BEFORE)


def b_journal_of_another_machine(node: Node) -> None:
    b_clean(node)
    node.folder("/var/log/journal/" + "f" * 32)


def t_no_system(node: Node) -> None:
    node.live = False


def b_no_boot_time(node: Node) -> None:
    b_clean(node)
    node.file("/proc/stat", "cpu 1 2 3\n")


def _birth_of_seed(node: Node) -> None:
    b_clean(node)
    node.programs["stat"] = lambda argv: Ran(0, f"{int(BEFORE) if argv[-1].endswith('random-seed') else 0}", "")


CHECKS_OF_CONTENT = (
    "machine_id",
    "authorized_keys",
    "passwords",
    "random_seed",
    "private_keys",
    "proxies",
    "swap",
    "logs",
)

CASES = (
    *(Case(check, "pass", t_clean) for check in LEFT),
    *(Case(check, "pass", b_clean) for check in LEFT if check not in BY_CHANGE),
    *(
        Case(check, "fail", _tree_with(path), path.split("/.ansible")[0])
        for check, paths in LEFT.items()
        for path in paths
    ),
    *(
        Case(check, "fail", _booted_with(path), path)
        for check, paths in LEFT.items()
        if check not in BY_CHANGE
        for path in paths
    ),
    *(
        Case(check, "pass", _booted_with(path, at=AFTER))
        for check, paths in LEFT.items()
        for path in paths
        if not path.startswith("/var/lib/cloud")
    ),
    Case("hygiene.histories", "pass", t_history_empty),
    Case("hygiene.ssh_host_keys", "unknown", b_no_boot_time, "/proc/stat"),
    *(Case(check, "unknown", t_no_system, "not the tree of a system") for check in LEFT),
    *(Case(f"hygiene.{name}", "unknown", t_no_system, "not the tree of a system") for name in CHECKS_OF_CONTENT),
    *(Case(f"hygiene.{name}", "pass", t_clean) for name in CHECKS_OF_CONTENT),
    *(Case(f"hygiene.{name}", "pass", b_clean) for name in CHECKS_OF_CONTENT if name != "passwords"),
    Case("hygiene.machine_id", "pass", t_id_uninitialized),
    Case("hygiene.machine_id", "pass", t_id_absent),
    Case("hygiene.machine_id", "fail", t_id_left, MACHINE_ID),
    Case("hygiene.machine_id", "fail", t_id_of_dbus_left, "/var/lib/dbus"),
    Case("hygiene.machine_id", "fail", b_id_left, "3600 s older than the boot"),
    Case("hygiene.machine_id", "fail", b_id_empty, "empty"),
    Case("hygiene.authorized_keys", "pass", t_key_file_empty),
    Case("hygiene.authorized_keys", "pass", b_no_keys),
    Case("hygiene.authorized_keys", "fail", t_key_in_home, "/home/packer/.ssh/authorized_keys (1)"),
    Case("hygiene.authorized_keys", "fail", t_key_of_system_user, "/srv/git"),
    Case("hygiene.authorized_keys", "fail", b_strange_key_appended, BUILDERS_KEY[-16:]),
    Case("hygiene.authorized_keys", "fail", b_known_key_left, "older than the boot"),
    Case("hygiene.authorized_keys", "fail", b_line_without_key, "nonsense"),
    Case("hygiene.authorized_keys", "unknown", b_cloud_init_is_silent, "does not say"),
    Case("hygiene.passwords", "fail", t_password_hash, "root"),
    Case("hygiene.passwords", "fail", t_password_empty, "guest"),
    Case("hygiene.passwords", "unknown", t_no_shadow, "shadow"),
    Case("hygiene.passwords", "skipped", b_clean),
    Case("hygiene.random_seed", "fail", t_seed_left),
    Case("hygiene.random_seed", "fail", b_seed_left, "older than the boot"),
    Case("hygiene.random_seed", "fail", _birth_of_seed),
    Case("hygiene.random_seed", "unknown", b_seed_without_birth, "does not tell"),
    Case("hygiene.random_seed", "unknown", b_seed_without_stat, "not installed"),
    Case("hygiene.private_keys", "fail", t_key_in_etc, "/etc/ssl/private/snakeoil.key"),
    Case("hygiene.private_keys", "fail", t_key_in_var_lib, "/var/lib/puppet"),
    Case("hygiene.private_keys", "pass", t_key_only_where_dpkg_writes),
    Case("hygiene.private_keys", "fail", b_key_left, "deploy.key"),
    Case("hygiene.private_keys", "pass", b_key_made),
    Case("hygiene.proxies", "fail", t_proxy_of_apt, "01proxy"),
    Case("hygiene.proxies", "fail", t_proxy_in_environment, "/etc/environment"),
    Case("hygiene.proxies", "pass", t_no_proxy_for_apt),
    Case("hygiene.proxies", "pass", b_proxy_made),
    Case("hygiene.proxies", "fail", b_proxy_left),
    Case("hygiene.swap", "fail", t_swap_file, "/swapfile"),
    Case("hygiene.swap", "fail", t_swap_in_fstab, "UUID=2 in /etc/fstab"),
    Case("hygiene.logins", "pass", t_link_to_logins),
    Case("hygiene.logins", "fail", t_logins_behind_a_link, "/var/log/wtmp.db"),
    Case("hygiene.logs", "fail", t_logs_full, "/var/log/dpkg.log (100000)"),
    Case("hygiene.logs", "pass", t_logs_sparse),
    Case("hygiene.logs", "fail", b_logs_left, "/var/log/apt/term.log"),
    Case("hygiene.logs", "fail", b_journal_of_another_machine, "f" * 32),
)
