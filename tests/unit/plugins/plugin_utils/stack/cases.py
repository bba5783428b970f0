"""Combinations that are refused or warned of, each with its reason and a neighbour that passes.

The facts are those of compat.yml on TODAY. A case names the rule that has to find it, words that its message has to
have, what the nearest combination has to say, and a request one step away in which the rule finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One combination."""

    rule: str
    request: Mapping[str, Any]
    works: Mapping[str, Any]
    says: tuple[str, ...] = ()
    nearest: str = ""
    also: tuple[str, ...] = ()  # rules that refuse it too


#: Certain, so refused.
REFUSED = (
    # The last branch for old generations.
    Case("branch-too-new", {"driver": "590.48.01", "gpus": ["V100"]}, {"driver": "580.178.04", "gpus": ["V100"]},
         ("590.48.01", "V100", "580 is the last"), "driver 580.178.04 instead of 590.48.01"),
    Case("branch-too-new", {"driver": "production", "gpus": ["P100"]}, {"driver": "lts", "gpus": ["P100"]},
         ("595.91.07", "P100"), "580.178.04"),
    Case("branch-too-new", {"driver": "595", "gpus": ["10de:17fd"]}, {"driver": "580", "gpus": ["10de:17fd"]},
         ("M40 (10de:17fd)",), "580.178.04"),
    Case("branch-too-new", {"driver": "535", "gpus": ["kepler"]}, {"driver": "470", "gpus": ["kepler"]},
         ("470 is the last",), "470.256.02"),
    # The open module begins with Turing.
    Case("open-impossible", {"driver": "580", "flavour": "open", "gpus": ["V100"]},
         {"driver": "580", "flavour": "open", "gpus": ["T4"]}, ("V100", "open kernel module", "Turing"),
         "kernel module proprietary instead of open"),
    Case("open-impossible", {"driver": "580", "flavour": "open", "gpus": ["pascal"]},
         {"driver": "580", "flavour": "proprietary", "gpus": ["pascal"]}, ("Pascal",), "proprietary instead of open"),
    # Grace Hopper and Blackwell have no other.
    Case("open-required", {"driver": "580", "flavour": "proprietary", "gpus": ["GH200"]},
         {"driver": "580", "flavour": "open", "gpus": ["GH200"]}, ("GH200", "proprietary"),
         "open instead of proprietary"),
    Case("open-required", {"driver": "595", "flavour": "proprietary", "gpus": ["B200"]},
         {"driver": "595", "flavour": "proprietary", "gpus": ["H100"]}, ("B200",), "open instead of proprietary"),
    Case("open-required", {"driver": "595", "flavour": "proprietary", "gpus": ["GB300"]},
         {"driver": "595", "flavour": "auto", "gpus": ["GB300"]}, ("GB300",), "open instead of proprietary"),
    # No proprietary packages from 615 on; no open ones before 515.
    Case("module-not-packaged", {"driver": "615.71.09", "flavour": "proprietary", "gpus": ["H100"]},
         {"driver": "610.57.04", "flavour": "proprietary", "gpus": ["H100"]}, ("615", "proprietary"),
         "kernel module open instead of proprietary"),
    Case("module-not-packaged", {"driver": "510", "flavour": "open", "gpus": ["A100"]},
         {"driver": "515", "flavour": "open", "gpus": ["A100"]}, ("510", "open"),
         "kernel module proprietary instead of open", also=("open-too-early",)),
    # CUDA 13 builds nothing before Turing; old toolkits know no new GPUs.
    Case("toolkit-gpu", {"driver": "580", "cuda": ["13.0"], "gpus": ["V100"]},
         {"driver": "580", "cuda": ["12.9"], "gpus": ["V100"]}, ("13.0.2", "V100", "12.x"),
         "CUDA 12.9.1 instead of 13.0.2"),
    Case("toolkit-gpu", {"driver": "580", "cuda": ["13.0", "12.8"], "gpus": ["P40"]},
         {"driver": "580", "cuda": ["12.8"], "gpus": ["P40"]}, ("13.0.2", "P40"), "CUDA 12.8.1 instead of"),
    Case("toolkit-gpu", {"driver": "580", "cuda": ["12.6"], "gpus": ["B200"]},
         {"driver": "580", "cuda": ["12.8"], "gpus": ["B200"]}, ("12.6.3", "12.8 or newer"), "CUDA 12.8.1 instead of"),
    Case("toolkit-gpu", {"driver": "470", "cuda": ["12.0"], "gpus": ["kepler"], "cuda_compat": False},
         {"driver": "470", "cuda": ["11.8"], "gpus": ["kepler"]}, ("12.0.1", "11.x"), "CUDA 11.8.0",
         also=("toolkit-floor",)),
    # The floors of the CUDA majors.
    Case("toolkit-floor", {"driver": "570.211.01", "cuda": ["13.0"]}, {"driver": "580.65.06", "cuda": ["13.0"]},
         ("13.0.2", "580.65.06", "570.211.01"), "driver 580.178.04 instead of 570.211.01"),
    Case("toolkit-floor", {"driver": "515.105.01", "cuda": ["12.2"]}, {"driver": "525.60.13", "cuda": ["12.2"]},
         ("525.60.13",), "instead of 515.105.01"),
    Case("toolkit-floor", {"driver": "525.60.11", "cuda": ["12.0"]}, {"driver": "525.60.13", "cuda": ["12.0"]},
         ("525.60.13 or newer, not 525.60.11",), "driver 525.147.05"),
    Case("toolkit-floor", {"driver": "450.51.06", "cuda": ["11.8"], "allow_unknown": True},
         {"driver": "470.256.02", "cuda": ["11.8"]}, ("450.80.02",), "instead of 450.51.06"),
    Case("toolkit-floor", {"origin": "distribution", "distribution": "debian12", "cuda": ["13.2"]},
         {"origin": "distribution", "distribution": "debian12", "cuda": ["12.6"]}, ("13.2.2", "580.65.06"),
         "driver from nvidia instead of distribution"),
    Case("toolkit-floor", {"origin": "distribution", "distribution": "trixie", "cuda": ["13.0"]},
         {"origin": "nvidia", "distribution": "trixie", "cuda": ["13.0"]}, ("13.0.2",), "driver from nvidia"),
    Case("toolkit-without-driver", {"driver": "none", "cuda": ["13.4"]}, {"driver": "615", "cuda": ["13.4"]},
         ("13.4.2", "without a driver"), "driver "),
    Case("toolkit-unknown", {"driver": "565", "cuda": ["12.7"]}, {"driver": "565", "cuda": ["12.6"]},
         ("no CUDA toolkit 12.7",), "CUDA 12."),
    Case("toolkit-unknown", {"driver": "615", "cuda": ["13.4.0"]}, {"driver": "615", "cuda": ["13.4.1"]},
         ("13.4.0 is no known release", "13.4.1"), "CUDA 13.4.2 instead of 13.4.0"),
    Case("toolkit-unknown", {"driver": "595", "cuda": ["13.5"]}, {"driver": "595", "cuda": ["13.2"]},
         ("no CUDA toolkit 13.5", "allow what is unknown"), "CUDA 13."),
    # The compatibility package.
    Case("compat-broken", {"driver": "615", "cuda": ["13.0"], "cuda_compat": True}, {"driver": "615", "cuda": ["13.0"]},
         ("cuda-compat-13-0", "older than driver"), "cuda-compat"),
    Case("compat-broken", {"driver": "550", "cuda": ["13.2"], "cuda_compat": True},
         {"driver": "535", "cuda": ["13.2"], "cuda_compat": True}, ("cuda-compat-13-2", "not made for driver"),
         "driver "),
    Case("compat-broken", {"driver": "535", "cuda": ["11.8"], "cuda_compat": True}, {"driver": "535", "cuda": ["11.8"]},
         ("cuda-compat-11-8", "not in NVIDIA's table"), "cuda-compat"),
    # What has to be of the driver's version.
    Case("part-version", {"driver": "595.91.07", "parts": {"fabricmanager": "595.84"}},
         {"driver": "595.91.07", "parts": {"fabricmanager": "595.91.07"}}, ("fabricmanager 595.84", "595.91.07"),
         "fabricmanager yes instead of fabricmanager 595.84"),
    Case("part-version", {"driver": "580", "parts": {"nscq": "580.159.04", "imex": "580.159.04"}},
         {"driver": "580.159.04", "parts": {"nscq": "580.159.04", "imex": "580.159.04"}}, ("libnvidia-nscq",),
         "nscq yes"),
    Case("part-branch", {"driver": "535", "parts": {"imex": "yes"}}, {"driver": "550", "parts": {"imex": "yes"}},
         ("nvidia-imex", "550"), "parts none"),
    Case("part-branch", {"driver": "550", "parts": {"nvsdm": "yes"}}, {"driver": "560", "parts": {"nvsdm": "yes"}},
         ("libnvsdm", "560"), "parts none"),
    Case("board-branch", {"driver": "520", "gpus": ["H100 SXM5"], "switches": True},
         {"driver": "525", "gpus": ["H100 SXM5"], "switches": True}, ("switches beside H100 SXM5", "525"),
         "driver 580.178.04", also=("branch-too-old",)),
    Case("board-kernel", {"driver": "595", "gpus": ["B200"], "switches": True, "distribution": "rocky 9"},
         {"driver": "595", "gpus": ["B200"], "switches": True, "distribution": "rocky 9", "kernel": "5.17.4"},
         ("5.17", "5.14"), "distribution rhel10 instead of rocky 9"),
    # Drivers that there are not, and that are not what they are called.
    Case("branch-mismatch", {"driver": "595.91.07", "branch": "580"}, {"driver": "580.178.04", "branch": "580"},
         ("595.91.07 is of branch 595", "580"), "branch none instead of 580"),
    Case("branch-unknown", {"driver": "600.10.01"}, {"driver": "595.91.07"}, ("no driver branch 600",), "595.91.07"),
    Case("release-unknown", {"driver": "595.99.01"}, {"driver": "595.91.07"}, ("595.99.01 is newer", "595.91.07"),
         "driver 595.91.07 instead of 595.99.01"),
    Case("release-none", {"driver": "620"}, {"driver": "615"}, ("620 has no release",), "instead of 620"),
    Case("release-none", {"driver": "616"}, {"driver": "615"}, ("616",), "instead of 616"),
    # GPUs that are too new, too demanding, too different.
    Case("branch-too-old", {"driver": "515", "flavour": "proprietary", "gpus": ["H100"]},
         {"driver": "525", "flavour": "proprietary", "gpus": ["H100"]}, ("H100", "525 is the first"),
         "driver 580.178.04"),
    Case("branch-too-old", {"driver": "550", "gpus": ["RTX PRO 6000 Blackwell Server"]},
         {"driver": "580", "gpus": ["RTX PRO 6000 Blackwell Server"]}, ("570 is the first",), "instead of 550"),
    Case("release-too-old", {"driver": "570.86.15", "gpus": ["B200"]}, {"driver": "570.133.20", "gpus": ["B200"]},
         ("B200 needs driver 570.133.20",), "driver 570.211.01 instead of 570.86.15"),
    Case("release-too-old", {"driver": "575.51.03", "gpus": ["10de:2bb5"]},
         {"driver": "575.57.08", "gpus": ["10de:2bb5"]}, ("575.57.08",), "575.64.05"),
    Case("open-too-early", {"driver": "510", "flavour": "open", "gpus": ["A100"]},
         {"driver": "515", "flavour": "open", "gpus": ["A100"]}, ("515",), "", also=("module-not-packaged",)),
    Case("gpus-apart", {"gpus": ["V100", "B200"]}, {"gpus": ["V100", "A100"]}, ("V100 and B200", "different nodes"),
         "GPUs V100 instead of V100, B200"),
    Case("gpus-apart", {"gpus": ["kepler", "L4"]}, {"gpus": ["volta", "L4"]}, ("kepler and L4",), "GPUs ",
         also=("branch-too-new",)),
    Case("gpus-apart", {"gpus": ["P100", "GH200"]}, {"gpus": ["A100", "GH200"]}, ("P100 and GH200",), "GPUs "),
    Case("gpu-unknown", {"gpus": ["H10O"]}, {"gpus": ["H100"]}, ("H10O", "did you mean H100?"),
         "GPUs H100 instead of H10O"),
    # Places.
    Case("distribution-unknown", {"distribution": "Slackware 15"}, {"distribution": "Debian 13"},
         ("Slackware 15", "debian12"), "distribution debian12 instead of Slackware 15"),
    Case("distribution-unknown", {"origin": "distribution"}, {"origin": "distribution", "distribution": "debian13"},
         ("none is named",), "driver from nvidia"),
    Case("archive-branch", {"driver": "580", "origin": "distribution", "distribution": "debian12"},
         {"driver": "535", "origin": "distribution", "distribution": "debian12"}, ("no driver of branch 580", "535"),
         "from nvidia instead of distribution"),
    Case("archive-branch", {"origin": "distribution", "distribution": "rhel9"},
         {"origin": "nvidia", "distribution": "rhel9"}, ("ships no NVIDIA driver",), "driver from nvidia"),
    # Components.
    Case("component-old", {"driver": "580", "dcgm": "3.3.9"}, {"driver": "580", "dcgm": "4.6.0"},
         ("DCGM 3.3.9", "4.7.0"), "DCGM newest instead of 3.3.9"),
    Case("component-unknown", {"driver": "580", "dcgm": "4.9.0"}, {"driver": "580", "dcgm": "4.7.0"},
         ("DCGM 4.9.0 is newer", "4.7.0"), "DCGM newest"),
    Case("component-unknown", {"container_toolkit": "1.30.0"}, {"container_toolkit": "1.20.0"},
         ("container toolkit 1.30.0",), "container toolkit newest instead of 1.30.0"),
    Case("component-driver", {"driver": "440.64.00", "dcgm": "newest", "allow_unknown": True},
         {"driver": "470", "dcgm": "newest"}, ("450 or newer",), "instead of 440.64.00"),
    Case("bad-version", {"container_toolkit": "1.17.7"}, {"container_toolkit": "1.17.8"},
         ("1.17.7 is known to be bad", "enroot"), "container toolkit newest instead of 1.17.7"),
    # Packages by name.
    Case("package-trap", {"packages": ["cuda-13-2"]}, {"packages": ["cuda-toolkit-13-2"]},
         ("cuda-13-2", "brings a driver", "cuda-toolkit-X-Y"), "packages none instead of cuda-13-2"),
    Case("package-trap", {"packages": ["nvidia-cuda-toolkit"]},
         {"packages": ["nvidia-cuda-toolkit"], "origin": "distribution", "distribution": "debian12"},
         ("nvidia-cuda-toolkit", "old"), "packages none"),
    Case("package-trap", {"packages": ["datacenter-gpu-manager=1:3.3.9"]},
         {"packages": ["datacenter-gpu-manager-4-core"]}, ("DCGM 3",), "packages none"),
    # Locked environments.
    Case("lock-driver", {"driver": "570", "locks": ["training"]}, {"driver": "580", "locks": ["training"]},
         ("training", "580.65.06", "570.211.01"), "driver 580.178.04 instead of 570.211.01"),
    Case("lock-gpu", {"driver": "580", "locks": ["vllm"], "gpus": ["V100"]},
         {"driver": "580", "locks": ["vllm"], "gpus": ["T4"]}, ("vllm", "V100"), "environments none instead of vllm"),
    Case("lock-glibc", {"driver": "580", "locks": ["training"], "distribution": "rhel9"},
         {"driver": "580", "locks": ["training"], "distribution": "rhel10"}, ("2.35", "2.34"), "instead of"),
    Case("lock-unknown", {"locks": ["trainig"]}, {"locks": ["training"]}, ("trainig", "training, vllm"),
         "environments none"),
)  # fmt: skip

