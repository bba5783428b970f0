# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The last changes to a tree before it becomes a disk: what depends on the disk (fstab, GRUB) and what makes the
image neutral.

Works on a writable tree of which everything is thrown away after the disk is made: nothing of it enters a layer.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gpuforge.errors import GpuforgeError, Problem
from gpuforge.providers.local import grub
from gpuforge.providers.local.disk import DiskPlan
from gpuforge.providers.local.kernels import bootable_kernels
from gpuforge.providers.local.tools import Runner, run

_DOING: Final = "preparing the tree for its disk"
_MAX_LINKS: Final = 40  # as Linux: path_resolution(7)

# Files of the tree that the boot path is made of, and the Debian package of each.
SHIM: Final = "usr/lib/shim/shimx64.efi.signed"
MOK_MANAGER: Final = "usr/lib/shim/mmx64.efi.signed"
SIGNED_GRUB: Final = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
BIOS_MODULES: Final = "usr/lib/grub/i386-pc"
_BOOT_FILES: Final[Mapping[str, str]] = {
    SHIM: "shim-signed",
    MOK_MANAGER: "shim-signed",
    SIGNED_GRUB: "grub-efi-amd64-signed",
    f"{BIOS_MODULES}/boot.img": "grub-pc-bin",
    "usr/bin/grub-mkimage": "grub-common",
    "usr/sbin/update-grub": "grub2-common",
}

# Where grub-install puts what it made for BIOS; it will write over these in the guest when GRUB is upgraded.
GRUB_BIOS: Final = "boot/grub/i386-pc"

# The hook of Debian's grub-cloud-amd64: where this file is, upgrades of GRUB in the guest install it to the disk anew.
_ENABLE_CLOUD: Final = "etc/grub.d/enable_cloud"

_HOSTS: Final = """\
127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters
"""

# The sources of a first boot's configuration that this image is made for, in the order of asking. Without any (a
# machine of one's own, no seed) the image still gets its network by DHCP and its host keys. The package sources stay
# those of the bake.
_CLOUD_CFG: Final = """\
# Written by gpuforge when the image was assembled.
datasource_list: [NoCloud, GCE, Ec2, None]
# The locale is what the image says (C.UTF-8); generating another would take a minute of the first boot.
locale: false
apt:
  preserve_sources_list: true
"""
_DS_IDENTIFY: Final = """\
# Written by gpuforge: where no source is found, go on with defaults instead of leaving the machine without a network.
policy: search,found=all,maybe=all,notfound=enabled
"""

# Prints what GRUB's own scripts would read; the files are shell.
_READ_GRUB: Final = """
set -e
GRUB_CMDLINE_LINUX= GRUB_CMDLINE_LINUX_DEFAULT= GRUB_DISTRIBUTOR=
[ ! -e /etc/default/grub ] || . /etc/default/grub
for file in /etc/default/grub.d/*.cfg; do [ ! -e "$file" ] || . "$file"; done
printf '%s\\n%s\\n' "$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT" "$GRUB_DISTRIBUTOR"
"""


def fstab(plan: DiskPlan) -> str:
    """/etc/fstab. A damaged ESP must not keep a node from booting: it is left unmounted (``nofail``), after a
    time that is long enough for a guest in emulation on a busy machine. The checks of a boot look for it."""
    return (
        f"UUID={plan.root_uuid} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n"
        f"UUID={plan.esp_uuid} /boot/efi vfat umask=0077,nofail,x-systemd.device-timeout=180s 0 0\n"
    )


def inside(root: Path, name: str) -> Path:
    """The file that *name* means to a system whose root is *root*: absolute symbolic links lead there, not to the host.

    Ubuntu's shim is such a link, through /etc/alternatives.
    """
    path = root
    parts = list(reversed(Path(name).parts))
    links = 0
    while parts:
        part = parts.pop()
        if part in ("/", ".."):
            path = root if part == "/" or path == root else path.parent
            continue
        path = path / part
        if path.is_symlink() and links < _MAX_LINKS:
            links += 1
            parts += reversed(path.readlink().parts)
            path = path.parent
    return path


def vendor(root: Path) -> str:
    """Name of the folder on the ESP that the distribution's signed GRUB looks into: the ID of os-release(5)."""
    text = inside(root, "etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^ID=[\"']?([a-z0-9._-]+)", text, re.MULTILINE)
    return found[1] if found else "linux"


