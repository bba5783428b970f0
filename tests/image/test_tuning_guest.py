"""The tuning on a kernel of its own: a baked image with two NUMA nodes, and one with 1 GiB and one processor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gpuforge.node.plugins.module_utils import _cmdline_run, _tuning_run
from ansible_collections.gpuforge.node.plugins.plugin_utils import _zipapp
from gpuforge.providers.local import guest_checks, qemu
from gpuforge.providers.local.boot import BootResult, verify_image
from gpuforge.providers.local.guest_checks import GuestCommand
from tests.image.disk_maker import Wanted, make_disk

HERE = Path(__file__).resolve().parent
SCRIPT = "PYTHONPATH=/opt/gpuforge-test python3 /opt/gpuforge-test/tuning_in_guest.py"
BOOT_SECONDS = 1500.0
BAKED = ("base", "training", "inference", "hpc")
LEAST_FREE = 0.8
KIB_A_PAGE = 2048


def profiles(repo: Path) -> dict[str, Any]:
    """The role's profiles by name."""
    found: dict[str, Any] = {}
    for file in sorted((repo / "roles/perf_tuning/files/profiles").glob("*.yml")):
        found.update(yaml.safe_load(file.read_text(encoding="utf-8")))
    return found


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest, repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of the base tree, tuned as a bake does it: files only, by the module's own code."""
    if given := os.environ.get("GPUFORGE_TEST_TREE"):
        base = Path(given)
    else:
        work: Path = request.getfixturevalue("bookworm_base")
        base = max((work / "bases").glob("*/tree"), key=lambda path: path.stat().st_mtime)
    folder = tmp_path_factory.mktemp("tuned")
    tree = folder / "tree"
    same = base.stat().st_dev == folder.stat().st_dev
    subprocess.run(["cp", "-a", *(["--link"] if same else ["--reflink=auto"]), str(base), str(tree)], check=True)
    known = profiles(repo)
    baked = _tuning_run.run(
        {
            "live": False,
            "root": str(tree),
            "profiles": [known[name] for name in BAKED],
            "sysctl": {"net.ipv4.tcp_congestion_control": "bbr", "vm.dirty_ratio": None},
            "hugepages": {"nodes": {0: 2.0, 1: 4.0}, "min_ram_gib": 2},
        },
        False,
    )
    assert baked["unsupported"] == {}
    _cmdline_run.run({"live": False, "root": str(tree), "present": ["init_on_alloc=0"]}, False)
    program = tree / "usr/local/bin/gpuforge-node"
    program.write_bytes(_zipapp.pack())
    program.chmod(0o755)
    test = tree / "opt/gpuforge-test"
    (test / "cores").mkdir(parents=True)
    for pattern in ("_machine.py", "_tuning_*.py", "_sysctl_d.py", "_cmdline*.py"):
        for file in (repo / "plugins/module_utils").glob(pattern):
            shutil.copyfile(file, test / "cores" / file.name)
    shutil.copyfile(HERE / "tuning_in_guest.py", test / "tuning_in_guest.py")
    (test / "profiles.json").write_text(json.dumps(known))
    make_disk(Wanted(tree=str(tree), folder=str(folder)))
    return folder / "out"


def boot(image: Path, scratch: Path, commands: tuple[GuestCommand, ...], memory_mib: int, cpus: int) -> BootResult:
    result = verify_image(
        image, firmware="bios", scratch=scratch, emit=lambda _event: None,
        commands=(*guest_checks.SYSTEM_COMMANDS, *commands), timeout_s=BOOT_SECONDS, memory_mib=memory_mib, cpus=cpus,
    )  # fmt: skip
    assert result.errors == (), result.serial_tail
    assert result.state == "running"
    return result