#: Inferred, or harmless enough to live with: warned of, never refused.
WARNED = (
    Case("branch-ended", {"driver": "535"}, {"driver": "580"}, ("535 ended in 2026-06",)),
    Case("branch-ended", {"driver": "590.48.01"}, {"driver": "595.91.07"}, ("590 ended",)),
    Case("driver-class", {"driver": "615"}, {"driver": "595"}, ("615 has no known class",)),
    Case("release-unlisted", {"driver": "580.173.02"}, {"driver": "580.178.04"}, ("580.173.02", "580.178.04")),
    Case("toolkit-partial", {"driver": "580.178.04", "cuda": ["13.2"]}, {"driver": "595.91.07", "cuda": ["13.2"]},
         ("13.2.2 belongs to driver 595.71.05",)),
    Case("toolkit-partial", {"driver": "595", "cuda": ["13.4"]}, {"driver": "615", "cuda": ["13.4"]}, ("615",)),
    Case("toolkit-gcc", {"driver": "580", "cuda": ["12.6"], "distribution": "debian13"},
         {"driver": "580", "cuda": ["12.6"], "distribution": "debian12"}, ("gcc up to 13", "gcc 14")),
    Case("toolkit-repository", {"driver": "580", "cuda": ["11.8"], "distribution": "ubuntu 24.04"},
         {"driver": "580", "cuda": ["11.8"], "distribution": "ubuntu 22.04"}, ("12.5",)),
    Case("compat-broken", {"driver": "610", "cuda": ["13.4"], "cuda_compat": True},
         {"driver": "580", "cuda": ["13.4"], "cuda_compat": True}, ("branch 610", "new feature")),
    Case("repository-key", {"driver": "595", "distribution": "debian13", "repository": "debian12"},
         {"driver": "595", "distribution": "debian13", "repository": "debian13"}, ("debian12", "take debian13")),
    Case("package-trap", {"driver": "595", "packages": ["nvidia-open=595.91.07-1"]},
         {"driver": "595", "packages": ["nvidia-driver-pinning-595.91.07"]},
         ("nvidia-open=595.91.07-1", "newest branch")),
    Case("package-trap", {"driver": "595", "packages": ["nvidia-open-kernel-dkms"]},
         {"driver": "595", "packages": ["nvidia-kernel-open-dkms"]}, ("conflicts",)),
    Case("package-trap", {"driver": "595", "packages": ["cuda-toolkit-13"]},
         {"driver": "595", "packages": ["cuda-toolkit-13-2"]}, ("moves",)),
    Case("pin-missing", {"driver": "535"}, {"driver": "580"}, ("535.309.01 has no pinning package",)),
    Case("pin-missing", {"driver": "580.95.05"}, {"driver": "580.105.08"}, ("580.95.05",)),
    Case("gpu-unlisted", {"gpus": ["10de:23b1"]}, {"gpus": ["10de:2330"]}, ("10de:23b1", "Hopper")),
    Case("gpu-unlisted", {"gpus": ["10de:3fff"]}, {"gpus": ["10de:2330"]},
         ("10de:3fff", "nothing about it was checked")),
    Case("gpu-caution", {"driver": "615", "gpus": ["T4"]}, {"driver": "595", "gpus": ["T4"]},
         ("T4", "system processor")),
    Case("branch-too-old", {"driver": "525", "gpus": ["L40S"]}, {"driver": "535", "gpus": ["L40S"]}, ("L40S", "535")),
    Case("branch-too-old", {"driver": "515", "flavour": "proprietary", "gpus": ["10de:23b1"]},
         {"driver": "525", "flavour": "proprietary", "gpus": ["10de:23b1"]}, ("525",)),
    Case("board-none", {"driver": "595", "gpus": ["L40S"], "parts": {"fabricmanager": "yes"}},
         {"driver": "595", "gpus": ["H100 SXM5"], "parts": {"fabricmanager": "yes"}}, ("no NVSwitch",)),
    Case("board-none", {"driver": "595", "switches": False, "parts": {"fabricmanager": "yes"}},
         {"driver": "595", "switches": True, "parts": {"fabricmanager": "yes"}}, ("no NVSwitch",)),
    Case("board-kernel", {"driver": "595", "gpus": ["B200"], "distribution": "rhel9"},
         {"driver": "595", "gpus": ["B200"], "distribution": "debian12"}, ("5.17",)),
    Case("archive-kernel", {"origin": "distribution", "distribution": "debian13", "kernel": "7.2.1-amd64"},
         {"origin": "distribution", "distribution": "debian13", "kernel": "6.12.94"}, ("7.2.1",)),
    Case("archive-branch", {"driver": "615", "origin": "distribution", "distribution": "noble"},
         {"driver": "595", "origin": "distribution", "distribution": "noble"}, ("615",)),
    Case("component-platform", {"dcgm": "newest", "distribution": "debian13"},
         {"dcgm": "newest", "distribution": "debian12"}, ("DCGM", "debian13")),
    Case("component-platform", {"container_toolkit": "newest", "distribution": "debian12"},
         {"container_toolkit": "newest", "distribution": "ubuntu2404"}, ("container toolkit",)),
    Case("component-old", {"container_toolkit": "1.17.8"}, {"container_toolkit": "1.18.0"}, ("CDI",)),
    Case("bad-version", {"container_toolkit": "1.17.0"}, {"container_toolkit": "1.18.0"}, ("1.17.0", "IMEX")),
    Case("bad-version", {"container_toolkit": "1.17.3"}, {"container_toolkit": "1.18.0"}, ("CVE-2025-23359",)),
    Case("bad-version", {"driver": "595", "cuda": ["13.2.1"]}, {"driver": "595", "cuda": ["13.2.2"]}, ("NVFP4",)),
    Case("release-unlisted", {"container_toolkit": "1.19.0"}, {"container_toolkit": "1.19.1"}, ("1.19.0",)),
    Case("engine-old", {"engines": {"containerd": "1.7.2"}}, {"engines": {"containerd": "1.7.16"}},
         ("containerd 1.7.2",)),
    Case("engine-old", {"engines": {"docker": "24.0.7"}}, {"engines": {"docker": "26.1"}}, ("26.1.0",)),
    Case("engine-old", {"engines": {"podman": "4.9.3"}}, {"engines": {"podman": "5.1.0"}}, ("podman",)),
    Case("engine-old", {"engines": {"crio": "1.29.1"}}, {"engines": {"crio": "1.30.0"}}, ("crio",)),
    Case("parameter-unknown", {"driver": "570", "module_options": ["NVreg_CoherentGPUMemoryMode"]},
         {"driver": "580", "module_options": ["NVreg_CoherentGPUMemoryMode"]}, ("580",)),
    Case("parameter-unknown", {"driver": "590", "module_options": ["NVreg_ExcludeAllGpus"]},
         {"driver": "595", "module_options": ["NVreg_ExcludeAllGpus"]}, ("595",)),
    Case("parameter-unknown", {"driver": "595", "flavour": "open", "module_options": ["NVreg_EnableGpuFirmware"]},
         {"driver": "595", "flavour": "proprietary", "module_options": ["NVreg_EnableGpuFirmware"]}, ("proprietary",)),
)  # fmt: skip

#: What nobody knows anything about: refused, and with allow_unknown warned of.
UNKNOWN = (
    {"driver": "600.10.01"}, {"driver": "595.99.01"}, {"driver": "640.10.02", "gpus": ["B200"]},
    {"driver": "615", "cuda": ["13.5.0"]}, {"gpus": ["H900"]}, {"distribution": "plan9"}, {"dcgm": "9.0.0"},
    {"container_toolkit": "2.0.0"},
)  # fmt: skip
