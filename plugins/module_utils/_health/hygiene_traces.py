# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What must not be left in an image: one row a kind of trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

from .model import CRITICAL, WARNING


@dataclass(frozen=True)
class Trace:
    """Files that an image must not carry.

    ``patterns`` as in `leftovers.find`; paths that end with one of ``harmless`` are left out. ``empty_is_fine`` is for
    files that may be there with nothing in them, ``by_change`` for those whose time of modification comes from
    elsewhere.
    """

    id: str
    title: str
    severity: str
    why: str
    patterns: Tuple[str, ...]
    harmless: Tuple[str, ...] = ()
    empty_is_fine: bool = False
    by_change: bool = False


TRACES = (
    Trace(
        "hygiene.ssh_host_keys",
        "no SSH host key is in the image",
        CRITICAL,
        "Every machine of the image would have the same host key, known to whoever has the image.",
        ("/etc/ssh/ssh_host_*",),
    ),
    Trace(
        "hygiene.dkms_key",
        "no key that signs kernel modules is in the image",
        CRITICAL,
        "Whoever has the image could sign modules for every machine that trusts the key.",
        ("/var/lib/dkms/mok.*", "/var/lib/dkms/*.priv", "/var/lib/shim-signed/mok/*", "/etc/dkms/*.key"),
    ),
    Trace(
        "hygiene.host_secrets",
        "no secret or number that belongs to one host is in the image",
        CRITICAL,
        "Machines would share the key of their system credentials, or be one host to their storage.",
        (
            "/var/lib/systemd/credential.secret",
            "/etc/hostid",
            "/etc/nvme/hostid",
            "/etc/nvme/hostnqn",
            "/etc/iscsi/initiatorname.iscsi",
        ),
    ),
    Trace(
        "hygiene.credentials",
        "nobody's log-ins are in the image",
        CRITICAL,
        "Whoever has the image could log in elsewhere as the one who made it.",
        (
            "~/.ssh/id_*",
            "~/.ssh/known_hosts*",
            "~/.aws",
            "~/.azure",
            "~/.boto",
            "~/.config/gcloud",
            "~/.docker/config.json",
            "~/.git-credentials",
            "~/.gnupg",
            "~/.kube",
            "~/.netrc",
            "~/.pgpass",
            "~/.pypirc",
        ),
    ),
    Trace(
        "hygiene.builders_rights",
        "no rights of the user that made the image are left",
        CRITICAL,
        "A user of that name would be root on every machine of the image.",
        ("/etc/sudoers.d/90-cloud-init-users",),
    ),
    Trace(
        "hygiene.account_backups",
        "no earlier state of the accounts is in the image",
        WARNING,
        "Earlier states hold password hashes of accounts that were changed since.",
        ("/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/var/backups/*"),
        by_change=True,
    ),
    Trace(
        "hygiene.cloud_init",
        "cloud-init has not run in the image",
        CRITICAL,
        "cloud-init would take the machine for the one that was baked and not set up users, keys and network.",
        (
            "/var/lib/cloud/instance",
            "/var/lib/cloud/instances/*",
            "/var/lib/cloud/data/*",
            "/var/lib/cloud/sem/*",
            "/var/lib/cloud/seed/*/*",
        ),
    ),
    Trace(
        "hygiene.histories",
        "no history of a shell or another program is in the image",
        WARNING,
        "Histories hold what was typed, at times passwords.",
        (
            "~/.*history",
            "~/.lesshst",
            "~/.viminfo",
            "~/.wget-hsts",
        ),
        empty_is_fine=True,
    ),
    Trace(
        "hygiene.ansible",
        "nothing of Ansible is left in a home",
        WARNING,
        "Ansible's files may hold arguments of modules.",
        ("~/.ansible", "~/.ansible_async"),
        by_change=True,
    ),
    Trace(
        "hygiene.package_caches",
        "no package index and no package file is in the image",
        WARNING,
        "They are stale when the image boots and make it larger.",
        (
            "/var/lib/apt/lists/*",
            "/var/lib/apt/lists/partial/*",
            "/var/cache/apt/*.bin",
            "/var/cache/apt/archives/*",
            "/var/cache/apt/archives/partial/*",
        ),
        harmless=("/lock", "/partial", "/auxfiles"),
        by_change=True,
    ),
    Trace(
        "hygiene.leases",
        "no DHCP lease is in the image",
        WARNING,
        "A machine would ask for the address of the one that was baked.",
        ("/var/lib/dhcp/*", "/var/lib/dhclient/*", "/var/lib/NetworkManager/*lease*", "/var/lib/dhcpcd/*lease*"),
        empty_is_fine=True,
    ),
    Trace(
        "hygiene.network_names",
        "no network set-up of the baked machine is in the image",
        WARNING,
        "Names and addresses of cards that other machines do not have.",
        (
            "/etc/udev/rules.d/70-persistent-net.rules",
            "/etc/netplan/50-cloud-init.yaml",
            "/etc/network/interfaces.d/50-cloud-init*",
            "/etc/systemd/network/10-cloud-init-*",
        ),
    ),
    Trace(
        "hygiene.logins",
        "no record of logins is in the image",
        WARNING,
        "Names and addresses of those who made the image.",
        ("/var/log/wtmp*", "/var/log/btmp*", "/var/log/lastlog", "/var/lib/lastlog/*", "/var/lib/wtmpdb/*"),
        empty_is_fine=True,
    ),
    Trace(
        "hygiene.temporary",
        "nothing temporary is in the image",
        WARNING,
        "What a bake put there, perhaps with its arguments.",
        ("/tmp/*", "/tmp/.*", "/var/tmp/*", "/var/tmp/.*"),
        by_change=True,
    ),
    Trace(
        "hygiene.dumps",
        "no crash dump is in the image",
        WARNING,
        "Dumps hold memory of programs, at times with secrets.",
        ("/var/crash/*", "/var/lib/systemd/coredump/*", "/var/lib/systemd/pstore/*", "/core", "/core.*"),
        by_change=True,
    ),
    Trace(
        "hygiene.service_ban",
        "services may start",
        CRITICAL,
        "The file that keeps services from starting in a bake would keep packages from starting theirs for good.",
        ("/usr/sbin/policy-rc.d",),
    ),
)