def missing_boot_files(root: Path) -> list[Problem]:
    """What the tree at *root* lacks to boot by BIOS and by UEFI with Secure Boot."""
    problems = [
        Problem(path, "is not in the tree", "the disk cannot boot without it", f"add the package {package} to the base")
        for path, package in _BOOT_FILES.items()
        if not inside(root, path).is_file()
    ]
    if not bootable_kernels(root):
        problems.append(
            Problem(
                "/boot",
                "there is no kernel with modules, image and initramfs",
                "at least one version must have /lib/modules/V, /boot/vmlinuz-V and /boot/initrd.img-V",
                "install a kernel package and initramfs-tools in the base",
            )
        )
    return problems


class _Writer:
    """Writes into a tree with given modes, whatever the umask, and never through a symbolic link that leaves the
    tree."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, name: str) -> Path:
        path = self._root
        for part in Path(name).parts:
            path = path / part
            if not path.is_dir() or path.is_symlink():
                if path.is_symlink() or path.exists():
                    raise GpuforgeError(f"/{path.relative_to(self._root)} is not a folder", doing=_DOING)
                path.mkdir()
                path.chmod(0o755)
        return path

    def file(self, name: str, text: str | bytes) -> None:
        path = self.folder(str(Path(name).parent)) / Path(name).name
        path.unlink(missing_ok=True)  # not through a link, and not into a lower layer
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o644)


def _grub_settings(root: Path, run: Runner) -> grub.GrubSettings:
    out = run(["chroot", str(root), "/bin/sh", "-c", _READ_GRUB], doing="reading /etc/default/grub of the tree")
    cmdline, title = out.decode("utf-8", "replace").split("\n")[:2]
    return grub.GrubSettings(" ".join(cmdline.split()), title.strip() or "Linux")


def _install_bios_grub(root: Path, plan: DiskPlan, write: _Writer, run: Runner) -> None:
    """Put GRUB's BIOS modules and core image where grub-install puts them, made by the tree's own GRUB."""
    source, target = root / BIOS_MODULES, write.folder(GRUB_BIOS)
    for name in sorted(path.name for path in source.iterdir()):
        if name.endswith((".mod", ".lst")) or name == "boot.img":
            shutil.copy2(source / name, target / name)
    write.file(f"{GRUB_BIOS}/load.cfg", grub.core_cfg(plan))
    run(
        [
            "chroot", str(root), "/usr/bin/grub-mkimage", "-O", "i386-pc", "-d", f"/{BIOS_MODULES}", "-p", "/boot/grub",
            "-c", f"/{GRUB_BIOS}/load.cfg", "-o", f"/{GRUB_BIOS}/core.img", *grub.CORE_MODULES,
        ],
        doing="making GRUB's core image for BIOS",
    )  # fmt: skip


def prepare_tree(root: Path, plan: DiskPlan, *, epoch: int, run: Runner = run) -> None:
    """Change the writable tree at *root* so that it boots from the disk of *plan* and carries nobody's name.

    Args:
        root: the tree; its programs are run by chroot(8), so the caller is root.
        plan: the disk that the tree is written to.
        epoch: UNIX seconds that the folders changed here get as their time.
        run: how programs are run.

    Raises:
        GpuforgeError: the tree lacks what it takes to boot (all of it is named), or a program failed.
    """
    if problems := missing_boot_files(root):
        raise GpuforgeError("the tree cannot boot", doing=_DOING, exit_code=4, problems=problems)
    write = _Writer(root)
    write.file("etc/fstab", fstab(plan))
    write.file("etc/hostname", "localhost\n")
    write.file("etc/hosts", _HOSTS)
    write.file("etc/machine-id", "")  # empty: systemd makes one at boot
    write.folder("boot/efi")
    if (root / "usr/bin/cloud-init").exists():
        write.file("etc/cloud/cloud.cfg.d/95_gpuforge.cfg", _CLOUD_CFG)
        write.file("etc/cloud/ds-identify.cfg", _DS_IDENTIFY)

    write.file("etc/default/grub.d/50-gpuforge.cfg", grub.default_dropin())
    write.file(_ENABLE_CLOUD, "")
    settings = _grub_settings(root, run)
    write.file("boot/grub/grub.cfg", grub.grub_cfg(plan, bootable_kernels(root), settings))
    _install_bios_grub(root, plan, write, run)
    for name in ("etc", "etc/default/grub.d", "etc/grub.d", "etc/cloud", "boot", "boot/grub", GRUB_BIOS):
        if (root / name).is_dir():
            os.utime(root / name, (epoch, epoch))
