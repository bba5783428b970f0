"""The command line: exit codes, where answers go, and what is said to those who call it wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._node_cli import main
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health import cases_hygiene, cases_tuning
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import Node


@pytest.fixture
def image(node: Node) -> list[str]:
    """Arguments that name a clean unpacked image."""
    cases_hygiene.t_clean(node)
    return ["--root", str(node.root)]


def test_clean_is_0(image: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--only", "hygiene", *image]) == 0
    assert capsys.readouterr().out.endswith("verdict: ok (24 pass)\n")


def test_a_failure_is_1_also_beside_something_unknown(image: list[str], node: Node) -> None:
    node.file("/etc/machine-id", "0" * 32)
    assert main(["check", "--only", "hygiene", *image]) == 1
    assert main(["check", "--only", "hygiene,manifest", *image]) == 1


def test_something_unknown_is_3(image: list[str]) -> None:
    assert main(["check", "--only", "manifest", *image]) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "--only", "hygeine"], "did you mean 'hygiene'"),
        (["check", "--only", "gpu", "--skip", "gpu"], "no check is left"),
        (["check", "--root", "/nonexistent-root"], "/nonexistent-root"),
        (["check", "--expect", "/nonexistent.json"], "/nonexistent.json: No such file"),
    ],
)
def test_wrong_use_is_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check", "--format", "xml"], ["facts", "--only", "gpu"]])
def test_wrong_words_are_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_expectations_are_read_and_refused(image: list[str], node: Node, tmp_path: Path) -> None:
    node.file("/var/lib/dpkg/status", "")
    node.json("/etc/gpuforge/expect.json", {"count": 8})
    assert main(["check", "--only", "gpu.count", *image]) == 1
    other = tmp_path / "expect.json"
    other.write_text('{"count": 0}')
    assert main(["check", "--only", "gpu.count", "--expect", str(other), *image]) == 0
    node.file("/etc/gpuforge/expect.json", "{")
    assert main(["check", "--only", "gpu.count", *image]) == 2
    assert main(["check", "--list", *image]) == 2


def test_list_runs_nothing(image: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list", "--only", "system", *image]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["system.running", "system.units"]


def test_output_is_written_whole(image: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "node.prom"
    target.write_text("old")
    arguments = ["check", "--only", "hygiene", "--format", "prometheus", "--output", str(target), *image]
    assert main(arguments) == 0
    assert target.read_text().startswith("# HELP gpuforge_check_status")
    assert target.stat().st_mode & 0o777 == 0o644
    assert "verdict: ok" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".gpuforge")] == []
    arguments[arguments.index(str(target))] = str(tmp_path / "nowhere" / "node.prom")
    assert main(arguments) == 2


def test_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts", "--root", str(tmp_path), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"gpu", "topology", "fabric"}
    assert main(["facts", "--root", str(tmp_path)]) == 0
    assert "fabric    tcp" in capsys.readouterr().out


def test_fabric_is_written_once_and_taken_out_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, target = tmp_path / "root", tmp_path / "nccl.conf"
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/net/route").write_text("Iface\t...\neth9\t00000000\t0101A8C0\t3\t0\t0\t1\t00000000\t0\t0\t0\n")
    assert main(["fabric", "--root", str(root)]) == 0
    assert "# fabric: tcp" in capsys.readouterr().out
    write = ["fabric", "--root", str(root), "--write", str(target)]
    assert main(write) == 0
    assert capsys.readouterr().out == f"{target}: written, fabric tcp\n  + NCCL_SOCKET_IFNAME==eth9\n"
    at = target.stat().st_ino
    assert main(write) == 0
    assert capsys.readouterr().out == f"{target}: unchanged, fabric tcp\n"
    assert (target.stat().st_ino, target.stat().st_mode & 0o777) == (at, 0o644)
    assert main(["fabric", "--remove", str(target)]) == 0
    assert capsys.readouterr().out == f"{target}: our block is gone\n  - NCCL_SOCKET_IFNAME==eth9\n"
    assert not target.exists()
    assert main(["fabric", "--remove", str(target)]) == 0


def test_a_fabric_block_that_was_edited_is_left_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, target = tmp_path / "root", tmp_path / "nccl.conf"
    root.mkdir()
    write = ["fabric", "--root", str(root), "--write", str(target)]
    target.write_text("NCCL_DEBUG=WARN\n")
    assert main(write) == 0
    edited = target.read_text().replace("# fabric: tcp", "NCCL_MINE=1")
    target.write_text(edited)
    for arguments in (write, ["fabric", "--remove", str(target)]):
        assert main(arguments) == 1
        assert "edited by hand; nothing was written" in capsys.readouterr().err
        assert target.read_text() == edited
    assert main([*write, "--force"]) == 0
    assert target.read_text().startswith("NCCL_DEBUG=WARN\n# BEGIN gpuforge")
    assert "NCCL_MINE" not in target.read_text()
    assert main(["fabric", "--remove", str(target)]) == 0
    assert target.read_text() == "NCCL_DEBUG=WARN\n"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("")
    (tmp_path / "nccl.conf").symlink_to(tmp_path / "shared")
    assert main(["fabric", "--root", str(tmp_path), "--write", str(tmp_path / "nccl.conf")]) == 0
    assert (tmp_path / "nccl.conf").is_symlink()
    assert "# fabric: tcp" in (tmp_path / "shared").read_text()


def test_peermem_is_not_wanted_on_an_empty_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["peermem", "--load", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "nvidia-peermem: not wanted: no NVIDIA GPU is in this machine\n"


def test_tune_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "--root", str(tmp_path)]) == 1
    assert "never tuned" in capsys.readouterr().err


def test_tune_without_anything_put_off(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.file("/proc/meminfo", "MemTotal:  33554432 kB\n")
    cases_tuning.in_force(node)
    assert main(["tune", "--root", str(node.root)]) == 0
    assert capsys.readouterr().out == "nothing to set\n"
    assert main(["tune", "--root", str(node.root), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] is False
