"""Kernel parameters: parsing, refusing, the drop-in as a real shell reads it, and what waits for a reboot."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._cmdline import (
    DROP_IN,
    CmdlineError,
    bare_metal_only,
    check,
    pending,
    quoted,
    render,
    split,
)
from ansible_collections.gpuforge.node.plugins.module_utils._cmdline_run import run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quiet  splash\n", ["quiet", "splash"]),
        ('a="b c" d', ["a=b c", "d"]),
        ('"a=b c" d', ["a=b c", "d"]),
        ("a -- init=x b", ["a"]),
        ('a="b', ["a=b"]),
        ("", []),
        ('a=""', ["a="]),
    ],
)
def test_split(text, words):
    assert split(text) == words


@pytest.mark.parametrize(
    ("present", "absent", "said"),
    [
        (["a b=c"], [], "has no name"),
        (["=c"], [], "has no name"),
        (["a=$(reboot)"], [], "a dollar"),
        (["a='b'"], [], "a quote"),
        (["a=b\nc"], [], "line break"),
        (["a=b\\c"], [], "backslash"),
        ([], ["a`b`"], "has no name"),
        (["a=1", "a=1"], [], "is there twice"),
        (["a=1"], ["a=1"], "both present and absent"),
        (["io_mmu=1"], ["io-mmu"], "wanted with a value, and absent with any"),
    ],
)
def test_refused(present, absent, said):
    with pytest.raises(CmdlineError, match=said):
        check(present, absent)


def test_all_problems_at_once():
    with pytest.raises(CmdlineError) as caught:
        check(["a b", "c=$d"], ["e=`f`"])
    assert len(caught.value.problems) == 3


def shell(drop_in: str, default: str, always: str) -> tuple[list[str], list[str]]:
    """Both variables after the drop-in, as grub-mkconfig's shell sees them."""
    script = drop_in + 'printf "%s\\n%s\\n%s\\n" "$GRUB_CMDLINE_LINUX_DEFAULT" "$GRUB_CMDLINE_LINUX" "$-"'
    environment = {"GRUB_CMDLINE_LINUX_DEFAULT": default, "GRUB_CMDLINE_LINUX": always}
    done = subprocess.run(["/bin/sh", "-eu", "-c", script], env=environment, capture_output=True, text=True, check=True)
    first, second, flags = done.stdout.splitlines()
    assert "f" not in flags
    return split(first), split(second)


def test_the_drop_in_adds_and_takes_out():
    check(["iommu=pt", "dyndbg=file drivers/x.c +p"], ["quiet", "mitigations=off"])
    text = render(["iommu=pt", "dyndbg=file drivers/x.c +p"], ["quiet", "mitigations=off"])
    assert shell(text, "quiet  splash", "console=ttyS0 quiet=1 mitigations=off mitigations=auto") == (
        ["splash", "iommu=pt", "dyndbg=file drivers/x.c +p"],
        ["console=ttyS0", "mitigations=auto"],
    )


@pytest.mark.parametrize(
    "value", ["a=*", "a=/*/", "a=b;c", "a=(x)", "a=a&b|c", "a=1,2:3", "a=#x", "a=~", "a=[0-9]", "a"]
)
def test_unusual_values_arrive_as_written_and_expand_to_nothing(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=file").write_text("")
    check([value], [])
    assert shell(render([value], []), "", "") == ([value], [])
    for form in (value, quoted(value)):
        assert shell(render([], [value]), form + " keep *", "") == (["keep", "*"], [])


def test_nothing_wanted_is_no_file():
    assert render([], []) == ""


def test_pending():
    running = "BOOT_IMAGE=/vmlinuz root=UUID=1 iommu=pt dash-under=1 quiet"
    assert pending(["iommu=pt", "dash_under=1"], ["splash"], running) == {}
    assert pending(["iommu=off"], ["quiet", "iommu=pt", "root=x"], running) == {
        "iommu=off": "not on the running kernel's command line",
        "quiet": "still on the running kernel's command line as quiet",
        "iommu=pt": "still on the running kernel's command line as iommu=pt",
    }


@pytest.mark.parametrize("name", ["iommu=pt", "intel_iommu=on", "pci=disable_acs_redir=pci:0:0", "amd-pstate=active"])
def test_for_bare_metal_only(name):
    assert bare_metal_only(name)


@pytest.mark.parametrize("name", ["init_on_alloc=0", "pci=realloc=off", "transparent_hugepage=madvise", "iommux"])
def test_for_every_machine(name):
    assert not bare_metal_only(name)


@pytest.fixture
def grub(kernel):
    kernel.put("/etc/default/grub", 'GRUB_CMDLINE_LINUX=""\n')
    kernel.put("/etc/default/grub.d/init-select.cfg", "")
    kernel.put("/proc/cmdline", "root=/dev/vda1 quiet\n")
    return kernel


def test_check_run_again_remove(grub):
    options = {"present": ["iommu=pt"], "absent": ["quiet"]}
    before = grub.owned()
    predicted = run(options, True, grub)
    assert grub.owned() == before
    done = run(options, False, grub)
    assert done == predicted
    assert done["changed"]
    assert set(done["pending_reboot"]) == {"iommu=pt", "quiet"}
    again = run(options, False, grub)
    assert (again["changed"], again["pending_reboot"]) == (False, done["pending_reboot"])
    assert run({}, False, grub)["changed"]
    assert grub.owned() == before
    assert not run({}, False, grub)["changed"]


def test_a_virtual_machine_gets_no_iommu_parameter(grub, virtual):
    done = run({"present": ["iommu=pt", "init_on_alloc=0"]}, False, virtual)
    assert set(done["left"]) == {"iommu=pt"}
    assert "iommu" not in virtual.read(DROP_IN)
    assert set(done["pending_reboot"]) == {"init_on_alloc=0"}


def test_in_an_image_nothing_of_the_builder_is_read(grub):
    grub.put("/proc/cmdline", "iommu=pt\n")
    grub.is_running = True
    done = run({"present": ["iommu=pt"], "live": False}, False, grub)
    assert done["pending_reboot"] == {"iommu=pt": "set when the image boots"}
    assert done["update_needed"]
    assert grub.ran == []


def test_update_grub_follows_a_change(grub):
    grub.is_running = True
    run({"present": ["init_on_alloc=0"]}, False, grub)
    run({"present": ["init_on_alloc=0"]}, False, grub)
    assert grub.ran == ["update-grub"]


def test_a_failed_update_grub_puts_the_drop_in_back(grub):
    grub.is_running = True
    grub.programs["update-grub"] = (1, "/usr/sbin/grub-probe: error")
    with pytest.raises(CmdlineError, match="grub-probe: error"):
        run({"present": ["init_on_alloc=0"]}, False, grub)
    assert grub.read(DROP_IN) is None


def test_no_grub(kernel):
    with pytest.raises(CmdlineError, match="no /etc/default/grub"):
        run({"present": ["init_on_alloc=0"]}, False, kernel)
    assert not run({}, False, kernel)["changed"]


def test_a_full_disk(grub, monkeypatch):
    def full(self, path, text, mode=0o644):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(type(grub), "write_file", full)
    with pytest.raises(CmdlineError, match="No space left on device; nothing was changed"):
        run({"present": ["init_on_alloc=0"]}, False, grub)
