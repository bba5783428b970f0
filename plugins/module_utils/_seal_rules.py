# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What an image must not carry into the machines made of it, as data: one rule a kind of trace.

Patterns are absolute. ``*`` matches any name (also one with a leading dot), ``**`` any number of folders, ``~`` every
home: those in /etc/passwd, /root, /home/* and /etc/skel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

REMOVE = "remove"
"""Delete what matches; a folder with all that is in it."""
REMOVE_FILES = "remove_files"
"""Delete what matches and is no folder: the folders, their owners and modes are wanted as they are."""
EMPTY = "empty"
"""Cut matching files to length zero: owner, mode and name are wanted as they are."""
BLANK = "blank"
"""Have exactly this file, empty; make it when it is missing."""
DROP_LINES = "drop_lines"
"""Take the lines that match `Rule.lines` out of matching files, or put `Rule.instead` in their place."""


@dataclass(frozen=True)
class Rule:
    """One kind of trace. ``source`` says which program or document makes it one;

    ``lines`` is a regular expression, matched at the start of a line without regard to case, and ``instead`` the line
    that takes the place of one that matches (none when empty).
    """

    id: str
    action: str
    paths: Tuple[str, ...]
    why: str
    source: str
    lines: str = ""
    instead: str = ""


_PROXY_VARIABLE = r"\b(?:https?|ftp|all|no)_proxy\s*=\s*[^\s;]"


RULES = (
    # Who the machine is
    Rule(
        "machine_id",
        BLANK,
        ("/etc/machine-id",),
        "Machines with one id get one DHCP lease and mix their journals; systemd makes an id when the file is empty.",
        "machine-id(5)",
    ),
    Rule(
        "dbus_machine_id",
        REMOVE,
        ("/var/lib/dbus/machine-id",),
        "A copy of the id; tmpfiles.d makes it a link to /etc/machine-id at boot.",
        "/usr/lib/tmpfiles.d/dbus.conf",
    ),
    Rule(
        "ssh_host_keys",
        REMOVE,
        ("/etc/ssh/ssh_host_*",),
        "Whoever has the image could pose as every machine made of it. New ones are made at the first boot.",
        "sshd(8)",
    ),
    Rule(
        "module_signing_keys",
        REMOVE,
        ("/var/lib/dkms/mok.*", "/var/lib/shim-signed/mok/*"),
        "Whoever has the image could sign kernel modules that every machine made of it accepts. DKMS makes new ones.",
        "dkms(8)",
    ),
    Rule(
        "random_seed",
        REMOVE,
        ("/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/boot/efi/loader/random-seed"),
        "All machines would start from the same randomness.",
        "systemd-random-seed.service(8)",
    ),
    Rule(
        "credential_secret",
        REMOVE,
        ("/var/lib/systemd/credential.secret",),
        "It would decrypt the system credentials of every machine made of the image.",
        "systemd-creds(1)",
    ),
    Rule(
        "storage_ids",
        REMOVE,
        ("/etc/hostid", "/etc/nvme/hostid", "/etc/nvme/hostnqn", "/etc/iscsi/initiatorname.iscsi"),
        "Storage that tells hosts apart by these would take several machines for one.",
        "nvme-cli, open-iscsi, zfs",
    ),
    # Who may enter, and what else only its owner may know
    Rule(
        "authorized_keys",
        REMOVE,
        ("~/.ssh/authorized_keys*", "/etc/ssh/authorized_keys/*", "/etc/ssh/authorized_keys.d/*"),
        "The builder's key would open every machine made of the image.",
        "sshd(8), AUTHORIZED_KEYS FILE FORMAT",
    ),
    Rule(
        "ssh_identities",
        REMOVE,
        ("~/.ssh/id_*", "~/.ssh/known_hosts*", "~/.ssh/agent", "~/.ssh/environment"),
        "Private keys of a person, and which hosts they know.",
        "ssh(1)",
    ),
    Rule(
        "credentials",
        REMOVE,
        (
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
        "Log-ins of whoever made the image.",
        "the programs that the folders are named after",
    ),
    Rule(
        "builders_rights",
        REMOVE,
        ("/etc/sudoers.d/90-cloud-init-users",),
        "Rights of the user that the builder came in as; cloud-init writes the file again for its own.",
        "cloud-init, module users_groups",
    ),
    Rule(
        "account_backups",
        REMOVE,
        (
            "/etc/passwd-",
            "/etc/shadow-",
            "/etc/group-",
            "/etc/gshadow-",
            "/etc/subuid-",
            "/etc/subgid-",
            "/var/backups/*",
        ),
        "Accounts as they were before a change, with their password hashes.",
        "shadow(5), cron.daily of dpkg and passwd",
    ),
    # Where it was
    Rule(
        "cloud_init",
        REMOVE,
        ("/var/lib/cloud/*", "/var/log/cloud-init*.log"),
        "cloud-init would take each machine for the one that was baked, and set up nothing.",
        "cloud-init clean --logs --seed",
    ),
    Rule(
        "network",
        REMOVE,
        (
            "/etc/netplan/50-cloud-init.yaml",
            "/etc/network/interfaces.d/50-cloud-init*",
            "/etc/systemd/network/*-cloud-init-*",
            "/etc/udev/rules.d/70-persistent-net.rules",
            "/etc/udev/rules.d/75-persistent-net-generator.rules",
            "/etc/udev/rules.d/75-cloud-ifupdown.rules",
        ),
        "Network set up for the hardware addresses of one machine.",
        "cloud-init, udev",
    ),
    Rule(
        "leases",
        REMOVE_FILES,
        ("/var/lib/dhcp/**", "/var/lib/dhcpcd/**", "/var/lib/NetworkManager/**"),
        "Addresses that were given to another machine.",
        "dhclient(8), dhcpcd(8), NetworkManager(8)",
    ),
    Rule(
        "proxies",
        DROP_LINES,
        (
            "/etc/environment",
            "/etc/environment.d/*",
            "/etc/apt/apt.conf",
            "/etc/apt/apt.conf.d/*",
            "/etc/systemd/system.conf.d/*",
            "/etc/wgetrc",
            "/etc/pip.conf",
            "~/.config/pip/pip.conf",
            "~/.curlrc",
            "~/.wgetrc",
            "~/.gitconfig",
        ),
        "A machine in another network would wait for a proxy that is not there.",
        "environ(7), apt.conf(5), curl(1), wget(1), pip",
        lines=(
            r"^(?!\s*(?:#|//|;)).*(?:" + _PROXY_VARIABLE + r"|\bAcquire::\w+::(?:\S*::)?Proxy\b)"
            r"|^\s*Proxy(?:-Auto-Detect)?\s+\"[^\"]*\";"
            r"|^\s*\"?proxy\"?\s*[=:]\s*\S"
        ),
    ),
    Rule(
        "proxies_in_shells",
        DROP_LINES,
        (
            "/etc/profile",
            "/etc/profile.d/*",
            "/etc/bash.bashrc",
            "~/.profile",
            "~/.bashrc",
            "~/.bash_profile",
            "~/.zshrc",
        ),
        "As above. Something that does nothing takes their place, for they may be all there is in an `if`.",
        "environ(7), sh(1)",
        lines=r"^(?!\s*#).*" + _PROXY_VARIABLE,
        instead=":",
    ),
    # How it was made
    Rule(
        "rotated_logs",
        REMOVE_FILES,
        ("/var/log/**/*.gz", "/var/log/**/*.xz", "/var/log/**/*.[0-9]", "/var/log/**/*.old"),
        "The past of the machine that was baked.",
        "logrotate(8)",
    ),
    Rule(
        "journal",
        REMOVE,
        ("/var/log/journal/*",),
        "Folders named after the id of the machine that was baked.",
        "systemd-journald.service(8)",
    ),
    Rule(
        "logs",
        EMPTY,
        ("/var/log/**",),
        "The past of the machine that was baked, its log-ins (wtmp, btmp, lastlog) included. The files stay, for "
        "daemons that may write to one but not make it.",
        "hier(7)",
    ),
    Rule(
        "build_logs",
        EMPTY,
        ("/var/lib/dkms/*/*/*/*/log/*",),
        "When the modules were built, and in which order two processors came to each file: two bakes of the same image "
        "differ in nothing else.",
        "dkms(8)",
    ),
    Rule(
        "histories",
        REMOVE,
        ("~/.*history", "~/.lesshst", "~/.viminfo", "~/.wget-hsts"),
        "What was typed, at times a password.",
        "bash(1), less(1), vim(1), python3(1)",
    ),
    Rule(
        "ansible",
        REMOVE,
        ("~/.ansible", "~/.ansible_async"),
        "Modules and their arguments.",
        "ansible-core, remote_tmp",
    ),
    Rule("user_caches", REMOVE, ("~/.cache",), "Downloads and traces of programs that ran.", "XDG base directories"),
    Rule(
        "temporary_files",
        REMOVE,
        ("/tmp/*", "/var/tmp/*"),
        "Left by whoever was there.",
        "hier(7)",
    ),
    Rule(
        "package_index",
        REMOVE_FILES,
        ("/var/lib/apt/lists/**", "/var/cache/apt/*.bin", "/var/lib/apt/periodic/*"),
        "Old when the image boots, and large. The stamps say that it was fetched.",
        "apt-get(8)",
    ),
    Rule("package_files", REMOVE_FILES, ("/var/cache/apt/archives/**",), "Installed already.", "apt-get(8), clean"),
    Rule(
        "package_backups",
        REMOVE_FILES,
        (
            "/etc/**/*.dpkg-old",
            "/etc/**/*.dpkg-new",
            "/etc/**/*.dpkg-tmp",
            "/etc/**/*.ucf-old",
            "/var/lib/dpkg/*-old",
            "/var/cache/debconf/*-old",
        ),
        "Earlier states of files that a package replaced.",
        "dpkg(1), ucf(1), debconf(7)",
    ),
    Rule(
        "linker_cache",
        REMOVE,
        ("/var/cache/ldconfig/aux-cache",),
        "Inode numbers and times of another file system; ldconfig makes it again.",
        "ldconfig(8)",
    ),
    Rule(
        "state_of_services",
        REMOVE_FILES,
        (
            "/var/lib/systemd/timers/*",
            "/var/lib/systemd/coredump/*",
            "/var/lib/systemd/pstore/**",
            "/var/lib/systemd/rfkill/*",
            "/var/lib/systemd/timesync/*",
            "/var/lib/logrotate/status",
            "/var/crash/*",
            "/var/mail/*",
            "/var/spool/mail/*",
        ),
        "When jobs ran last, what crashed, mail.",
        "systemd.timer(5), systemd-coredump(8), logrotate(8)",
    ),
    Rule(
        "swap_files",
        REMOVE,
        ("/swapfile", "/swap.img", "/var/swap*"),
        "Memory of the machine that was baked.",
        "swapon(8)",
    ),
    Rule(
        "swap_entries",
        DROP_LINES,
        ("/etc/fstab",),
        "A swap area that the image does not have delays every boot.",
        "fstab(5)",
        lines=r"^\s*[^#\s]\S*\s+\S+\s+swap\s.*$",
    ),
)
"""All rules, in the order in which they are applied: what one removes, no later one looks at."""
