# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which kernel may be the boot loader's default: the newest one whose driver is built, and signed where it must be.

Only the decision; what the machine has is read by _kernel_guard_tree.py, what follows is done by _kernel_guard_run.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Iterable, List, Optional, Tuple

from ._module_signature import Signature

#: When a module must be signed: wherever the kernel refuses others (auto), always, never.
SIGNING = ("auto", "required", "off")


class GuardError(Exception):
    """The guard cannot do its work; the message says what was wrong and what to do."""


@dataclass(frozen=True)
class Settings:
    """What is asked of a kernel. ``signer`` is whose key its modules must be signed with, if anybody's."""

    signing: str = "auto"
    signer: Optional[Signature] = None


def parse_settings(text: str) -> Tuple[str, str]:
    """When modules must be signed, and the path of the certificate that they must fit ("" for any), from the text of
    the guard's file. Raises GuardError."""
    try:
        data = json.loads(text)
        if data["version"] != 1 or data["signing"] not in SIGNING:
            raise ValueError("it is of another version")
        return str(data["signing"]), str(data["certificate"])
    except (ValueError, KeyError, TypeError) as exc:
        raise GuardError("the guard's settings cannot be understood (%s): run site.yml again" % exc) from exc


@dataclass(frozen=True)
class KernelState:
    """An installed kernel and NVIDIA's module for it.

    ``module`` is the path of the module file, "" when there is none; ``why`` says why there is none, or why it cannot
    be used (the compiler's words, another kernel's module). ``signature`` is None for a module that nobody signed.
    """

    release: str
    module: str = ""
    why: str = ""
    signature: Optional[Signature] = None


@dataclass(frozen=True)
class Decision:
    """What shall be.

    ``hold`` is the kernel to make the default although newer ones are installed, "" for the boot loader's own choice,
    the newest. ``default`` is the kernel that boots next then ("" without any), ``good`` whether that one has its
    driver. ``refused`` are the kernels newer than it, newest first, and why they must wait.
    """

    hold: str
    default: str
    good: bool
    refused: Tuple[Tuple[str, str], ...] = ()


def objection(kernel: KernelState, settings: Settings, enforced: bool) -> str:
    """Why this kernel must not become the default, "" when nothing speaks against it.

    :param enforced: whether the machine refuses modules that no trusted key has signed.
    """
    if kernel.why or not kernel.module:
        return kernel.why or "no NVIDIA module was built for it"
    if settings.signing == "off" or (settings.signing == "auto" and not enforced):
        return ""
    if kernel.signature is None:
        return "its NVIDIA module is not signed"
    if settings.signer is not None and kernel.signature != settings.signer:
        return "its NVIDIA module is signed by %s (%s), not by %s (%s)" % (kernel.signature + settings.signer)
    return ""


def decide(kernels: Iterable[KernelState], settings: Settings, *, enforced: bool, held: str = "") -> Decision:
    """Choose the default.

    Where no kernel is any good the boot loader's default stays what it is: then it is not the guard's to change.

    :param kernels: newest first, in the boot loader's order; those older than the first good one are not asked for.
    :param held: the kernel that the guard holds now, "" for none.
    """
    refused: List[Tuple[str, str]] = []
    for kernel in kernels:
        why = objection(kernel, settings, enforced)
        if not why:
            return Decision(kernel.release if refused else "", kernel.release, True, tuple(refused))
        refused.append((kernel.release, why))
    releases = [release for release, _why in refused]
    stays = held if held in releases else ""
    return Decision(stays, stays or (releases[0] if releases else ""), False, tuple(refused))


def report(decision: Decision) -> Tuple[str, ...]:
    """The decision in lines for a person."""
    if not decision.default:
        return ("no kernel is installed",)
    lines = ["default kernel: %s" % decision.default]
    for release, why in decision.refused:
        lines.append("%s %s: %s" % ("held back" if decision.good else "no driver for", release, why))
    if not decision.good:
        lines.append("no kernel has a driver that may be loaded, so the boot loader's default stays as it is")
    elif decision.refused:
        lines.append("remedy: %s" % REMEDY)
    return tuple(lines)


REMEDY = (
    "let DKMS build the module (dkms autoinstall -k KERNEL; why it failed is in make.log below /var/lib/dkms/nvidia*/) "
    "with the right key, or remove that kernel; then run gpuforge-node kernel-guard --apply"
)
