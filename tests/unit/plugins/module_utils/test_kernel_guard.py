"""The kernel guard: what it decides, what it reads of trees, and what it makes of GRUB."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._grub_default import CONFIG, DROP_IN, drop_in, held
from ansible_collections.gpuforge.node.plugins.module_utils._kernel_guard import (
    Decision,
    GuardError,
    KernelState,
    Settings,
    decide,
    objection,
    parse_settings,
    report,
)
from ansible_collections.gpuforge.node.plugins.module_utils._kernel_guard_cli import main
from ansible_collections.gpuforge.node.plugins.module_utils._kernel_guard_run import guard
from ansible_collections.gpuforge.node.plugins.module_utils._kernel_guard_tree import (
    SETTINGS,
    boot_kernel,
    read_decision,
    read_settings,
    signatures_enforced,
)
from ansible_collections.gpuforge.node.plugins.module_utils._machine import Host
from ansible_collections.gpuforge.node.plugins.module_utils._module_signature import Signature
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import DRIVER, Node, build_for, elf
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.signed import APPENDED, CERTIFICATE, SIGNER

A, B, C = "6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "6.1.0-57-cloud-amd64"
DKMS = Signature("DKMS module signing key", "01")
OURS, ANY = Settings("auto", SIGNER), Settings()


def good(release, signature=None):
    return KernelState(release, "/m/nvidia.ko", "", signature)


def bad(release, why="the build failed"):
    return KernelState(release, "", why)


@pytest.mark.parametrize(
    ("newest_first", "held", "hold", "default", "is_good", "refused"),
    [
        ([good(C), good(B)], "", "", C, True, []),
        ([bad(C), good(B), good(A)], "", B, B, True, [C]),
        ([bad(C), bad(B), good(A)], "", A, A, True, [C, B]),
        ([bad(C), good(B), good(A)], A, B, B, True, [C]),  # a better one than the one that is held
        ([good(C), good(B)], B, "", C, True, []),  # released
        ([bad(C), bad(B)], "", "", C, False, [C, B]),
        ([bad(C), bad(B)], B, B, B, False, [C, B]),  # nothing is good: the hold stays
        ([bad(C), bad(B)], A, "", C, False, [C, B]),  # the held one is gone
        ([], "", "", "", False, []),
    ],
)
def test_the_decision(newest_first, held, hold, default, is_good, refused):
    found = decide(newest_first, ANY, enforced=False, held=held)
    assert (found.hold, found.default, found.good) == (hold, default, is_good)
    assert [release for release, _why in found.refused] == refused


def test_kernels_older_than_the_good_one_are_not_read():
    def states():
        yield bad(C)
        yield good(B)
        raise AssertionError("read too far")

    assert decide(states(), ANY, enforced=False).hold == B


@pytest.mark.parametrize(
    ("signature", "settings", "enforced", "says"),
    [
        (None, Settings("off"), True, ""),
        (None, ANY, False, ""),
        (None, ANY, True, "not signed"),
        (DKMS, ANY, True, ""),
        (DKMS, OURS, False, ""),
        (DKMS, OURS, True, "signed by DKMS module signing key (01), not by gpuforge module signing"),
        (SIGNER, OURS, True, ""),
        (Signature(SIGNER.signer, "01"), OURS, True, "not by"),  # the same name, another key
        (None, Settings("required", SIGNER), False, "not signed"),
        (DKMS, Settings("required", SIGNER), False, "not by"),
        (SIGNER, Settings("required", SIGNER), False, ""),
    ],
)
def test_signatures(signature, settings, enforced, says):
    found = objection(good(C, signature), settings, enforced)
    assert (says in found, bool(found)) == (True, bool(says)), found


def test_the_report_names_what_waits_and_what_to_do():
    lines = "\n".join(report(decide([bad(C, "make failed"), good(B)], ANY, enforced=False)))
    assert "default kernel: %s" % B in lines
    assert "held back %s: make failed" % C in lines
    assert "remedy: " in lines
    assert "stays as it is" in "\n".join(report(decide([bad(C)], ANY, enforced=False)))
    assert report(Decision("", C, True)) == ("default kernel: %s" % C,)
    assert report(Decision("", "", False)) == ("no kernel is installed",)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", '{"version": 2}', '{"version": 1, "signing": "maybe", "certificate": ""}',
     '{"version": 1, "signing": "auto"}'],
)  # fmt: skip
def test_settings_that_cannot_be_understood(text):
    with pytest.raises(GuardError, match="run site"):
        parse_settings(text)


def settings_text(signing="auto", certificate=""):
    return json.dumps({"version": 1, "signing": signing, "certificate": certificate})


def test_the_signer_is_the_certificates(node):
    node.file(SETTINGS, settings_text("required", "/etc/gpuforge/module-signing.der"))
    node.file("/etc/gpuforge/module-signing.der", CERTIFICATE)
    assert read_settings(str(node.root)) == Settings("required", SIGNER)
    (node.root / "etc/gpuforge/module-signing.der").unlink()
    with pytest.raises(GuardError, match="is not there"):
        read_settings(str(node.root))
    node.file(SETTINGS, settings_text("auto", "/etc/gpuforge/module-signing.der"))
    assert read_settings(str(node.root)) == Settings("auto")
    node.file("/etc/gpuforge/module-signing.der", b"text")
    with pytest.raises(GuardError, match="no certificate"):
        read_settings(str(node.root))


@pytest.fixture
def node(tmp_path):
    made = Node(tmp_path / "root")
    made.driver(release=B)
    made.file(SETTINGS, settings_text())
    made.file("/etc/default/grub", "GRUB_DEFAULT=0\n")
    return made


def sign(node, release, appended=APPENDED):
    path = node.root / ("lib/modules/%s/updates/dkms/nvidia-current.ko" % release)
    path.write_bytes(path.read_bytes() + appended)


def new_kernel(node):
    """Its build failed."""
    node.kernel(C)
    log = "DKMS make.log for nvidia-current-%s for kernel %s (x86_64)\nnv.c:1:2: error: too few arguments\n" % (
        DRIVER,
        C,
    )
    node.file("/var/lib/dkms/nvidia-current/%s/build/make.log" % DRIVER, log)


def test_a_tree_whose_newest_kernel_is_good(node):
    assert read_decision(str(node.root)) == Decision("", B, True)


def test_a_build_that_failed_is_held_back_with_the_compilers_words(node):
    new_kernel(node)
    found = read_decision(str(node.root))
    assert (found.hold, found.good) == (B, True)
    assert "nvidia-current %s failed: nv.c:1:2: error: too few arguments" % DRIVER in dict(found.refused)[C]


def missing_headers(node):
    node.kernel(C)


def module_gone(node):
    build_for(node, C)
    (node.root / ("lib/modules/%s/updates/dkms/nvidia-current.ko" % C)).unlink()


def module_of_another_kernel(node):
    build_for(node, C)
    node.file("/lib/modules/%s/updates/dkms/nvidia-current.ko" % C, elf({"vermagic": B + " SMP"}))


def module_damaged(node):
    build_for(node, C)
    node.file("/lib/modules/%s/updates/dkms/nvidia-current.ko" % C, "text")


def signature_damaged(node):
    build_for(node, C)
    sign(node, C, APPENDED[300:])


def no_initramfs(node):
    build_for(node, C)
    node.file("/boot/initrd.img-" + B, "x")


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (missing_headers, "headers are not installed"),
        (module_gone, "no NVIDIA module"),
        (module_of_another_kernel, "was built for " + B),
        (module_damaged, "not a 64-bit"),
        (signature_damaged, "signature cannot be read"),
        (no_initramfs, "no initramfs"),
    ],
)
def test_why_a_kernel_is_held_back(node, build, says):
    build(node)
    found = read_decision(str(node.root))
    assert (found.hold, says in dict(found.refused)[C]) == (B, True), found


def test_an_unsigned_module_waits_only_where_signatures_count(node):
    build_for(node, C)
    sign(node, B)
    node.file(SETTINGS, settings_text("auto", "/c.der"))
    node.file("/c.der", CERTIFICATE)
    assert read_decision(str(node.root)).hold == ""
    node.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    found = read_decision(str(node.root))
    assert (found.hold, dict(found.refused)) == (B, {C: "its NVIDIA module is not signed"})
    sign(node, C)
    assert read_decision(str(node.root)) == Decision("", C, True)


@pytest.mark.parametrize(
    ("path", "content", "enforced"),
    [
        ("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n", False),
        ("/sys/kernel/security/lockdown", "none integrity [confidentiality]\n", True),
        ("/sys/module/module/parameters/sig_enforce", "Y\n", True),
        ("/sys/module/module/parameters/sig_enforce", "N\n", False),
        ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\6\0\0\0\1", True),
        ("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", b"\6\0\0\0\0", False),
        ("/etc/hostname", "x", False),
    ],
)
def test_whether_the_machine_refuses_unsigned_modules(node, path, content, enforced):
    node.file(path, content)
    assert signatures_enforced(str(node.root)) is enforced


def test_without_settings_there_is_no_guard(node):
    (node.root / SETTINGS[1:]).unlink()
    with pytest.raises(GuardError, match="no kernel guard"):
        read_decision(str(node.root))


def test_settings_that_were_cut_off_are_no_machine_without_a_guard(node):
    node.file(SETTINGS, b"")
    with pytest.raises(GuardError, match="cannot be understood"):
        read_settings(str(node.root))


def boots(release):
    return "set default=0\nmenuentry 'Debian' {\n linux /boot/vmlinuz-%s ro\n}\n" % release


def test_the_drop_in_comes_and_goes(node):
    host = Host(str(node.root))
    before = sorted(os.walk(node.root))
    assert guard(host, apply=True).changed is False
    assert sorted(os.walk(node.root)) == before
    new_kernel(node)
    assert guard(host, apply=False).changed is True
    assert host.read(DROP_IN) is None
    assert guard(host, apply=True).changed is True
    assert held(host.read(DROP_IN)) == B
    assert guard(host, apply=True).changed is False
    build_for(node, C)
    assert guard(host, apply=True).changed is True
    assert host.read(DROP_IN) is None


class Machine(Host):
    """A tree that is taken for the running machine; its update-grub writes what ``renewed`` says, or fails."""

    def __init__(self, root, renewed=None):
        super().__init__(str(root))
        self.renewed, self.calls = renewed, []

    running = True

    def run(self, argv, timeout_s=60.0):
        self.calls.append(tuple(argv))
        if self.renewed is None:
            return 1, "grub-probe: error: no space left"
        self.write_file(CONFIG, boots(self.renewed))
        return 0, ""


def test_grub_is_renewed_when_it_would_boot_the_wrong_kernel(node):
    new_kernel(node)
    node.file(CONFIG, boots(C))
    machine = Machine(node.root, B)
    assert guard(machine, apply=True).changed is True
    assert machine.calls == [("update-grub",)]
    assert boot_kernel(str(node.root)) == B
    assert guard(machine, apply=True).changed is False
    assert len(machine.calls) == 1


def test_grub_is_left_to_the_kernels_scripts_when_they_follow(node):
    new_kernel(node)
    node.file(CONFIG, boots(C))
    machine = Machine(node.root, B)
    assert guard(machine, apply=True, grub_follows=True).changed is True
    assert machine.calls == []


@pytest.mark.parametrize(("renewed", "says"), [(None, "no space left"), (C, "instead of " + B)])
def test_a_default_that_grub_does_not_take_is_an_error(node, renewed, says):
    new_kernel(node)
    node.file(CONFIG, boots(C))
    with pytest.raises(GuardError, match=says):
        guard(Machine(node.root, renewed), apply=True)


def test_an_older_kernel_that_somebody_chose_stays(node):
    node.kernel(A)
    node.file(CONFIG, boots(A))
    machine = Machine(node.root)
    assert guard(machine, apply=True).changed is False
    assert machine.calls == []


def test_the_command_line(node, capsys):
    root = ["--root", str(node.root)]
    assert main(root) == 0
    assert capsys.readouterr().out == "kernel-guard: default kernel: %s\n" % B
    assert main([*root, "--quiet", "--apply"]) == 0
    assert capsys.readouterr().out == ""
    new_kernel(node)
    assert main(root) == 1
    assert main([*root, "--quiet", "--apply"]) == 0
    assert "held back %s" % C in capsys.readouterr().out
    assert main([*root, "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["hold"], told["refused"][0][0]) == (False, B, C)
    (node.root / SETTINGS[1:]).write_text("{")
    assert main(root) == 2
    assert "cannot be understood" in capsys.readouterr().err
    assert main(["--root", str(node.root / "nowhere")]) == 2


def test_without_grub_there_is_only_the_report(node, capsys):
    new_kernel(node)
    (node.root / "etc/default/grub").unlink()
    assert main(["--root", str(node.root), "--apply"]) == 0
    assert "held back %s" % C in capsys.readouterr().out
    assert not (node.root / DROP_IN[1:]).exists()


def test_where_no_kernel_has_a_driver_nothing_is_chosen(node, capsys):
    (node.root / ("lib/modules/%s/updates/dkms/nvidia-current.ko" % B)).unlink()
    node.file(DROP_IN, drop_in(A))
    assert main(["--root", str(node.root)]) == 1
    assert main(["--root", str(node.root), "--apply"]) == 0
    assert "stays as it is" in capsys.readouterr().out
    assert not (node.root / DROP_IN[1:]).exists(), "the kernel that it held is gone"
