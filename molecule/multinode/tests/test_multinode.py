"""What the multinode role leaves on a booted node, seen from the first node of each pair."""

import pytest

CONF = "/etc/nccl.conf"
FABRIC = "gpuforge-fabric.service"
PROGRAM = "/usr/local/bin/gpuforge-node"


def nccl(text):
    """Read settings as NCCL does: the first line that names a variable, `#` only in the first column."""
    found = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, value)
    return found


@pytest.fixture
def peers(host):
    """Address of each node, from the hostfile."""
    lines = host.file("/etc/gpuforge/hostfile").content_string.splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


def as_mpi(host, command):
    done = host.run("runuser -u mpi -- sh -c %s", f"cd; {command}")
    assert done.succeeded, done.stderr
    return done.stdout


def test_programs(host):
    # Without an adapter the kernel has no verbs, so those of RDMA are only there.
    for command in ("ibv_devices", "ibstat", "rping", "ib_write_bw"):
        assert host.exists(command), command
    for command in ("ucx_info -v", "mpirun --version"):
        assert host.run(command).succeeded, command


def test_mpirun_starts_a_process_on_each_node(host, peers):
    own = host.check_output("hostname")
    mpirun = "mpirun --hostfile /etc/gpuforge/hostfile -np 2 --map-by node hostname"
    names = sorted(as_mpi(host, mpirun).split())
    assert names == [own, own + "b"]
    assert len(peers) == 2


def test_each_node_has_its_own_key_and_knows_the_others_host_keys(host, peers):
    keys = {as_mpi(host, f"ssh -o BatchMode=yes {peer} cat .ssh/id_ed25519_gpuforge.pub") for peer in peers}
    assert len(keys) == 2
    known = host.file("/home/mpi/.ssh/known_hosts").content_string
    assert all(f"{peer}," in known for peer in peers)
    # The inventory's name, too, and no other key than those that were exchanged.
    own = host.check_output("hostname")
    assert as_mpi(host, f"ssh -o BatchMode=yes -o StrictHostKeyChecking=yes {own}b hostname").strip() == own + "b"


def test_the_keys_open_no_tunnel(host):
    assert host.file("/home/mpi/.ssh/authorized_keys").content_string.count("restrict,pty ssh-ed25519 ") == 2


def test_the_service_has_written_what_a_container_needs(host):
    assert host.check_output(f"systemctl is-active {FABRIC}") == "active"
    assert host.file(f"/etc/systemd/system/multi-user.target.wants/{FABRIC}").is_symlink
    text = host.file(CONF).content_string
    assert "# fabric: tcp" in text
    assert nccl(text) == {"NCCL_SOCKET_IFNAME": "=eth0"}
    assert host.file(CONF).mode == 0o644


def test_a_persons_lines_win_and_stay(host):
    text = host.file(CONF).content_string
    try:
        host.check_output(f"echo NCCL_SOCKET_IFNAME=eth9 >> {CONF}; echo NCCL_DEBUG=WARN >> {CONF}")
        assert host.run(f"systemctl reload {FABRIC}").succeeded
        after = host.file(CONF).content_string
        assert nccl(after) == {"NCCL_SOCKET_IFNAME": "eth9", "NCCL_DEBUG": "WARN"}
        assert after.count("BEGIN gpuforge") == 1
        assert host.run(f"systemctl reload {FABRIC}").succeeded
        assert host.file(CONF).content_string == after
        # Stopping, as a shutdown before a capture does, leaves exactly what the person wrote.
        assert host.run(f"systemctl stop {FABRIC}").succeeded
        assert host.file(CONF).content_string == "NCCL_SOCKET_IFNAME=eth9\nNCCL_DEBUG=WARN\n"
    finally:
        host.run(f"rm -f {CONF}; systemctl restart {FABRIC}")
    assert host.file(CONF).content_string == text


def test_an_edited_block_fails_the_service_and_is_not_lost(host):
    text = host.file(CONF).content_string
    try:
        host.check_output(f"sed -i s/=eth0/=eth7/ {CONF}")
        edited = host.file(CONF).content_string
        assert host.run(f"systemctl restart {FABRIC}").failed
        assert host.file(CONF).content_string == edited
        assert host.check_output(f"systemctl is-failed {FABRIC}") == "failed"
        assert "edited by hand" in host.check_output(f"journalctl --unit={FABRIC} --output=cat")
        check = host.run(f"{PROGRAM} check --only multinode")
        assert check.rc == 1
        assert "edited by hand" in check.stdout
    finally:
        host.run(f"rm -f {CONF}; systemctl restart {FABRIC}")
    assert host.file(CONF).content_string == text
    assert host.run(f"{PROGRAM} check --only multinode").rc == 0


def test_the_environment_wins(host):
    """NCCL itself is not here: its rule is `setenv` without overwriting for each line of the file."""
    reader = (
        "import os\nfor line in open('/etc/nccl.conf'):\n    name, sign, value = line.rstrip().partition('=')\n"
        "    if sign and not line.startswith('#'): os.environ.setdefault(name, value)\n"
        "print(os.environ['NCCL_SOCKET_IFNAME'])"
    )
    assert host.check_output("env NCCL_SOCKET_IFNAME=mine python3 -c %s", reader) == "mine"
    assert host.check_output("python3 -c %s", reader) == "=eth0"
    assert host.run("grep -r NCCL_ /etc/environment /etc/profile.d /etc/profile").stdout == ""
    assert "NCCL_DEBUG" not in host.file(CONF).content_string


def test_memory_may_be_pinned(host):
    limits = host.file("/etc/security/limits.d/91-gpuforge-multinode.conf").content_string.splitlines()
    assert {"* - memlock unlimited", "root - memlock unlimited"} <= set(limits)
    assert host.check_output("systemctl show --property=DefaultLimitMEMLOCK --value") == "infinity"
    assert host.file("/etc/systemd/user.conf.d/91-gpuforge-multinode.conf").contains("DefaultLimitMEMLOCK=infinity")
    # A service that is there, and one that is not.
    assert host.check_output("systemctl show --property=LimitMEMLOCK --value ssh.service") == "infinity"
    assert host.file("/etc/systemd/system/slurmd.service.d/91-gpuforge-multinode.conf").exists


def test_peermem_is_not_wanted_here_and_that_is_no_failure(host):
    assert host.check_output("systemctl is-active gpuforge-peermem.service") == "active"
    assert "not wanted: no NVIDIA GPU" in host.check_output(f"{PROGRAM} peermem")


def test_no_failed_unit(host):
    assert host.check_output("systemctl list-units --failed --no-legend") == ""
