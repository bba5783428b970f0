# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The outcome of one boot of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gpuforge.errors import VerificationFailed
from gpuforge.providers.local.guest_checks import Answer, Finding


@dataclass(frozen=True, slots=True)
class BootResult:
    """The outcome of one boot.

    ``accelerator`` is "kvm" or "tcg"; ``seconds_to_ssh`` None where ssh never answered; ``state`` what systemd says
    ("running", "degraded", ...; empty if unknown); ``checks`` the results of gpuforge-node; ``manifest`` the text of
    the manifest in the guest; ``answers`` everything that was asked; ``errors`` why the image is not verified (empty:
    it is); ``serial_tail`` the last lines of the serial line; ``powered_off`` whether the guest shut down when it was
    told to.
    """

    firmware: str
    accelerator: str
    seconds: float
    seconds_to_ssh: float | None = None
    state: str = ""
    failed_units: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    manifest: str | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    errors: tuple[Finding, ...] = ()
    serial_tail: tuple[str, ...] = ()
    powered_off: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.errors

    def error(self, image: str) -> VerificationFailed | None:
        """The failure of *image* as an error with the end of the serial line, None where there is none."""
        if self.ok:
            return None
        lines = [f"{finding.kind}: {finding.message}" for finding in self.errors]
        lines += ["the last lines of the serial line:", *self.serial_tail]
        return VerificationFailed(
            "\n  | ".join([f"{image} booted by {self.firmware} is not what it should be", *lines]),
            doing="verifying the image",
            hint=f"the guest's whole serial log is {serial_name(self.firmware)} beside the image",
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form, without the manifest's text and the raw answers."""
        return {
            "firmware": self.firmware, "accelerator": self.accelerator, "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "seconds_to_ssh": None if self.seconds_to_ssh is None else round(self.seconds_to_ssh, 1),
            "state": self.state, "failed_units": list(self.failed_units),
            "checks": [dict(item) for item in self.checks],
            "errors": [asdict(item) for item in self.errors], "powered_off": self.powered_off,
        }  # fmt: skip


def serial_name(firmware: str) -> str:
    """Name of the serial log beside the image."""
    return f"boot-{firmware}.log"
