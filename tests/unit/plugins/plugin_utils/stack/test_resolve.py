"""Words that come to exact versions."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import StackError
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.gpus import find_distribution, find_gpu
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.model import Compat
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.versions import order, upstream
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.conftest import TODAY, Ask


@pytest.mark.parametrize(
    ("request_", "driver", "flavour", "cuda"),
    [
        ({}, "595.91.07", "open", None),
        ({"driver": "production"}, "595.91.07", "open", None),
        ({"driver": "lts"}, "580.178.04", "open", None),
        ({"driver": "newest"}, "615.71.09", "open", None),
        ({"driver": "new_feature"}, "610.57.04", "open", None),
        ({"driver": "580"}, "580.178.04", "open", None),
        ({"driver": "580.95.05"}, "580.95.05", "open", None),
        ({"driver": "1:595.91.07-1ubuntu1"}, "1:595.91.07-1ubuntu1", "open", None),
        ({"driver": "555"}, "555.58.02", "proprietary", None),
        ({"gpus": ["V100"]}, "580.178.04", "proprietary", None),
        ({"driver": "lts", "gpus": ["V100"]}, "580.178.04", "proprietary", None),
        ({"driver": "newest", "gpus": ["V100"]}, "580.178.04", "proprietary", None),
        ({"driver": "newest", "gpus": ["kepler"]}, "470.256.02", "proprietary", None),
        ({"driver": "newest", "gpus": ["rubin"]}, "615.71.09", "open", None),
        ({"driver": "newest for H100 on Debian 12"}, "615.71.09", "open", None),
        ({"driver": "production for B200, H100 on noble"}, "595.91.07", "open", None),
        ({"driver": "13.x for V100 and T4"}, None, None, None),
        ({"cuda": ["13.x"]}, "595.91.07", "open", "13.2.2"),
        ({"cuda": "13"}, "595.91.07", "open", "13.2.2"),
        ({"cuda": ["newest"]}, "595.91.07", "open", "13.2.2"),
        ({"driver": "newest", "cuda": ["newest"]}, "615.71.09", "open", "13.4.2"),
        ({"driver": "lts", "cuda": ["13.x"]}, "580.178.04", "open", "13.0.2"),
        ({"driver": "lts", "cuda": ["newest"], "gpus": ["V100"]}, "580.178.04", "proprietary", "12.9.1"),
        ({"cuda": ["13.4"]}, "615.71.09", "open", "13.4.2"),
        ({"cuda": ["12.9"]}, "595.91.07", "open", "12.9.1"),
        ({"cuda": ["13.2"]}, "595.91.07", "open", "13.2.2"),
        ({"driver": "535", "cuda": ["13.2"], "cuda_compat": True}, "535.309.01", "proprietary", "13.2.2"),
        ({"cuda": ["12.9", "13.2"]}, "595.91.07", "open", "13.2.2"),
    ],
    ids=str,
)
def test_words(request_: Any, driver: str, flavour: str, cuda: str, ask: Ask) -> None:
    verdict = ask(**request_)
    if driver is None:
        assert {item["rule"] for item in verdict["refusals"]} == {"toolkit-gpu"}
        return
    stack = verdict["resolved"]
    assert stack["driver"]["version"] == upstream(driver)
    assert stack["driver"]["flavour"] == flavour
    assert (stack["cuda"] or {}).get("version") == cuda


def test_an_archive_decides_on_the_release(ask: Ask) -> None:
    driver = ask(origin="distribution", distribution="Debian 12")["resolved"]["driver"]
    assert (driver["version"], driver["branch"], driver["flavour"]) == ("", "535", "proprietary")
    assert driver["packages"] == ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1", "libnvidia-ml1"]
    assert driver["pin"] is None
    driver = ask(origin="distribution", distribution="trixie")["resolved"]["driver"]
    assert (driver["version"], driver["branch"]) == ("", "550")


def test_words_follow_the_calendar(ask: Ask) -> None:
    late = datetime.date(2027, 4, 1)
    verdict = ask(today=late)
    assert verdict["resolved"]["driver"]["version"] == "580.178.04", "595 ended in March 2027"
    assert ask(today=datetime.date(2027, 3, 31))["resolved"]["driver"]["version"] == "595.91.07"
    verdict = ask(today=late, driver="production")
    assert "branch-ended" in {item["rule"] for item in verdict["warnings"]}


def test_where_every_branch_of_a_class_has_ended_the_newest_counts(ask: Ask) -> None:
    """An older one may suit the GPU; it was not meant."""
    verdict = ask(today=datetime.date(2027, 5, 1), driver="production", gpus=["V100"])
    assert not verdict["passes"]
    assert "595.91.07 no longer drives V100" in verdict["refusals"][0]["what"]


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ({"driver": "595", "gpus": ["H100"], "cuda": ["11.8"]}, "toolkit-gpu"),
        ({"driver": "580", "locks": ["training"], "distribution": "jammy"}, "lock-glibc"),
        ({"driver": "580", "cuda": ["12.3"], "distribution": "bookworm"}, "toolkit-gcc"),
        ({"driver": "595", "gpus": ["B200"], "switches": True, "kernel": "5.17"}, "board-kernel"),
        ({"origin": "distribution", "distribution": "trixie", "kernel": "7.0.12"}, "archive-kernel"),
        ({"driver": "580", "dcgm": "4.0.0"}, "component-old"),
        ({"driver": "580.65.06", "cuda": ["13.0.0"], "locks": ["training"]}, "toolkit-floor"),
        ({"driver": "580.65.06", "cuda": ["13.0.0"], "locks": ["training"]}, "toolkit-partial"),
        ({"driver": "580.65.06", "cuda": ["13.0.0"], "locks": ["training"]}, "lock-driver"),
        ({"driver": "570.133.20", "gpus": ["B200"]}, "release-too-old"),
        ({"driver": "580.105.08"}, "pin-missing"),
        ({"driver": "470", "dcgm": "newest"}, "component-driver"),
        ({"driver": "595.91.07"}, "release-unknown"),
        ({"engines": {"crio": "1.30"}}, "engine-old"),
    ],
    ids=str,
)
def test_the_edge_itself_passes(request_: Any, rule: str, ask: Ask) -> None:
    verdict = ask(**request_)
    assert rule not in {item["rule"] for item in (*verdict["refusals"], *verdict["warnings"])}


def test_an_end_is_the_end_of_its_month(ask: Ask) -> None:
    def ended(day: datetime.date) -> bool:
        return "branch-ended" in {item["rule"] for item in ask(today=day, driver="595")["warnings"]}

    assert not ended(datetime.date(2027, 3, 31))
    assert ended(datetime.date(2027, 4, 1))


class TestPackages:
    def test_of_debian(self, ask: Ask) -> None:
        stack = ask(driver="595.91.07", distribution="debian13", cuda=["13.2"])["resolved"]
        assert stack["driver"]["packages"] == ["nvidia-driver-cuda=595.91.07-*", "nvidia-kernel-open-dkms=595.91.07-*"]
        assert stack["driver"]["pin"] == "nvidia-driver-pinning-595.91.07"
        assert stack["cuda"]["packages"] == ["cuda-toolkit-13-2=13.2.2-*"]
        assert stack["distribution"] == {
            "id": "debian13", "family": "debian", "repository": "debian13", "key": "8793F200",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("driver", "names"),
        [
            ("580", ["libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-utils-580", "nvidia-compute-utils-580"]),
            ("590", ["libnvidia-compute", "nvidia-dkms-open", "nvidia-persistenced"]),
        ],
    )
    def test_of_ubuntu_before_and_after_the_renaming(self, driver: str, names: Any, ask: Ask) -> None:
        stack = ask(driver=driver, distribution="jammy")["resolved"]
        assert [item.split("=")[0] for item in stack["driver"]["packages"]] == names

    @pytest.mark.parametrize(
        ("driver", "name"),
        [("535", "nvidia-fabricmanager-535"), ("580", "nvidia-fabricmanager"), ("590", "nvidia-fabricmanager")],
    )
    def test_fabric_manager_before_and_after_the_renaming(self, driver: str, name: str, ask: Ask) -> None:
        stack = ask(driver=driver, parts={"fabricmanager": "yes"})["resolved"]
        version = stack["driver"]["version"]
        assert stack["fabricmanager"] == {"version": version, "packages": [f"{name}={version}-*"], "wanted": True}

    def test_parts_that_a_branch_has_not(self, ask: Ask) -> None:
        stack = ask(driver="535")["resolved"]
        assert (stack["nvsdm"], stack["imex"]) == (None, None)
        assert stack["nscq"]["wanted"] is False

    def test_dcgm_of_the_driver_s_major(self, ask: Ask) -> None:
        stack = ask(driver="595", dcgm="newest", gpus=["H100"])["resolved"]["dcgm"]
        assert (stack["version"], stack["cuda_majors"]) == ("4.7.0", ["13"])
        assert "datacenter-gpu-manager-4-cuda13=1:4.7.0-1" in stack["packages"]
        assert "datacenter-gpu-manager-4-core=1:4.7.0-1" in stack["packages"]

    def test_dcgm_for_old_gpus_has_two_majors(self, ask: Ask) -> None:
        stack = ask(driver="580", dcgm="4.6.0", gpus=["V100"])["resolved"]["dcgm"]
        assert stack["cuda_majors"] == ["12", "13"]
        assert "datacenter-gpu-manager-4-cuda12=1:4.6.0-1" in stack["packages"]

    def test_container_toolkit_is_four_packages(self, ask: Ask) -> None:
        stack = ask(container_toolkit="newest", distribution="noble")["resolved"]["container_toolkit"]
        assert len(stack["packages"]) == 4
        assert all(item.endswith("=1.20.0-1") for item in stack["packages"])

    def test_what_was_not_asked_for_is_null(self, ask: Ask) -> None:
        stack = ask(driver="none", dcgm="none")["resolved"]
        assert {key for key in ("driver", "cuda", "dcgm", "container_toolkit", "fabricmanager") if stack[key]} == set()

    def test_boards_of_blackwell_need_more_than_fabric_manager(self, ask: Ask) -> None:
        assert ask(gpus=["B200"])["resolved"]["fabric_plane"] == ["nvlsm", "infiniband-diags", "libibumad3"]
        assert ask(gpus=["H100"])["resolved"]["fabric_plane"] == []

    def test_cuda_compat(self, ask: Ask) -> None:
        stack = ask(driver="535", cuda=["13.2"], cuda_compat=True)["resolved"]
        assert stack["cuda"]["packages"] == ["cuda-toolkit-13-2=13.2.2-*", "cuda-compat-13-2"]


@pytest.mark.parametrize(
    ("said", "generation", "products"),
    [
        ("H100", "hopper", 3), ("h100 sxm5", "hopper", 1), ("NVIDIA H100 80GB HBM3", "hopper", 3),
        ("Tesla V100-SXM2-16GB", "volta", 1), ("NVIDIA A100-SXM4-80GB", "ampere", 1), ("A10", "ampere", 1),
        ("A100", "ampere", 2), ("10de:20b0", "ampere", 1), ("20B0", "ampere", 1), ("0x2330", "hopper", 1),
        ("b200", "blackwell", 1), ("gb200", "blackwell", 1), ("hopper", "hopper", 0),
        ("Grace Hopper", "grace_hopper", 0),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "blackwell", 1), ("RTX PRO 6000", "blackwell", 2),
        ("A16", "ampere", 1), ("H20", "hopper", 1), ("T4", "turing", 1), ("Tesla T4", "turing", 1),
        ("GB10", "blackwell_ultra", 1),
        ("2345", "grace_hopper", 0), ("1002:2330", None, 0), ("RTX", None, 0), ("", None, 0), ("4090", None, 0),
    ],
)  # fmt: skip
def test_gpus_by_name_and_id(said: str, generation: str, products: int, facts: Compat) -> None:
    gpu = find_gpu(facts, said)
    assert (gpu.generation.id if gpu.generation else None, len(gpu.products)) == (generation, products)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("debian12", "debian12"), ("Debian 12", "debian12"), ("bookworm", "debian12"), ("Debian 12.15", "debian12"),
        ("Debian-13", "debian13"), ("Ubuntu 24.04", "ubuntu2404"), ("ubuntu 24.04.4", "ubuntu2404"),
        ("jammy", "ubuntu2204"),
        ("Rocky 9.4", "rhel9"), ("RedHat 9", "rhel9"), ("AlmaLinux 8", "rhel8"), ("debian", None), ("Debian 1", None),
        ("Debian 120", None), ("ubuntu 24", None),
    ],
)  # fmt: skip
def test_distributions(said: str, wanted: str, facts: Compat) -> None:
    row = find_distribution(facts, said)
    assert (row.id if row else None) == wanted


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"driver": "prodution"}, "did you mean production?"),
        ({"driver": "stable"}, "one of production, lts"),
        ({"driver": ["595"]}, "not text"),
        ({"driver": True}, "not text"),
        ({"branch": "595.91"}, 'not three digits such as "595"'),
        ({"driver": "none", "branch": "595"}, "branch: is '595', and driver says there shall be none"),
        ({"flavour": "closed"}, "flavour: is 'closed'"),
        ({"origin": "debian"}, "origin: is 'debian'"),
        ({"cuda": ["13.2.1.4"]}, "cuda: is '13.2.1.4'"),
        ({"cuda": {"a": 1}}, "not a list of texts"),
        ({"parts": {"fabric": "1"}}, "parts.fabric: is not known"),
        ({"parts": {"imex": "latest"}}, "parts.imex: is 'latest'"),
        ({"parts": ["imex"]}, "not a mapping"),
        ({"dcgm": "latest"}, "dcgm: is 'latest'"),
        ({"engines": {"docker": "new"}}, "engines.docker: is 'new'"),
        ({"engines": {"podmann": "5.1"}}, "engines.podmann: is not known (did you mean podman?)"),
        ({"kernel": "six"}, "kernel: is 'six'"),
        ({"switches": "yes"}, "switches: is 'yes', not true or false"),
        ({"gpu": ["H100"]}, "gpu: is not known (did you mean gpus?)"),
        ({"driver": "newest on Debian 12", "distribution": "debian13"}, "and driver says 'Debian 12'"),
    ],
    ids=str,
)
def test_what_cannot_be_understood(request_: Any, words: str, ask: Ask) -> None:
    with pytest.raises(StackError) as caught:
        ask(**request_)
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


def test_all_misunderstandings_at_once(ask: Ask) -> None:
    with pytest.raises(StackError) as caught:
        ask(driver="stable", flavour="closed", origin="x", cuda=["x"], nothing=1)
    assert len(caught.value.problems) == 5


def test_numbers_are_taken_for_text(ask: Ask) -> None:
    assert ask(driver=595, cuda=13.2)["resolved"]["cuda"]["version"] == "13.2.2"


@pytest.mark.parametrize(("said", "meant"), [(595.8, "595.80"), ("595.8", "595.80"), ("595.80", "595.80")])
def test_a_zero_that_yaml_took_away_comes_back(said: Any, meant: str, ask: Ask) -> None:
    found = ask(driver=said, distribution="debian12")
    assert found["resolved"]["driver"]["version"] == meant
    assert found["warnings"] == []


@pytest.mark.parametrize(("key", "said", "meant"), [("dcgm", 4.7, "4.7.0"), ("container_toolkit", "1.20", "1.20.0")])
def test_a_component_is_called_by_its_whole_version(key: str, said: Any, meant: str, ask: Ask) -> None:
    found = ask(**{key: said})
    assert found["resolved"][key]["version"] == meant
    assert found["warnings"] == []


@pytest.mark.parametrize("version", ["5:26.1.5-1~debian.12~bookworm", "26.1.5+dfsg1-9+b9", "26.1.5~ds1"])
def test_engines_by_the_versions_of_their_packages(version: str, ask: Ask) -> None:
    assert ask(engines={"docker": version})["warnings"] == []
    assert [item["rule"] for item in ask(engines={"containerd": "1.6.20~ds1-1+deb12u1"})["warnings"]] == ["engine-old"]


@pytest.mark.parametrize("said", ["H100,V100", ["H100, V100"], ["H100", "V100"]])
def test_gpus_may_be_one_text(said: Any, ask: Ask) -> None:
    assert [gpu["said"] for gpu in ask(gpus=said)["resolved"]["gpus"]] == ["H100", "V100"]


def test_a_name_that_fits_too_much_is_not_offered_again(ask: Ask) -> None:
    assert "did you mean" not in ask(gpus=["RTX"])["refusals"][0]["hint"]


def test_versions_are_numbers() -> None:
    assert order("13.10") > order("13.9")
    assert order("26.1") == order("26.1.0")
    assert order("580.95.05") < order("580.105.08")
    assert upstream("1:535.261.03-1~deb12u1") == "535.261.03"


def test_a_day_is_taken_where_none_is_given(facts: Compat) -> None:
    from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import stack_check

    assert stack_check({"driver": "595"})["date"] == facts.date
    assert TODAY.isoformat() == facts.date, "the cases are written for the day of the facts: look them over"
