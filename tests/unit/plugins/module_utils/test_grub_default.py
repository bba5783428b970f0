"""Which kernel a grub.cfg boots, and the drop-in that chooses one, read by a shell as grub-mkconfig reads it."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._grub_default import (
    default_kernel,
    drop_in,
    held,
    parse_environment,
)

OLD, NEW = "6.1.0-56-cloud-amd64", "6.1.0-57-cloud-amd64"
UUID = "5b1f3c1e-0000-4000-8000-000000000001"
# As GRUB 2.06 of Debian 12 writes it, shortened.
CONFIG = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="%(default)s"
fi
function load_video {
  insmod vbe
}
menuentry 'Debian' --class debian --class os $menuentry_id_option 'gnulinux-simple-%(uuid)s' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; fi
	echo	'Loading Linux %(new)s ...'
	linux	/boot/vmlinuz-%(new)s root=UUID=%(uuid)s ro  console=ttyS0
	initrd	/boot/initrd.img-%(new)s
}
submenu 'Advanced options for Debian' $menuentry_id_option 'gnulinux-advanced-%(uuid)s' {
	menuentry 'Debian, with Linux %(new)s' --class os $menuentry_id_option 'gnulinux-%(new)s-advanced-%(uuid)s' {
		linux	/boot/vmlinuz-%(new)s root=UUID=%(uuid)s ro
	}
	menuentry 'Debian, with Linux %(old)s' --class os $menuentry_id_option 'gnulinux-%(old)s-advanced-%(uuid)s' {
		linux	/boot/vmlinuz-%(old)s root=UUID=%(uuid)s ro
	}
	menuentry 'Debian, with Linux %(old)s (recovery mode)' $menuentry_id_option 'gnulinux-%(old)s-recovery-%(uuid)s' {
		linux	/boot/vmlinuz-%(old)s root=UUID=%(uuid)s ro single
	}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
	fwsetup
}
"""


def config(default):
    return CONFIG % {"default": default, "uuid": UUID, "old": OLD, "new": NEW}


@pytest.mark.parametrize(
    ("default", "boots"),
    [
        ("0", NEW),
        ("1", NEW),
        ("1>0", NEW),
        ("1>1", OLD),
        ("gnulinux-advanced-%s>gnulinux-%s-advanced-%s" % (UUID, OLD, UUID), OLD),
        ("Advanced options for Debian>Debian, with Linux %s" % OLD, OLD),
        ("${saved_entry}", OLD),
        ("gone", NEW),
        ("2", ""),
        ("9", NEW),
    ],
)
def test_the_default_of_a_configuration(default, boots):
    saved = parse_environment("# GRUB Environment Block\nsaved_entry=1>1\n####")
    assert default_kernel(config(default), saved) == boots


def test_nothing_saved_is_the_first_entry():
    assert default_kernel(config("${saved_entry}"), parse_environment("# GRUB Environment Block\n#####")) == NEW


def test_the_images_first_configuration():
    text = "set default=0\nset timeout=1\nmenuentry 'Debian, %s' {\n  linux /boot/vmlinuz-%s root=UUID=1 ro\n}\n"
    assert default_kernel(text % (OLD, OLD)) == OLD


@pytest.mark.parametrize("text", ["", "set default=0\n", "what is this"])
def test_a_configuration_without_kernels(text):
    assert default_kernel(text) == ""


@pytest.mark.parametrize(("submenu", "prefix"), [("", "gnulinux-advanced-%s>" % UUID), ("y", ""), ("true", "")])
def test_the_drop_in_names_the_entry_as_grub_does(tmp_path, submenu, prefix):
    path = tmp_path / "95.cfg"
    path.write_text(drop_in(OLD))
    script = "GRUB_DEFAULT=0; GRUB_DEVICE_UUID=%s; GRUB_DISABLE_SUBMENU=%s; . %s; printf %%s \"$GRUB_DEFAULT\"" % (
        UUID, submenu, path,
    )  # fmt: skip
    said = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, check=True).stdout
    assert said == "%sgnulinux-%s-advanced-%s" % (prefix, OLD, UUID)
    if not submenu:
        assert default_kernel(config(said)) == OLD


def test_what_is_held():
    assert held(drop_in(OLD)) == OLD
    assert held("") == held("GRUB_DEFAULT=0\n") == ""


@pytest.mark.parametrize("release", ["", "a b", "$(reboot)", "x'y", "../x", "a\nb"])
def test_no_kernels_name(release):
    with pytest.raises(ValueError, match="no kernel"):
        drop_in(release)
