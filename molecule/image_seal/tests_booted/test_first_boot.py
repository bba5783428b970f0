"""What has to come back by itself when a sealed image boots, without cloud-init."""


def test_the_machine_has_made_an_id(host):
    assert len(host.file("/etc/machine-id").content_string.strip()) == 32


def test_ssh_serves_with_new_host_keys(host):
    assert host.file("/etc/ssh/ssh_host_ed25519_key").mode == 0o600
    assert host.service("ssh").is_running
    assert host.check_output("ssh-keyscan -t ed25519 127.0.0.1 2>&1 | grep -c ssh-ed25519") == "1"


def test_the_unit_leaves_existing_keys_alone(host):
    before = host.file("/etc/ssh/ssh_host_ed25519_key").sha256sum
    host.check_output("systemctl restart gpuforge-host-keys.service ssh.service")
    assert host.file("/etc/ssh/ssh_host_ed25519_key").sha256sum == before
