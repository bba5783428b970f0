"""The private view of an image tree in which a job works. Everything here runs inside the guard's mount namespace.

Nothing is ever unmounted: the mounts end with the namespace. Paths handed to overlayfs are relative to the work
directory, which is the job's current directory, because its options know no quoting that every kernel reads alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gpuforge.errors import GpuforgeError, StoreError

# What a tree sees of the builder's devices: none of its disks, terminals or GPUs.
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS: Final = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}

# invoke-rc.d and deb-systemd-invoke ask this program before they start anything; 101 means "not allowed".
_POLICY: Final = "#!/bin/sh\nexit 101\n"

# Where the bake keeps what the tree may use and must not hold. /run is a tmpfs, so nothing of it is captured.
RUN_DIR: Final = "run/gpuforge"
CA_BUNDLE: Final = "/run/gpuforge/ca-certificates.crt"


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise GpuforgeError(
            f"mount {' '.join(arguments)}: {done.stderr.strip()}", doing="setting up the image tree", exit_code=3,
            hint="baking needs root with CAP_SYS_ADMIN and a work directory on a file system that overlayfs writes to"
            " (ext4, xfs, btrfs; not overlayfs itself): see --work-dir",
        )  # fmt: skip


def make_scaffold(folder: Path) -> None:
    """Fill *folder* with what a bake lays over the tree while it works on it: a resolver and the ban on starting
    services.

    It is a lower layer of the overlay, so that nothing of it is ever captured.
    """
    (folder / "etc").mkdir(parents=True)
    (folder / "usr/sbin").mkdir(parents=True)
    for directory in (folder, folder / "etc", folder / "usr", folder / "usr/sbin"):
        directory.chmod(0o755)
    shutil.copyfile("/etc/resolv.conf", folder / "etc/resolv.conf")
    policy = folder / "usr/sbin/policy-rc.d"
    policy.write_text(_POLICY)
    policy.chmod(0o755)


def mount_layers(root: Path, lower: Sequence[Path], *, upper: Path, scratch: Path) -> None:
    """Mount *lower* (topmost first) with a writable *upper* at *root*. All paths are relative to the current
    directory."""
    for path in (root, upper, scratch):
        path.mkdir(parents=True, exist_ok=True)
    upper.chmod(0o755)
    names = [str(path) for path in (*lower, upper, scratch)]
    if strange := [name for name in names if not name.isascii() or set(name) & set(',:\\" ')]:
        raise StoreError(f"{strange[0]} cannot be given to overlayfs", doing="setting up the image tree")
    stack = ":".join(str(path) for path in lower)
    # redirect_dir and metacopy off: a layer must be readable by itself, as plain files and whiteouts.
    options = f"lowerdir={stack},upperdir={upper},workdir={scratch},redirect_dir=off,metacopy=off,index=off"
    _mount("-t", "overlay", "-o", options, "gpuforge", str(root))


def mount_system(root: Path, archives: Path | None) -> None:
    """Give the tree at *root* its /proc, /sys, /dev, /run and /tmp, the package cache and the builder's trust
    anchors."""
    _mount("-t", "proc", "proc", str(root / "proc"))
    _mount("-t", "sysfs", "-o", "ro", "sysfs", str(root / "sys"))
    for name in ("run", "tmp", "dev"):
        _mount("-t", "tmpfs", "-o", f"mode={'1777' if name == 'tmp' else '0755'}", "tmpfs", str(root / name))
    dev = root / "dev"
    for name in _DEVICES:
        (dev / name).touch()
        _mount("--bind", f"/dev/{name}", str(dev / name))
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    for name, kind, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        (dev / name).mkdir()
        _mount("-t", kind, "-o", options, kind, str(dev / name))
    (root / "run/lock").mkdir(mode=0o1777)
    (root / RUN_DIR).mkdir(mode=0o700)
    if archives is not None:
        _mount("--bind", str(archives), str(root / "var/cache/apt/archives"))
    if bundle := os.environ.get("SSL_CERT_FILE"):
        shutil.copyfile(bundle, root / CA_BUNDLE.lstrip("/"))


def tree_environment(source: dict[str, str]) -> dict[str, str]:
    """The environment for programs in the tree, from the job's: the builder's trust anchors under their place in the
    tree."""
    env = dict(source)
    if env.get("SSL_CERT_FILE"):
        env |= dict.fromkeys(("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), CA_BUNDLE)
    return env
