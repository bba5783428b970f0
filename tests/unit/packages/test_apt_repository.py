"""apt sees in the test repository what is meant to be there, traps included."""

import pytest

DEBIAN = ["debian12", "debian13"]
BRANCHES = ["535", "550", "570", "580", "590", "595", "610", "615"]


def branches(versions):
    return {version.split(".")[0] for version in versions}


@pytest.mark.parametrize("suite", DEBIAN)
def test_branches_are_there_under_one_name(apt, suite):
    found = apt(suite).versions("nvidia-kernel-open-dkms")
    assert sorted(branches(found)) == BRANCHES
    assert "580.159.04-1" in found and "580.178.04-1" in found


@pytest.mark.parametrize("suite", ["ubuntu2204", "ubuntu2404"])
def test_names_of_ubuntu_lost_their_branch_with_590(apt, suite):
    made = apt(suite)
    assert branches(made.versions("nvidia-dkms-580-open")) == {"580"}
    assert branches(made.versions("nvidia-dkms-open")) == {"590", "595", "610", "615"}
    assert made.versions("nvidia-dkms-595-open") == []


def test_a_version_of_the_open_metapackage_does_not_pin(apt):
    planned = apt("debian13").would_install("nvidia-open=580.178.04-1")
    assert planned["nvidia-open"] == "580.178.04-1"
    assert planned["nvidia-kernel-open-dkms"].startswith("615.")


def test_the_pinning_package_pins_when_it_comes_first(apt):
    made = apt("debian13")
    assert made.versions("nvidia-driver-pinning-580.178.04") == ["580.178.04-1"]
    made.pin("580.178.04-*")
    planned = made.would_install("nvidia-open")
    drivers = {name: version for name, version in planned.items() if name != "dkms"}
    assert set(drivers.values()) == {"580.178.04-1"}


def test_two_pins_conflict(apt):
    done = apt("debian12").run("apt-get", "-s", "install", "nvidia-driver-pinning-580", "nvidia-driver-pinning-595")
    assert done.returncode != 0
    assert "Conflicts: nvidia-driver-pinning" in done.stdout


def test_dkms_has_an_epoch(apt):
    assert apt("debian12").versions("dkms") == ["1:3.4.0-1ubuntu1"]


def test_userland_may_be_newer_than_the_module(apt):
    made = apt("debian12")
    assert "610.57.04-1" in made.versions("nvidia-driver-cuda")
    assert "610.57.04-1" not in made.versions("nvidia-kernel-open-dkms")
    made.pin("610.*")
    planned = made.would_install(
        "nvidia-driver-cuda",
        "nvidia-kernel-open-dkms=610.43.02-1",
        "firmware-nvidia-gsp=610.43.02-1",
        "nvidia-kernel-support=610.43.02-1",
    )
    assert planned["libcuda1"] == "610.57.04-1"


def test_fabric_manager_is_one_point_behind_on_590(apt):
    found = apt("debian12").versions("nvidia-fabricmanager")
    assert [version for version in found if version.startswith("590.")] == ["590.44.01-1"]
    assert "595.91.07-1" in found


def test_fabric_manager_had_its_branch_in_the_name_before_580(apt):
    made = apt("debian12")
    assert made.versions("nvidia-fabricmanager-570") == ["570.211.01-1"]
    assert not [version for version in made.versions("nvidia-fabricmanager") if version.startswith("570")]


def test_a_branch_has_vanished_but_for_its_pin(apt):
    made = apt("debian12")
    assert made.versions("nvidia-driver-pinning-575") == ["575-1"]
    assert not [version for version in made.versions("nvidia-driver-cuda") if version.startswith("575")]


def test_the_proprietary_module_ends_with_610(apt):
    made = apt("debian12")
    assert "615" not in branches(made.versions("nvidia-kernel-dkms"))
    assert "nvidia-kernel-open-dkms" in made.would_install("cuda-drivers")


def test_toolkits_bring_no_driver_but_cuda_of_13_2_does(apt):
    made = apt("debian12")
    assert not [name for name in made.would_install("cuda-toolkit-13-2", "cuda-13-4") if "nvidia" in name]
    assert "libcuda1" in made.would_install("cuda-13-2")


def test_debian_13_has_no_old_toolkits(apt):
    assert apt("debian13").versions("cuda-toolkit-12-8") == []


def test_the_newest_nccl_is_of_the_newest_cuda(apt):
    found = apt("debian12").versions("libnccl2")
    assert found[0] == "2.32.3-1+cuda13.4"
    assert "2.30.7-1+cuda12.9" in found


def test_dcgm_4_does_not_live_beside_3(apt):
    made = apt("debian12")
    assert made.versions("datacenter-gpu-manager") == ["1:3.3.9-1"]
    done = made.run("apt-get", "-s", "install", "datacenter-gpu-manager", "datacenter-gpu-manager-4-cuda13")
    assert "Conflicts: datacenter-gpu-manager" in done.stdout


def test_container_toolkit_has_a_bad_version(apt):
    assert "1.17.7-1" in apt("debian12").versions("nvidia-container-toolkit")


@pytest.mark.parametrize("suite", ["expired", "foreign"])
def test_bad_signatures_are_rejected(apt, repository, tmp_path, suite):
    folder = f"faults/{suite}/debian13"
    key = repository / folder / "x86_64/8793F200.pub"
    done = apt(folder, f"signed-by={_armoured(key, tmp_path)}").updated
    assert "EXPKEYSIG" in done.stderr if suite == "expired" else "NO_PUBKEY" in done.stderr


def test_a_good_signature_is_accepted(apt, repository, tmp_path):
    key = repository / "compute/cuda/repos/debian13/x86_64/8793F200.pub"
    done = apt("debian13", f"signed-by={_armoured(key, tmp_path)}").updated
    assert done.returncode == 0 and done.stderr == "", done.stderr


def _armoured(key, folder):
    """The key under a name that apt takes for an armoured one."""
    made = folder / "key.asc"
    made.write_bytes(key.read_bytes())
    return made
