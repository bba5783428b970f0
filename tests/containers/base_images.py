"""Base container images for the tests: Debian 12 and 13 with systemd as init, made on this machine.

No container registry is asked: `mmdebstrap` makes a root file system from the Debian archive and
`podman import` turns it into `localhost/gpuforge-<distribution>`. An image is made again when it is
missing, older than `--max-age-days`, or made by another recipe than the one in this file.

Settings (environment): GPUFORGE_DEBIAN_MIRROR and GPUFORGE_DEBIAN_SECURITY_MIRROR name other
archives; both have Debian's own as default.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RELEASES = {"debian12": "bookworm", "debian13": "trixie"}
"""Name in image and inventory -> Debian suite."""

PACKAGES = (
    # init and what a stock cloud image has running
    "systemd-sysv",
    "dbus",
    "udev",
    "openssh-server",
    "sudo",
    "iproute2",
    "kmod",
    "procps",
    "ca-certificates",
    # what Ansible needs on a node: the interpreter and the apt bindings
    "python3",
    "python3-apt",
)
COMPONENTS = "main contrib non-free non-free-firmware"
LOCAL_CA_DIR = Path("/usr/local/share/ca-certificates")
"""Where Debian keeps the certificates that a site adds itself: behind an inspecting proxy the
containers need the same ones."""


class ImageError(Exception):
    """An image could not be made; the message says which, by what command, and its last lines."""


def image_name(distribution: str) -> str:
    """Return the local image name of a key of RELEASES."""
    return f"localhost/gpuforge-{distribution}"


def local_certificates() -> list[Path]:
    """Return the certificates that this machine trusts beside the distribution's own."""
    return sorted(LOCAL_CA_DIR.glob("*.crt"))


def sources(suite: str) -> list[str]:
    """Return the apt source lines of a Debian suite, its updates and its security suite."""
    mirror = os.environ.get("GPUFORGE_DEBIAN_MIRROR", "http://deb.debian.org/debian")
    security = os.environ.get("GPUFORGE_DEBIAN_SECURITY_MIRROR", "http://deb.debian.org/debian-security")
    return [
        f"deb {mirror} {suite} {COMPONENTS}",
        f"deb {mirror} {suite}-updates {COMPONENTS}",
        f"deb {security} {suite}-security {COMPONENTS}",
    ]


def recipe(suite: str, tar: Path) -> list[str]:
    """Return the mmdebstrap command that writes the root file system of `suite` to `tar`."""
    argv = [
        "mmdebstrap",
        "--quiet",
        "--variant=apt",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Languages "none"',
        # The package index stays: a scenario then installs without fetching it first.
        "--skip=cleanup/apt/lists",
        # A container has no consoles to log in at; units that wait for one only cost time.
        "--customize-hook=chroot $1 systemctl mask --quiet getty.target console-getty.service",
    ]
    certificates = local_certificates()
    if certificates:
        names = " ".join(f"'{path}'" for path in certificates)
        argv += [
            f"--customize-hook=copy-in {names} {LOCAL_CA_DIR}",
            "--customize-hook=chroot $1 update-ca-certificates",
        ]
    return [*argv, suite, str(tar), *sources(suite)]


def recipe_digest(suite: str) -> str:
    """Return a digest that changes when the image would be made differently."""
    seed = hashlib.sha256(json.dumps(recipe(suite, Path("root.tar"))).encode())
    for path in local_certificates():
        seed.update(path.read_bytes())
    return seed.hexdigest()[:16]


def run(argv: list[str]) -> str:
    """Run a command and return its output; ImageError with its last lines when it fails."""
    if shutil.which(argv[0]) is None:
        raise ImageError(f"{argv[0]} is not installed: apt-get install mmdebstrap podman")
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ImageError(f"{argv[0]} ended with status {done.returncode}:\n{tail}")
    return done.stdout


def why_stale(distribution: str, max_age_days: float) -> str:
    """Return why the image has to be made, or an empty string when it is good as it is."""
    argv = ["podman", "images", "--format=json", "--filter", f"reference={image_name(distribution)}"]
    found = json.loads(run(argv) or "[]")
    if not found:
        return "missing"
    labels = found[0].get("Labels") or {}
    if labels.get("gpuforge.recipe") != recipe_digest(RELEASES[distribution]):
        return "made by another recipe"
    age_days = (time.time() - float(found[0]["Created"])) / 86400
    if age_days > max_age_days:
        return f"{age_days:.0f} days old"
    return ""


def build(distribution: str) -> None:
    """Make one image; the old one of the same name is replaced only when the new one is whole."""
    suite = RELEASES[distribution]
    with tempfile.TemporaryDirectory(prefix="gpuforge-image-") as scratch:
        tar = Path(scratch) / "root.tar"
        run(recipe(suite, tar))
        labels = {
            "gpuforge.recipe": recipe_digest(suite),
            "gpuforge.built": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        changes = [f"--change=LABEL {key}={value}" for key, value in labels.items()]
        run(["podman", "import", "--quiet", *changes, "--change=CMD /sbin/init", str(tar), image_name(distribution)])
    # The image that had the name before, unless a container still runs on it.
    run(["podman", "image", "prune", "--force", "--filter", "label=gpuforge.recipe"])


def ensure(distributions: list[str], max_age_days: float) -> None:
    """Make every image of `distributions` that is missing or stale, and say so on stderr."""
    for distribution in distributions:
        reason = why_stale(distribution, max_age_days)
        if not reason:
            continue
        started = time.monotonic()
        print(f"{image_name(distribution)}: {reason}, making it", file=sys.stderr, flush=True)
        build(distribution)
        print(f"{image_name(distribution)}: made in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    """Command line: make the named images (default: all) where that is needed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("distribution", nargs="*", help=f"of {', '.join(RELEASES)}; default: all")
    parser.add_argument("--max-age-days", type=float, default=7.0)
    options = parser.parse_args()
    unknown = sorted(set(options.distribution) - set(RELEASES))
    if unknown:
        parser.error(f"unknown distribution {', '.join(unknown)}: choose from {', '.join(RELEASES)}")
    try:
        ensure(options.distribution or list(RELEASES), options.max_age_days)
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
