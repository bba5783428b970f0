"""Run by the test in namespaces of its own, in the work directory: a second kernel comes to a baked tree, and goes.

    python3 kernel_guard_in_tree.py SCRATCH TREE…        (trees topmost first)

Tells what it saw as JSON on standard output. apt, dpkg, DKMS, the compiler, the kernel's package, its hooks and GRUB's
scripts are the real ones. Only grub-probe is stood in for: a tree is on no disk that it could name.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gpuforge.providers.local import chroot

UUID = "5b1f3c1e-0000-4000-8000-000000000001"
PROBE = f"""#!/bin/sh
for word; do case "$word" in
  --target=device) echo /dev/vda1 ;; --target=fs_uuid) echo {UUID} ;;
  --target=fs) echo ext2 ;; --target=partmap) echo gpt ;;
esac; done
while [ $# -gt 1 ]; do [ "$1" != -t ] || case "$2" in
  device) echo /dev/vda1 ;; fs_uuid) echo {UUID} ;; fs) echo ext2 ;; partmap) echo gpt ;;
esac; shift; done
"""
#: Newer than the cloud kernel by its name, in the order of versions; and the driver refuses to be built for it.
KERNEL = ("linux-image-rt-amd64", "linux-headers-rt-amd64")
GUARD = "/usr/local/sbin/gpuforge-kernel-guard"
DROP_IN = "etc/default/grub.d/95-gpuforge-kernel-guard.cfg"
#: What a kernel does that changed a structure the driver knows.
BROKEN = "#ifdef CONFIG_PREEMPT_RT\n#error this kernel is not known to the driver\n#endif\n"


class Tree:
    """The tree, with what runs in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {**chroot.tree_environment(dict(os.environ)), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        self.env["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin"

    def run(self, *argv: str) -> dict[str, Any]:
        done = subprocess.run(
            ["chroot", str(self.root), *argv], env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        return {"code": done.returncode, "said": done.stdout[-6000:]}

    def text(self, path: str) -> str:
        file = self.root / path
        return file.read_text() if file.is_file() else ""

    def let_it_be_tried(self) -> None:
        """The driver's sources no longer refuse a real-time kernel before they are compiled; the compiler does."""
        (source,) = (self.root / "usr/src").glob("nvidia-current-*")
        rules = source / "dkms.conf"
        kept = [line for line in rules.read_text().splitlines(True) if not line.startswith("BUILD_EXCLUSIVE_CONFIG=")]
        rules.write_text("".join(kept).replace("NV_VERBOSE=1", "NV_VERBOSE=1 IGNORE_PREEMPT_RT_PRESENCE=1"))
        header = source / "common/inc/nv-linux.h"
        header.write_text(BROKEN + header.read_text())

    def now(self) -> dict[str, Any]:
        checks = self.run("/usr/local/bin/gpuforge-node", "check", "--only", "driver", "--format", "json")
        return {
            "guard": self.run(GUARD, "--format", "json"),
            "drop_in": self.text(DROP_IN),
            "grub": self.text("boot/grub/grub.cfg"),
            "environment": self.text("boot/grub/grubenv"),
            "checks": {one["id"]: one for one in json.loads(checks["said"])["checks"]},
        }


def main(arguments: list[str]) -> int:
    scratch, *trees = map(Path, arguments)
    chroot.make_scaffold(scratch / "scaffold")
    root = scratch / "root"
    chroot.mount_layers(root, [scratch / "scaffold", *trees], upper=scratch / "diff", scratch=scratch / "overlay")
    archives = Path("cache/debian-bookworm")
    chroot.mount_system(root, archives if archives.is_dir() else None)
    probe = scratch / "grub-probe"
    probe.write_text(PROBE)
    probe.chmod(0o755)
    subprocess.run(["mount", "--bind", str(probe), str(root / "usr/sbin/grub-probe")], check=True)
    tree = Tree(root)
    told: dict[str, Any] = {"uuid": UUID}
    (root / "boot/grub").mkdir(exist_ok=True)
    told["first_grub"] = tree.run("update-grub")
    told["first"] = tree.now()
    told["installed"] = tree.run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *KERNEL)
    told["with"] = tree.now()
    # As any other package may do it later, long after the failure.
    told["later_grub"] = tree.run("update-grub")
    told["later"] = tree.now()
    # dpkg is left with packages to configure, and whoever does so has DKMS try again.
    tree.let_it_be_tried()
    told["configured"] = tree.run("dpkg", "--configure", "--pending")
    told["tried"] = tree.now()
    kernels = [path.name.removeprefix("vmlinuz-") for path in (root / "boot").glob("vmlinuz-*-rt-*")]
    packages = [*KERNEL, *(f"linux-{kind}-{release}" for release in kernels for kind in ("image", "headers"))]
    told["rt"] = kernels
    told["removed"] = tree.run("apt-get", "-qq", "purge", "--yes", *packages)
    told["after"] = tree.now()
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
