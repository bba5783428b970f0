"""Who signed a module, from a signature that the kernel's own program made."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._kernel_modules import ModuleFile, read_module_file
from ansible_collections.gpuforge.node.plugins.module_utils._modinfo import ModinfoError, PackedModule
from ansible_collections.gpuforge.node.plugins.module_utils._module_signature import (
    Signature,
    SignatureError,
    certificate_names,
    read_signature,
    serial_text,
)
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.health.node import elf
from ansible_collections.gpuforge.node.tests.unit.plugins.module_utils.signed import APPENDED, CERTIFICATE, SIGNER

MODULE = elf({"version": "535.309.01"})


def test_the_signer_is_read_and_is_the_certificates():
    assert read_signature(MODULE + APPENDED) == SIGNER
    assert certificate_names(CERTIFICATE) == SIGNER


@pytest.mark.parametrize(("number", "text"), [(b"\x0a\x0b", "0A:0B"), (b"\x00\xfa\x0b", "FA:0B"), (b"\x00", "00")])
def test_serial_numbers_are_written_as_kmod_writes_them(number, text):
    assert serial_text(number) == text


def test_nobody_signed():
    assert read_signature(MODULE) is None
    assert read_signature(b"") is None


@pytest.mark.parametrize("cut", [40, 41, 60, 100, 200, 300, 410])
def test_a_damaged_signature_is_no_signature(cut):
    with pytest.raises(SignatureError):
        read_signature(APPENDED[cut:] if cut > 60 else APPENDED[-cut:])


def test_another_kind_of_signature_is_said():
    with pytest.raises(SignatureError, match="kind 1"):
        read_signature(APPENDED[:-38] + b"\x01" + APPENDED[-37:-28] + APPENDED[-28:])


@pytest.mark.parametrize("der", [b"", b"text", CERTIFICATE[:100], MODULE])
def test_what_is_no_certificate(der):
    with pytest.raises(SignatureError):
        certificate_names(der)


def test_a_module_that_python_cannot_unpack_is_asked_of_kmod(tmp_path):
    said = "filename: /m/nvidia.ko.zst\nversion: 580.1\nsigner: Somebody\nsig_key: 0A:0B\nparm: NVreg_X:int\n"
    with pytest.raises(PackedModule):
        read_module_file(str(tmp_path), "/m/nvidia.ko.zst")
    found = read_module_file(str(tmp_path), "/m/nvidia.ko.zst", lambda argv: (0, said))
    assert (found.info["version"], found.signature) == ("580.1", Signature("Somebody", "0A:0B"))
    unsigned = read_module_file(str(tmp_path), "/m/nvidia.ko.zst", lambda argv: (0, "version: 580.1\n"))
    assert unsigned == ModuleFile({"version": "580.1"}, None)
    with pytest.raises(ModinfoError, match="ended with 1"):
        read_module_file(str(tmp_path), "/m/nvidia.ko.zst", lambda argv: (1, "no such file"))
