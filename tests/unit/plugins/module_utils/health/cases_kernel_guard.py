"""Trees for the kernel guard's checks: a kernel that must wait, a module that nobody trusts."""

from __future__ import annotations

from ansible_collections.gpuforge.node.plugins.module_utils._grub_default import CONFIG, drop_in
from ansible_collections.gpuforge.node.plugins.module_utils._grub_default import DROP_IN as HOLD
from ansible_collections.gpuforge.node.plugins.module_utils._kernel_guard_tree import SETTINGS
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.cases_driver import no_driver_wanted
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import (
    KERNEL,
    OLD_KERNEL,
    Case,
    Node,
    build_for,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.signed import APPENDED, CERTIFICATE, SIGNER

#: Of the same length, so that it stays a certificate.
_OTHER = CERTIFICATE.replace(SIGNER.signer.encode(), b"somebody else's signing")


def _guard(node: Node, signing: str = "auto", certificate: bytes = b"") -> None:
    node.json(SETTINGS, {"version": 1, "signing": signing, "certificate": "/c.der" if certificate else ""})
    node.file("/c.der", certificate)


def _grub(node: Node, release: str) -> None:
    node.file(CONFIG, f"set default=0\nmenuentry 'Debian' {{\n linux /boot/vmlinuz-{release} ro\n}}\n")


def _enforces(node: Node) -> None:
    node.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")


def not_guarded(node: Node) -> None:
    node.driver()


def newest_is_good(node: Node) -> None:
    node.driver()
    _guard(node)
    _grub(node, KERNEL)


def newest_waits(node: Node) -> None:
    node.driver(release=OLD_KERNEL)
    _guard(node)
    node.kernel(KERNEL)
    node.file(HOLD, drop_in(OLD_KERNEL))
    _grub(node, OLD_KERNEL)


def newest_boots_and_should_wait(node: Node) -> None:
    newest_waits(node)
    _grub(node, KERNEL)


def no_kernel_is_good(node: Node) -> None:
    newest_is_good(node)
    (node.root / f"lib/modules/{KERNEL}/updates/dkms/nvidia-current.ko").unlink()


def settings_damaged(node: Node) -> None:
    newest_is_good(node)
    node.file(SETTINGS, "{")


def no_kernel_at_all(node: Node) -> None:
    node.packages(nvidia_smi="535")
    _guard(node)


def signed(node: Node) -> None:
    node.driver()
    build_for(node, KERNEL, APPENDED)
    _guard(node, "auto", CERTIFICATE)


def signed_and_secure_boot(node: Node) -> None:
    signed(node)
    _enforces(node)


def signed_by_another_in_an_image(node: Node) -> None:
    signed(node)
    _guard(node, "auto", _OTHER)
    node.live = False


def signed_by_another_and_secure_boot(node: Node) -> None:
    signed_and_secure_boot(node)
    _guard(node, "auto", _OTHER)


def signed_by_another_without_secure_boot(node: Node) -> None:
    signed(node)
    _guard(node, "auto", _OTHER)


def unsigned_though_required(node: Node) -> None:
    node.driver()
    _guard(node, "required", CERTIFICATE)


def unsigned_without_a_key(node: Node) -> None:
    node.driver()
    _guard(node)


def unsigned_and_secure_boot(node: Node) -> None:
    unsigned_without_a_key(node)
    _enforces(node)


def signing_is_off(node: Node) -> None:
    node.driver()
    _guard(node, "off")


def no_module(node: Node) -> None:
    signed(node)
    node.file(f"/lib/modules/{KERNEL}/modules.dep", "")


CASES = (
    Case("driver.kernel_guard", "skipped", no_driver_wanted, "no driver package"),
    Case("driver.kernel_guard", "skipped", not_guarded, "not told to guard"),
    Case("driver.kernel_guard", "pass", newest_is_good, KERNEL),
    Case("driver.kernel_guard", "fail", newest_waits, f"{OLD_KERNEL} stays the default; held back: {KERNEL}"),
    Case("driver.kernel_guard", "fail", newest_boots_and_should_wait, f"GRUB boots {KERNEL}, which must wait"),
    Case("driver.kernel_guard", "fail", no_kernel_is_good, "no kernel has a driver"),
    Case("driver.kernel_guard", "unknown", settings_damaged, "cannot be understood"),
    Case("driver.kernel_guard", "skipped", no_kernel_at_all, "no kernel is installed"),
    # The kernel that boots is the one that is held, and that one is in order.
    Case("driver.module", "pass", newest_waits, OLD_KERNEL),
    Case("driver.module", "fail", newest_boots_and_should_wait, f"no NVIDIA module for {KERNEL}"),
    Case("driver.signature", "skipped", no_driver_wanted, "no driver package"),
    Case("driver.signature", "skipped", not_guarded, "not told to guard"),
    Case("driver.signature", "pass", signed, "signed by gpuforge module signing"),
    Case("driver.signature", "pass", signed_and_secure_boot, "signed by gpuforge module signing"),
    Case("driver.signature", "fail", signed_by_another_in_an_image, "not by somebody else"),
    Case("driver.signature", "fail", signed_by_another_and_secure_boot, "not by somebody else"),
    Case("driver.signature", "skipped", signed_by_another_without_secure_boot, "does not ask for signatures"),
    Case("driver.signature", "fail", unsigned_though_required, "not signed"),
    Case("driver.signature", "skipped", unsigned_without_a_key, "no key was given"),
    Case("driver.signature", "fail", unsigned_and_secure_boot, "not signed"),
    Case("driver.signature", "skipped", signing_is_off, "off"),
    Case("driver.signature", "skipped", no_module, "see driver.module"),
    Case("driver.signature", "unknown", settings_damaged, "cannot be understood"),
)