@pytest.fixture(scope="module")
def told(image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a guest with two NUMA nodes of 1.5 GiB says."""
    plain = qemu.qemu_argv

    def two_nodes(machine: qemu.Machine) -> list[str]:
        nodes: list[str] = []
        for node in (0, 1):
            nodes += ["-object", f"memory-backend-ram,id=ram{node},size=1536M"]
            nodes += ["-numa", f"node,nodeid={node},cpus={node},memdev=ram{node}"]
        return plain(machine) + nodes

    commands = (
        GuestCommand("unit", "systemctl show --property=Result,ActiveState gpuforge-tuning.service"),
        GuestCommand("check", "gpuforge-node check --only tuning --format json"),
        GuestCommand("limits", "systemctl show --property=DefaultLimitMEMLOCK --value"),
        GuestCommand("login", "su -s /bin/sh -c 'ulimit -l' daemon"),
        GuestCommand("steps", f"{SCRIPT} steps"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qemu, "qemu_argv", two_nodes)
        result = boot(image, tmp_path_factory.mktemp("scratch"), commands, 3072, 2)
    answers = {name: answer.stdout.strip() for name, answer in result.answers.items()}
    assert answers["steps"], result.answers["steps"].stderr
    return {**answers, **json.loads(answers["steps"])}


def test_an_image_has_every_value_after_its_first_boot(told: dict[str, Any]) -> None:
    assert "Result=success" in told["unit"]
    assert "ActiveState=active" in told["unit"]
    found = {item["name"]: item for item in told["booted"]}
    assert {name: item for name, item in found.items() if item["status"] != "pass"} == {}
    for name in ("vm.max_map_count", "kernel.numa_balancing", "thp.enabled", "sunrpc.tcp_max_slot_table_entries"):
        assert name in found
    assert found["net.ipv4.tcp_congestion_control"]["found"] == "bbr"
    for node, percent in ((0, 2), (1, 4)):
        # The kernel keeps a different part of each node for itself: the share is of what that leaves.
        share = int(told["before"][f"kib{node}"]) * percent / 100
        assert share - KIB_A_PAGE < int(found[f"hugepages.node{node}"]["found"]) * KIB_A_PAGE <= share
    assert "vm.zone_reclaim_mode" not in found, "a virtual machine keeps its own"
    assert not [name for name in found if name.startswith(("governor", "irq."))]


def test_the_node_program_agrees(told: dict[str, Any]) -> None:
    checks = json.loads(told["check"])["checks"]
    assert checks
    assert {check["id"]: check["status"] for check in checks if check["status"] not in ("pass", "skipped")} == {}


def test_limits_reach_services_and_logins(told: dict[str, Any]) -> None:
    assert told["limits"] == "infinity"
    assert told["login"] == "unlimited"


def test_the_images_kernel_has_its_parameter(told: dict[str, Any]) -> None:
    assert "init_on_alloc=0" in told["cmdline"].split()


def test_live_values_are_written_read_back_and_kept(told: dict[str, Any]) -> None:
    first, after = told["first"], told["after_first"]
    assert set(first["unsupported"]) == {"vm.mmap_rnd_bits"}
    assert "Invalid argument" in first["unsupported"]["vm.mmap_rnd_bits"]
    assert set(first["left"]) == {"governor", "irq_affinity"}
    wanted = {
        "vm.swappiness": "7", "vm.dirty_bytes": "8388608", "vm.dirty_ratio": "0", "kernel.numa_balancing": "0",
        "net.core.rmem_max": "4194304", "net.ipv4.tcp_congestion_control": "bbr", "vm.legacy_va_layout": "1",
        "sunrpc.tcp_max_slot_table_entries": "100", "thp": "always madvise [never]",
    }  # fmt: skip
    assert {name: after[name] for name in wanted} == wanted
    assert int(after["pages1"]) > int(after["pages0"]) > 0
    assert (told["again"]["changed"], told["again"]["diff"]) == (False, [])
    assert told["compare"] == []


def test_a_required_value_the_kernel_refuses_undoes_the_rest(told: dict[str, Any]) -> None:
    assert "everything was put back" in told["refused"]["failed"]
    assert told["after_refused"] == told["after_first"]


def test_the_files_alone_set_the_values_again(told: dict[str, Any]) -> None:
    assert told["as_after_a_boot"] == told["after_first"], told["programs"]


def test_absent_puts_the_kernels_own_values_back(told: dict[str, Any]) -> None:
    after = told["after_absent"]
    assert (after["vm.dirty_ratio"], after["vm.dirty_bytes"]) == ("20", "0")
    assert after["vm.swappiness"] == "60"
    assert after["thp"].count("[") == 1
    assert "[never]" not in after["thp"]
    assert (after["pages0"], after["pages1"]) == ("0", "0")
    assert after["net.core.rmem_max"] == "212992"


@pytest.mark.slow  # every profile, on the slowest of guests
def test_a_small_machine_keeps_its_memory_under_every_profile(image: Path, repo: Path, tmp_path: Path) -> None:
    command = GuestCommand("small", f"{SCRIPT} small /opt/gpuforge-test/profiles.json")
    result = boot(image, tmp_path, (command,), 1024, 1)
    told = json.loads(result.answers["small"].stdout)
    assert set(told) == set(profiles(repo))
    for name, item in told.items():
        assert "failed" not in item["result"], item["result"]
        assert item["result"]["applied"], name
        assert item["after"] >= LEAST_FREE * item["before"], (name, item["before"], item["after"])
