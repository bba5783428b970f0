"""The sealed tree, before anything has booted from it."""

GONE = (
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/sshd_config.dpkg-old",
    "/etc/network/interfaces.d/50-cloud-init",
    "/home/builder/.ssh/authorized_keys",
    "/home/builder/.ssh/id_ed25519",
    "/home/builder/.bash_history",
    "/home/builder/.cache",
    "/home/builder/.ansible",
    "/root/.ssh/authorized_keys",
    "/root/.python_history",
    "/root/.netrc",
    "/var/lib/cloud/instances",
    "/var/lib/dkms/mok.key",
    "/var/lib/dkms/mok.pub",
    "/var/lib/dhcp/dhclient.eth0.leases",
    "/var/lib/systemd/credential.secret",
    "/var/lib/example/node-id",
    "/var/log/syslog.1",
    "/var/tmp/left",
)

KEPT = (
    "/home/builder/.ssh",
    "/root/.ssh",
    "/var/lib/cloud",
    "/var/lib/dkms",
    "/var/lib/dhcp",
    "/var/lib/apt/lists/partial",
    "/var/cache/apt/archives",
    "/etc/ssh/sshd_config",
    "/swapfile",
)


def test_what_is_gone_and_what_is_kept(host):
    # One command: asking a container for each path takes a while.
    listed = host.run(f"ls -d {' '.join(GONE + KEPT)}").stdout.split()
    assert sorted(listed) == sorted(KEPT)


def test_the_machine_has_no_id(host):
    assert host.file("/etc/machine-id").size == 0


def test_logs_are_empty_and_keep_owner_and_mode(host):
    # podman mounts a file system of its own at /var/log/journal; what is mounted is not part of the image.
    assert host.check_output("find /var/log -xdev -type f -size +0") == ""
    btmp = host.file("/var/log/btmp")
    assert (btmp.user, btmp.group, btmp.mode) == ("root", "utmp", 0o660)
    assert host.file("/var/log/custom/deep/app.log").mode == 0o600


def test_no_package_index_is_left(host):
    assert host.check_output("find /var/lib/apt/lists /var/cache/apt -type f") == ""


def test_proxies_are_taken_out_line_by_line(host):
    assert host.file("/etc/environment").content_string == "LANG=C.UTF-8\n"
    assert host.file("/etc/apt/apt.conf.d/80proxy").content_string == ""
    assert host.file("/etc/profile.d/proxy.sh").content_string == "if true; then\n:\nfi\n"
    assert host.run("sh -n /etc/profile.d/proxy.sh").succeeded


def test_no_swap_in_fstab(host):
    assert host.file("/etc/fstab").content_string == "tmpfs /mnt tmpfs noauto 0 0\n"
