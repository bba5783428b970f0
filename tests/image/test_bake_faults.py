"""What goes wrong while baking: nothing half-made stays, nothing whole is lost, and the exit code says which it was."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.image.small_collection import command, write_collection, write_file
from tests.image.workshop import Workshop

MakeWorkshop = Callable[..., Workshop]

WHOLE = write_file("/etc/whole", "1")
SLEEP = command("sleep 314159")
WAIT_SECONDS = 120


def _until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "this never happened"
        time.sleep(0.05)


def _sleeping(word: str = "sleep 314159") -> bool:
    return subprocess.run(["pgrep", "-f", f"^{word}"], stdout=subprocess.DEVNULL, check=False).returncode == 0


def _layers(work: Path) -> int:
    return len(list((work / "layers").iterdir()))


def test_kill_9_in_the_middle_of_a_layer(workshop: MakeWorkshop) -> None:
    shop = workshop({"whole": WHOLE, "half": write_file("/etc/half", "1") + SLEEP})
    process = shop.start("bake", str(shop.spec), "--no-verify")
    _until(_sleeping, process)
    process.kill()
    process.communicate()
    _until(lambda: not _sleeping())
    _until(lambda: not shop.leftovers())
    assert _layers(shop.work) == 1
    assert shop.plan()["whole"] == "cached"
    write_collection(shop.collection, {"whole": WHOLE, "half": write_file("/etc/half", "1")})
    result = shop.result()
    assert result["baked"] == ["half", "image_seal", "image"]
    assert result["cached"] == ["base", "whole"]


def test_kill_9_in_the_middle_of_assembling(workshop: MakeWorkshop, tmp_path: Path) -> None:
    # A tool that never comes back stands in the way of qemu-img, so that the moment is always the same one.
    slow = tmp_path / "bin/qemu-img"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 314159\n")
    slow.chmod(0o755)
    shop = workshop({"whole": WHOLE})
    stuck = Workshop(shop.work, shop.collection, shop.spec, {"PATH": f"{slow.parent}:{os.environ['PATH']}"})
    process = stuck.start("bake", str(shop.spec), "--no-verify")
    _until(_sleeping, process)
    process.kill()
    process.communicate()
    _until(lambda: not _sleeping())
    _until(lambda: not shop.leftovers())
    assert list((shop.work / "images").iterdir()) == []
    result = shop.result()
    assert result["baked"] == ["image"]
    assert result["cached"] == ["base", "whole", "image_seal"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bake_leaves_nothing_and_says_130(workshop: MakeWorkshop, how: signal.Signals) -> None:
    shop = workshop({"whole": WHOLE, "half": SLEEP})
    process = shop.start("bake", str(shop.spec), "--no-verify")
    _until(_sleeping, process)
    os.killpg(process.pid, how)  # as a terminal does: the whole foreground group gets it
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, err
    assert not _sleeping()
    assert shop.leftovers() == []
    assert _layers(shop.work) == 1
    assert "Traceback" not in err


def test_a_failed_task_fails_the_layer_with_its_output(workshop: MakeWorkshop) -> None:
    shop = workshop({"whole": WHOLE, "broken": command("ls /nowhere")})
    done = shop.bake()
    assert done.returncode == 4
    assert "ls: cannot access '/nowhere'" in done.stderr
    assert "broken" in done.stderr
    assert shop.leftovers() == []
    assert shop.plan() == {
        "debian bookworm": "cached",
        "whole": "cached",
        "broken": "bake",
        "image_seal": "bake",
        "small": "bake",
    }


def test_a_role_that_is_edited_while_it_is_applied_is_not_kept(workshop: MakeWorkshop) -> None:
    shop = workshop({"slow": command("sleep 3.14159")})
    process = shop.start("bake", str(shop.spec), "--no-verify")
    _until(lambda: _sleeping("sleep 3.14159"), process)
    (shop.collection / "roles/slow/tasks/install.yml").write_text(command("sleep 1"))
    _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 3, err
    assert "changed meanwhile" in err
    assert _layers(shop.work) == 0


def test_keep_on_failure_keeps_and_says_where(workshop: MakeWorkshop) -> None:
    shop = workshop({"broken": write_file("/etc/half", "1") + command("/bin/false")})
    done = shop.bake("--keep-on-failure")
    assert done.returncode == 4
    kept = list((shop.work / "kept").iterdir())
    assert len(kept) == 1
    assert str(kept[0]) in done.stderr
    assert (kept[0] / "diff/etc/half").read_text() == "1"
    listed = shop.run("gc")
    assert kept[0].name in listed.stdout


def test_two_bakes_of_one_spec_make_everything_once(workshop: MakeWorkshop) -> None:
    shop = workshop({"slow": command("sleep 4.14159")})
    first = shop.start("bake", str(shop.spec), "--no-verify")
    _until(lambda: _sleeping("sleep 4.14159"), first)
    second = shop.start("bake", str(shop.spec), "--no-verify")
    outputs = [process.communicate(timeout=WAIT_SECONDS) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert "waiting: another bake is making it" in outputs[1][1]
    assert _layers(shop.work) == 2
    assert len(list((shop.work / "images").iterdir())) == 1


def test_a_store_damaged_by_hand_is_found_and_baked_anew(workshop: MakeWorkshop) -> None:
    shop = workshop({"whole": WHOLE})
    first = shop.result()
    layer = next(path for path in (shop.work / "layers").iterdir() if (path / "diff/etc/whole").exists())
    (layer / "diff/etc/whole").unlink()
    done = shop.bake()
    assert done.returncode == 0, done.stderr
    assert "damaged in the store, made anew" in done.stderr
    assert (layer / "diff/etc/whole").read_text() == "1"
    again = shop.result()
    assert again["baked"] == []
    assert again["digest"] == first["digest"]


def test_a_removed_disk_is_assembled_anew(workshop: MakeWorkshop) -> None:
    shop = workshop({"whole": WHOLE})
    first = shop.result()
    disk = Path(first["path"]) / "disk.qcow2"
    disk.write_bytes(b"short")
    again = shop.result()
    assert again["baked"] == ["image"]
    assert disk.stat().st_size > 5


def _on_a_small_disk(shop: Workshop, free_mib: int) -> subprocess.CompletedProcess[str]:
    """Bake with the work directory on a file system of its own with *free_mib* MiB free; it goes with its namespace."""
    script = (
        'set -e; used=$(du -sm "$1/bases" | cut -f1); mkdir -p "$1/small"; '
        'mount -t tmpfs -o "size=$((used + $2))m" tmpfs "$1/small"; cp -a "$1/bases" "$1/small/"; shift 2; exec "$@"'
    )
    small = Workshop(shop.work / "small", shop.collection, shop.spec, shop.env)
    prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(shop.work), str(free_mib))
    return small.run("bake", str(shop.spec), "--no-verify", prefix=prefix)


def test_a_disk_that_fills_while_a_layer_is_written(workshop: MakeWorkshop) -> None:
    shop = workshop({"large": command("dd if=/dev/zero of=/large bs=1M count=900 status=none")})
    done = _on_a_small_disk(shop, 200)
    assert done.returncode == 4, done.stderr
    assert "No space left on device" in done.stderr
    assert "--work-dir" in done.stderr
    assert "disk of the work directory is full" in done.stderr


def test_a_disk_that_is_too_small_to_assemble_on(workshop: MakeWorkshop) -> None:
    shop = workshop({"whole": WHOLE})
    done = _on_a_small_disk(shop, 100)
    assert done.returncode in (3, 4), done.stderr
    assert "MiB" in done.stderr
    assert "--work-dir" in done.stderr


def test_without_root_baking_is_refused_and_planning_is_not(workshop: MakeWorkshop, tmp_path: Path) -> None:
    shop = workshop({"whole": WHOLE})
    as_nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    empty = Workshop(Path("/nonexistent/work"), shop.collection, shop.spec)
    planned = empty.run("plan", str(shop.spec), prefix=as_nobody)
    assert planned.returncode == 0, planned.stderr
    done = empty.run("bake", str(shop.spec), "--no-verify", prefix=as_nobody)
    assert done.returncode == 3
    assert "needs root" in done.stderr
    assert "sudo" in done.stderr


def test_missing_tools_are_named_all_at_once_with_their_packages(workshop: MakeWorkshop, tmp_path: Path) -> None:
    shop = workshop({"whole": WHOLE})
    (tmp_path / "bin").mkdir()
    hidden = ("unshare", "--mount", "--propagation", "private", "sh", "-c")
    script = 'for tool in mmdebstrap mkfs.ext4; do mount --bind "$0" "$(command -v $tool)"; done; exec "$@"'
    not_a_program = tmp_path / "bin/none"
    not_a_program.touch(mode=0o644)
    done = shop.run("bake", str(shop.spec), "--no-verify", prefix=(*hidden, script, str(not_a_program)))
    assert done.returncode == 3, done.stderr
    assert "mkfs.ext4" in done.stderr
    assert "mmdebstrap" in done.stderr
    assert "apt-get install e2fsprogs mmdebstrap" in done.stderr
    assert _layers_or_none(shop.work) == 0


def _layers_or_none(work: Path) -> int:
    return _layers(work) if (work / "layers").exists() else 0
