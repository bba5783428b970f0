"""Two toolkits side by side, the libraries that go with them, and no driver."""

from __future__ import annotations

import pytest


@pytest.fixture
def older(host):
    return {"12": "12.9", "13": "13.0"}[host.check_output(". /etc/os-release; echo $VERSION_ID")]


def test_both_toolkits_at_exactly_their_versions(host, older):
    assert host.package("cuda-toolkit-13-2").version == "13.2.2-1"
    wanted = {"12.9": "12.9.1-1", "13.0": "13.0.2-1"}[older]
    assert host.package(f"cuda-toolkit-{older.replace('.', '-')}").version == wanted
    for toolkit in ("13.2", older):
        assert f"release {toolkit.split('.')[0]}" in host.check_output(f"/usr/local/cuda-{toolkit}/bin/nvcc")


def test_no_driver_and_nothing_that_floats(host):
    names = host.check_output("dpkg-query --show --showformat='${db:Status-Status} ${Package}\\n'").splitlines()
    there = {line.split()[1] for line in names if line.startswith("installed ")}
    assert not {"cuda", "cuda-13-2", "cuda-toolkit", "cuda-toolkit-13", "cuda-drivers", "dkms"} & there
    assert not [name for name in there if name.startswith(("nvidia-", "libcuda1", "libnvidia-"))]


def test_the_newest_is_usr_local_cuda(host):
    assert host.check_output("realpath /usr/local/cuda") == "/usr/local/cuda-13.2"


def test_cudnn_for_each_major_and_nccl_of_the_right_cuda(host, older):
    for major in {"13", older.split(".")[0]}:
        assert host.package(f"libcudnn9-cuda-{major}").version == "9.17.1.4-1"
    # The newest of all is 2.32.3, and the newest 2.30.7 for CUDA 13 is of 13.3.
    assert host.package("libnccl2").version == "2.30.7-1+cuda13.3"
    assert host.package("libnccl-dev").version == "2.30.7-1+cuda13.3"


def test_an_upgrade_changes_none_of_it(host):
    steps = host.check_output("apt-get --simulate full-upgrade")
    touched = [line.split()[1] for line in steps.splitlines() if line.startswith(("Inst", "Remv"))]
    assert [name for name in touched if name.startswith(("cuda", "libcu", "libnccl"))] == []


def test_a_login_shell_finds_the_compiler_after_the_users_own(host):
    shell = "bash --login -c"
    assert host.check_output(f"{shell} 'command -v nvcc'") == "/usr/local/cuda/bin/nvcc"
    assert host.check_output(f"{shell} 'echo $CUDA_HOME'") == "/usr/local/cuda"
    path = host.check_output(f"{shell} 'echo $PATH'")
    assert path.endswith(":/usr/local/cuda/bin")
    assert path.count("/usr/local/cuda/bin") == 1


def test_a_users_own_settings_stay(host):
    shell = "env LD_LIBRARY_PATH=/mine CUDA_HOME=/my/cuda bash --login -c"
    assert host.check_output(f"{shell} 'echo $LD_LIBRARY_PATH $CUDA_HOME'") == "/mine /my/cuda"
    assert host.check_output("bash --login -c 'echo $LD_LIBRARY_PATH'") == ""


def test_the_loader_looks_into_the_toolkit_without_a_users_help(host):
    assert "/usr/local/cuda/targets/x86_64-linux/lib" in host.check_output("cat /etc/ld.so.conf.d/000_cuda.conf")
