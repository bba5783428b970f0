# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The files that are handed out, from a small raw image in a folder with an awkward name."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gpuforge.errors import GpuforgeError, Refused
from gpuforge.providers.local import artifacts, tools, whole
from gpuforge.providers.local.artifacts import convert, file_sha256

MIB = 1 << 20


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A sparse image of 64 MiB with data at its front, in its middle and at its end."""
    folder = tmp_path / "a b, ä: c@@1"
    folder.mkdir()
    path = folder / "disk.raw.tmp"
    with path.open("wb") as handle:
        handle.truncate(64 * MIB)
        for offset in (0, 20 * MIB, 64 * MIB - 512):
            handle.seek(offset)
            handle.write(b"gpuforge" * 64)
    return path


def test_the_digest_of_a_sparse_file_is_that_of_its_bytes(raw: Path, tmp_path: Path) -> None:
    assert file_sha256(raw) == hashlib.sha256(raw.read_bytes()).hexdigest()
    for size in (0, 1, MIB + 1):
        path = tmp_path / "hole"
        path.unlink(missing_ok=True)
        with path.open("wb") as handle:
            handle.truncate(size)
        assert file_sha256(path) == hashlib.sha256(bytes(size)).hexdigest()


def test_all_formats_hold_the_same_disk(raw: Path, tmp_path: Path) -> None:
    content = raw.read_bytes()
    out = raw.parent
    records = convert(raw, out, ["qcow2", "gce", "raw"], epoch=1_700_000_000)
    assert [(item.format, item.file) for item in records] == [
        ("qcow2", "disk.qcow2"), ("gce", "disk.tar.gz"), ("raw", "disk.raw"),
    ]  # fmt: skip
    assert {path.name for path in out.iterdir()} == {"disk.qcow2", "disk.tar.gz", "disk.raw"}
    for item in records:
        data = (out / item.file).read_bytes()
        assert (item.bytes, item.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (out / "disk.raw").read_bytes() == content
    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(out / "disk.qcow2")]))
    assert info["format-specific"]["data"]["compression-type"] == "zstd"
    subprocess.run(["qemu-img", "check", "-q", str(out / "disk.qcow2")], check=True)
    back = tmp_path / "back.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(out / "disk.qcow2"), str(back)], check=True)
    assert back.read_bytes() == content
    with tarfile.open(out / "disk.tar.gz") as tar:
        members = tar.getmembers()
        assert [(item.name, item.size, item.mtime) for item in members] == [("disk.raw", 64 * MIB, 1_700_000_000)]
        handle = tar.extractfile(members[0])
        assert handle is not None
        assert handle.read() == content


def test_the_raw_file_is_used_up(raw: Path) -> None:
    convert(raw, raw.parent, ["qcow2"])
    assert [path.name for path in raw.parent.iterdir()] == ["disk.qcow2"]


def test_the_tar_is_the_same_each_time(raw: Path) -> None:
    copy = raw.with_name("copy")
    subprocess.run(["cp", "--sparse=always", str(raw), str(copy)], check=True)
    digests = [convert(path, raw.parent, ["gce"], epoch=1)[0].sha256 for path in (raw, copy)]
    assert digests[0] == digests[1]


def test_a_failure_leaves_no_file_of_this_call(raw: Path) -> None:
    def failing(
        argv: Sequence[str],
        *,
        doing: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> bytes:
        if argv[0] == "qemu-img":
            Path(argv[-1]).write_bytes(b"half")
            raise KeyboardInterrupt
        return tools.run(argv, doing=doing, cwd=cwd, env=env, stdin=stdin)

    with pytest.raises(KeyboardInterrupt):
        convert(raw, raw.parent, ["gce", "qcow2"], run=failing)
    assert [path.name for path in raw.parent.iterdir()] == [raw.name]


def test_a_full_disk_is_told_with_what_where_and_how_much(tmp_path: Path) -> None:
    with (
        pytest.raises(GpuforgeError) as caught,
        whole.whole_or_nothing(tmp_path / "big", 5 * MIB, "writing big") as part,
    ):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert str(tmp_path) in caught.value.message
    assert f"{5 * MIB} bytes" in caught.value.message
    assert caught.value.doing == "writing big"
    assert "--work-dir" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_too_little_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="bytes free"):
        whole.check_space(tmp_path, 1 << 60, "writing")


def test_a_missing_tool_is_named_with_its_package(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find_tool", lambda _name: None)
    with pytest.raises(GpuforgeError) as caught:
        artifacts.require_tools(["qemu-img", "tar"], doing="writing")
    assert "qemu-img, tar not found" in caught.value.message
    assert caught.value.hint == "apt-get install qemu-utils tar"
    assert caught.value.exit_code == 3
    assert raw.exists()


def test_a_failed_tool_is_quoted_with_its_own_words() -> None:
    with pytest.raises(GpuforgeError, match=r"ended with status 1\n  \| .*No such file"):
        tools.run(["qemu-img", "info", "/no/such/file"], doing="reading")
