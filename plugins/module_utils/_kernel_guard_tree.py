# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Reads what the kernel guard decides on: settings, kernels with their modules, what the machine enforces, the hold."""

from __future__ import annotations

import os
from typing import Iterator, List, Optional

from ._dkms import Kernel, builds, kernels
from ._grub_default import CONFIG, DROP_IN, ENVIRONMENT, default_kernel, held, parse_environment
from ._kernel_guard import Decision, GuardError, KernelState, Settings, decide, parse_settings
from ._kernel_modules import Run, listed_module, read_module_file
from ._modinfo import ModinfoError
from ._module_signature import SignatureError, certificate_names
from ._rootfs import inside, read_text

#: What the role writes; without it the machine is not guarded.
SETTINGS = "/etc/gpuforge/kernel-guard.json"
_LOCKDOWN = "/sys/kernel/security/lockdown"
_SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
#: How many of the compiler's lines a reason holds.
_LINES = 3


def _text(root: str, path: str) -> str:
    """The text of a file, "" where there is none. Raises OSError for one that is there and cannot be read."""
    try:
        return read_text(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return ""


def read_settings(root: str) -> Optional[Settings]:
    """The guard's settings, None where the machine has no guard. Raises GuardError and OSError."""
    try:
        text = read_text(root, SETTINGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    signing, certificate = parse_settings(text)
    if not certificate:
        return Settings(signing)
    try:
        with open(inside(root, certificate), "rb") as stream:
            return Settings(signing, certificate_names(stream.read()))
    except FileNotFoundError as exc:
        # An image brings its certificate; a machine that was set up without any key has none.
        if signing == "required":
            raise GuardError("%s is not there, and modules must fit it: run site.yml again" % certificate) from exc
        return Settings(signing)
    except SignatureError as exc:
        raise GuardError("%s is no certificate (%s): run site.yml again" % (certificate, exc)) from exc


def signatures_enforced(root: str) -> bool:
    """Whether the running kernel refuses modules without a trusted signature. Raises OSError.

    The kernel says it itself: by lockdown, which Debian's and Ubuntu's kernels turn on under Secure Boot, or by
    ``module.sig_enforce``. Where securityfs is not mounted, the firmware's Secure Boot variable decides.
    """
    if _text(root, _SIG_ENFORCE).strip() == "Y":
        return True
    lockdown = _text(root, _LOCKDOWN)
    if lockdown:
        return "[none]" not in lockdown
    try:
        with open(inside(root, _SECURE_BOOT), "rb") as stream:
            return stream.read()[4:5] == b"\x01"  # four bytes of attributes, then the value
    except (FileNotFoundError, NotADirectoryError):
        return False


def held_kernel(root: str) -> str:
    """The kernel that the guard holds as the default, "" for none. Raises OSError."""
    return held(_text(root, DROP_IN))


def boot_kernel(root: str) -> str:
    """The kernel that boots next: GRUB's default where its configuration can be understood, else the newest; "" for
    none. Raises OSError."""
    releases = [kernel.release for kernel in kernels(root)]
    chosen = default_kernel(_text(root, CONFIG), parse_environment(_text(root, ENVIRONMENT)))
    return chosen if chosen in releases else releases[-1] if releases else ""


def _why_missing(root: str, release: str) -> str:
    words: List[str] = []
    for build in builds(root):
        if build.kernel == release and build.name.startswith("nvidia") and build.status == "failed":
            errors = [line.strip() for line in build.errors if "error" in line.lower()] or list(build.errors)
            words += ["the build of %s %s failed" % (build.name, build.version), *errors[:_LINES]]
    return ": ".join(words)


def _state(root: str, kernel: Kernel, initramfs: bool, run: Optional[Run]) -> KernelState:
    release = kernel.release
    try:
        path = listed_module(root, release)
    except FileNotFoundError:
        path = None
    if path is None or not os.path.isfile(inside(root, path)):
        why = _why_missing(root, release)
        if not why and not kernel.headers:
            why = "no NVIDIA module was built for it, and its headers are not installed"
        return KernelState(release, "", why)
    try:
        module = read_module_file(root, path, run)
    except ModinfoError as exc:
        return KernelState(release, path, str(exc))
    built_for = module.info.get("vermagic", "").partition(" ")[0]
    if built_for != release:
        return KernelState(release, path, "%s was built for %s" % (path, built_for or "an unnamed kernel"))
    if initramfs and not os.path.isfile(inside(root, "/boot/initrd.img-" + release)):
        return KernelState(release, path, "it has no initramfs in /boot")
    return KernelState(release, path, "", module.signature)


def read_states(root: str, run: Optional[Run] = None) -> Iterator[KernelState]:
    """The installed kernels, newest first, each read when it is asked for. Raises OSError."""
    found = kernels(root)
    # A system without initramfs-tools has none for any kernel; one that has them needs one for each.
    initramfs = any(os.path.isfile(inside(root, "/boot/initrd.img-" + kernel.release)) for kernel in found)
    for kernel in reversed(found):
        yield _state(root, kernel, initramfs, run)


def read_decision(root: str, run: Optional[Run] = None) -> Decision:
    """What the guard wants on the machine below ``root``. Raises GuardError and OSError."""
    settings = read_settings(root)
    if settings is None:
        raise GuardError("%s is not there: this machine has no kernel guard (role nvidia_driver)" % SETTINGS)
    return decide(read_states(root, run), settings, enforced=signatures_enforced(root), held=held_kernel(root))
