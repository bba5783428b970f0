"""What the framework role leaves on a booted node."""

import re


def test_uv_is_the_pinned_one(host):
    assert host.run("/usr/local/bin/uv --version").stdout.startswith("uv 0.13.9")
    assert host.file("/usr/local/bin/uvx").mode == 0o755
    assert host.file("/usr/local/share/gpuforge/uv.json").contains("d7f459fe4fd247d8")


def test_no_virtual_environment_of_the_installation_is_left(host):
    assert host.run("find / -xdev -name pyvenv.cfg -not -path '/proc/*'").stdout == ""


def test_shared_root(host):
    root = host.file("/opt/ml")
    assert (root.user, root.group, root.mode) == ("root", "ml", 0o2755)
    assert host.file("/opt/ml/envs").mode == 0o2775
    assert host.file("/opt/ml/cache/uv").mode == 0o755
    assert "ml" in host.user("daemon").groups


def test_root_uses_the_shared_cache_in_login_shells(host):
    assert host.check_output("bash -lc 'uv cache dir'") == "/opt/ml/cache/uv"


def test_a_user_without_write_access_keeps_a_cache_of_their_own(host):
    host.check_output("useradd --create-home --shell /bin/bash someone")
    try:
        as_user = "runuser -u someone --"
        assert host.check_output(f"{as_user} bash -lc 'cd; uv cache dir'") == "/home/someone/.cache/uv"
        not_a_login = "env HOME=/home/someone sh -c 'cd; uv cache dir'"
        assert host.check_output(f"{as_user} {not_a_login}") == "/home/someone/.cache/uv"
        made = host.check_output(f"{as_user} bash -lc 'cd; uv venv --offline own 2>&1; own/bin/python -V'")
        assert re.search(r"Python 3\.1[13]", made)
    finally:
        host.check_output("userdel --remove someone 2>&1")


def test_a_member_makes_an_environment_in_the_shared_root(host):
    made = host.run("runuser -u daemon -- env HOME=/tmp uv venv --offline --no-cache /opt/ml/envs/mine")
    assert made.succeeded, made.stderr
    assert host.file("/opt/ml/envs/mine").group == "ml"
    host.check_output("rm -r /opt/ml/envs/mine")


def test_uv_never_downloads_an_interpreter(host):
    wanted = host.run("uv --no-cache python find 3.8")
    assert wanted.failed
    assert 'python-preference = "only-system"' in host.file("/etc/uv/uv.toml").content_string


def test_extra_packages(host):
    assert host.package("numactl").is_installed
