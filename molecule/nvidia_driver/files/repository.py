"""Make a signed apt repository with stand-ins for the NVIDIA driver of the Debian archive. Runs on the test machine.

    repository.py DIRECTORY

Names, source packages, dependencies and maintainer scripts are like the archive's; what is in them is not: libraries
are empty files, and the kernel modules a few lines of C that DKMS compiles against real headers in seconds.
Two versions, so that there is something to upgrade to, and a second flavour that no compiler accepts.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path

VERSIONS = ("999.1.1", "999.2.0")
DRIVER, OPEN = "nvidia-graphics-drivers", "nvidia-open-gpu-kernel-modules"
KERNEL_MODULE = """\
#include <linux/module.h>
static int NVreg_RestrictProfilingToAdminUsers = 1;
module_param(NVreg_RestrictProfilingToAdminUsers, int, 0444);
static char *NVreg_RegistryDwords;
module_param(NVreg_RegistryDwords, charp, 0444);
%s
MODULE_LICENSE("GPL");
MODULE_VERSION("%s");
"""
FAULT = "static int broken(void) { return a_function_that_this_kernel_lost(1); }"
DKMS_CONF = """\
PACKAGE_NAME="%(dkms)s"
PACKAGE_VERSION="%(version)s"
MAKE[0]="make -C ${kernel_source_dir} M=${dkms_tree}/%(dkms)s/%(version)s/build modules"
CLEAN="true"
BUILT_MODULE_NAME[0]="nvidia"
DEST_MODULE_NAME[0]="%(dkms)s"
DEST_MODULE_LOCATION[0]="/updates/dkms"
AUTOINSTALL=yes
"""
POSTINST = """\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    /usr/lib/dkms/common.postinst %(dkms)s %(version)s /usr/share/%(dkms)s "" "$2"
fi
"""
PRERM = """\
#!/bin/sh
set -e
dkms remove -m %(dkms)s -v %(version)s --all
"""


def make_package(
    where: Path, name: str, version: str, source: str, depends: str, files: dict[str, str], scripts: dict[str, str]
) -> None:
    """Build one binary package into `where`."""
    tree = where / "build" / f"{name}-{version}"
    control = {
        "Package": name,
        "Source": source,
        "Version": f"{version}-1",
        "Architecture": "amd64",
        "Maintainer": "the gpuforge tests <tests@example.invalid>",
        "Depends": depends,
        "Description": "stand-in for tests",
    }
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in control.items() if value))
    for script, text in scripts.items():
        (tree / "DEBIAN" / script).write_text(text)
        (tree / "DEBIAN" / script).chmod(0o755)
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(where / f"{name}_{version}-1_amd64.deb"))


def make_module(where: Path, name: str, version: str, source: str, dkms: str, fault: str) -> None:
    """Build a package whose module DKMS compiles, or fails to."""
    words = {"dkms": dkms, "version": version}
    folder = f"usr/src/{dkms}-{version}"
    files = {
        f"{folder}/nvidia.c": KERNEL_MODULE % (fault, version),
        f"{folder}/Makefile": "obj-m := nvidia.o\n",
        f"{folder}/dkms.conf": DKMS_CONF % words,
    }
    scripts = {"postinst": POSTINST % words, "prerm": PRERM % words}
    make_package(where, name, version, source, "dkms (>= 3.0)", files, scripts)


def make_driver(where: Path, version: str) -> None:
    """Build all packages of one version."""
    for name in ("libcuda1", "libnvidia-ml1", "libnvidia-cfg1"):
        library = f"usr/lib/x86_64-linux-gnu/{name}.so.{version}"
        make_package(where, name, version, DRIVER, "", {library: ""}, {})
    depends = f"libnvidia-ml1 (= {version}-1)"
    make_package(where, "nvidia-smi", version, DRIVER, depends, {"usr/lib/nvidia/smi": ""}, {})
    make_module(where, "nvidia-kernel-dkms", version, DRIVER, "nvidia-current", "")
    make_module(where, "nvidia-open-kernel-dkms", version, OPEN, "nvidia-current-open", FAULT)


def index(where: Path) -> str:
    """Return the text of Packages for the packages in `where`."""
    stanzas = []
    for deb in sorted(where.glob("*.deb")):
        data = deb.read_bytes()
        control = run("dpkg-deb", "--field", str(deb)).strip()
        digest = hashlib.sha256(data).hexdigest()
        stanzas.append(f"{control}\nFilename: ./{deb.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    return "\n".join(stanzas)


def sign(where: Path) -> None:
    """Write InRelease, signed by a key made for this repository alone, and the key's public half."""
    home = where / "gnupg"
    home.mkdir(mode=0o700)
    who = "gpuforge test repository <tests@example.invalid>"
    gpg = ("gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback")
    run(*gpg, "--quick-generate-key", who, "ed25519", "sign", "1d")
    (where / "key.asc").write_text(run(*gpg, "--armor", "--export"))
    run(*gpg, "--clearsign", "--output", str(where / "InRelease"), str(where / "Release"))


def run(*argv: str) -> str:
    """Run a program and return its output; its own words on stderr when it fails."""
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(where: Path) -> None:
    """Make the whole repository."""
    os.umask(0o022)
    where.mkdir(parents=True)
    for version in VERSIONS:
        make_driver(where, version)
    packages = index(where)
    (where / "Packages").write_text(packages)
    digest = hashlib.sha256(packages.encode()).hexdigest()
    release = f"Origin: gpuforge tests\nSuite: stable\nDate: {formatdate(usegmt=True)}\nSHA256:\n"
    (where / "Release").write_text(f"{release} {digest} {len(packages.encode())} Packages\n")
    sign(where)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
