# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is read from a tree and written into it stays in the tree."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gpuforge.errors import GpuforgeError
from gpuforge.providers.local import image_tree
from gpuforge.providers.local.disk import make_plan

PLAN = make_plan("x", 10)
KERNEL = "6.1.0-56-cloud-amd64"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The least that passes for a tree that can boot, with Ubuntu's way of naming its shim."""
    root = tmp_path / "a b, ä"
    for name in (
        "usr/lib/shim/shimx64.efi.signed.latest", image_tree.MOK_MANAGER, image_tree.SIGNED_GRUB,
        "usr/lib/grub/i386-pc/boot.img", "usr/lib/grub/i386-pc/linux.mod", "usr/lib/grub/i386-pc/command.lst",
        "usr/lib/grub/i386-pc/kernel.img", "usr/bin/grub-mkimage", "usr/sbin/update-grub", "usr/bin/cloud-init",
        f"boot/vmlinuz-{KERNEL}", f"boot/initrd.img-{KERNEL}", f"usr/lib/modules/{KERNEL}/modules.dep",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "etc/alternatives").mkdir(parents=True)
    (root / image_tree.SHIM).symlink_to("/etc/alternatives/shim")
    (root / "etc/alternatives/shim").symlink_to("/usr/lib/shim/shimx64.efi.signed.latest")
    (root / "usr/lib/os-release").write_text('NAME="Ubuntu"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n')
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/machine-id").write_text("0123\n")
    return root


class Recorder:
    """Runs nothing; the first answer is what the tree's /etc/default/grub would say."""

    def __init__(self) -> None:
        self.argvs: list[list[str]] = []

    def __call__(
        self,
        argv: Sequence[str],
        *,
        doing: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> bytes:
        assert doing
        assert (cwd, env, stdin) == (None, None, b"")
        self.argvs.append(list(argv))
        return b" console=ttyS0   iommu=pt  \nUbuntu\n"


def test_links_lead_into_the_tree_and_never_out(tree: Path) -> None:
    assert image_tree.inside(tree, image_tree.SHIM) == tree / "usr/lib/shim/shimx64.efi.signed.latest"
    assert image_tree.inside(tree, "etc/os-release") == tree / "usr/lib/os-release"
    (tree / "up").symlink_to("../../../../etc/passwd")
    assert image_tree.inside(tree, "up") == tree / "etc/passwd"
    (tree / "loop").symlink_to("loop")
    assert image_tree.inside(tree, "loop") == tree / "loop"


def test_the_esp_folder_is_the_distributions(tree: Path) -> None:
    assert image_tree.vendor(tree) == "ubuntu"


def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    problems = image_tree.missing_boot_files(tmp_path)
    assert len(problems) == 7
    assert any("shim-signed" in problem.hint for problem in problems)
    assert problems[-1].where == "/boot"
    with pytest.raises(GpuforgeError) as caught:
        image_tree.prepare_tree(tmp_path, PLAN, epoch=1, run=Recorder())
    assert len(caught.value.problems) == 7
    assert not list(tmp_path.iterdir())


def test_a_prepared_tree_has_what_a_first_boot_needs(tree: Path) -> None:
    run = Recorder()
    image_tree.prepare_tree(tree, PLAN, epoch=1_700_000_000, run=run)
    assert (tree / "etc/machine-id").read_bytes() == b""
    assert (tree / "etc/hostname").read_text() == "localhost\n"
    fstab = (tree / "etc/fstab").read_text()
    assert f"UUID={PLAN.root_uuid} / ext4 " in fstab
    assert f"UUID={PLAN.esp_uuid} /boot/efi vfat " in fstab
    assert (tree / "boot/efi").is_dir()
    assert "datasource_list: [NoCloud, GCE, Ec2, None]" in (tree / "etc/cloud/cloud.cfg.d/95_gpuforge.cfg").read_text()
    cfg = (tree / "boot/grub/grub.cfg").read_text()
    assert f"linux /boot/vmlinuz-{KERNEL} root=UUID={PLAN.root_uuid} ro console=ttyS0 iommu=pt\n" in cfg
    assert "menuentry 'Ubuntu, " in cfg
    copied = {path.name for path in (tree / image_tree.GRUB_BIOS).iterdir()}
    assert copied == {"boot.img", "linux.mod", "command.lst", "load.cfg"}
    assert [argv[:2] for argv in run.argvs] == [["chroot", str(tree)]] * 2
    assert (tree / "etc").stat().st_mtime == 1_700_000_000


def test_a_second_preparation_changes_nothing(tree: Path) -> None:
    def state() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in tree.rglob("*") if path.is_file() and not path.is_symlink()}

    image_tree.prepare_tree(tree, PLAN, epoch=1, run=Recorder())
    first = state()
    image_tree.prepare_tree(tree, PLAN, epoch=1, run=Recorder())
    assert state() == first


def test_modes_do_not_come_from_the_umask(tree: Path) -> None:
    before = os.umask(0o077)
    try:
        image_tree.prepare_tree(tree, PLAN, epoch=1, run=Recorder())
    finally:
        os.umask(before)
    for name in ("etc/fstab", "etc/hostname", "boot/grub/grub.cfg", "etc/cloud/cloud.cfg.d/95_gpuforge.cfg"):
        assert (tree / name).stat().st_mode & 0o777 == 0o644
    for name in ("boot/grub", "boot/efi", "etc/cloud/cloud.cfg.d"):
        assert (tree / name).stat().st_mode & 0o777 == 0o755


def test_nothing_is_written_through_a_link_that_leaves_the_tree(tree: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tree / "etc/hostname").symlink_to(victim)
    image_tree.prepare_tree(tree, PLAN, epoch=1, run=Recorder())
    assert victim.read_text() == "mine"
    assert (tree / "etc/hostname").read_text() == "localhost\n"
    (tmp_path / "outside").mkdir()
    (tree / "boot/grub").rename(tree / "boot/old")
    (tree / "boot/grub").symlink_to(tmp_path / "outside")
    with pytest.raises(GpuforgeError, match="/boot/grub is not a folder"):
        image_tree.prepare_tree(tree, PLAN, epoch=1, run=Recorder())
    assert not list((tmp_path / "outside").iterdir())
