"""The question that Fabric Manager's unit asks at every start, on trees that stand for machines."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/nvidia_driver/files/has-nvswitch.sh"


def has_switch(root: Path) -> bool:
    done = subprocess.run(["sh", SCRIPT, root], check=False, capture_output=True, text=True)
    assert done.returncode in (0, 1) and done.stdout == done.stderr == "", done
    return done.returncode == 0


def device(root: Path, address: str, vendor: str, number: str, kind: str) -> None:
    folder = root / "sys/bus/pci/devices" / address
    folder.mkdir(parents=True)
    for name, text in (("vendor", vendor), ("device", number), ("class", kind)):
        (folder / name).write_text(f"0x{text}\n")


@pytest.mark.parametrize("number", ["1ae8", "1af1", "1aff", "22a0", "22a3", "22a7"])
def test_switches_of_a100_and_h100_boards(tmp_path, number):
    device(tmp_path, "0000:81:00.0", "10de", "2330", "030200")
    device(tmp_path, "0000:85:00.0", "10de", number, "068000")
    assert has_switch(tmp_path)


@pytest.mark.parametrize(
    ("vendor", "number", "kind"),
    [
        ("10de", "2330", "030200"),  # the GPU alone, as on boards without a switch
        ("10de", "22b1", "060400"),  # a PCI Express port of Grace
        ("10de", "22a8", "068000"),  # functions of the switch chip that are no switch
        ("8086", "1af1", "068000"),  # somebody else's
        ("10de", "1af1", "030000"),  # not a bridge
    ],
)
def test_what_is_no_switch(tmp_path, vendor, number, kind):
    device(tmp_path, "0000:85:00.0", vendor, number, kind)
    assert not has_switch(tmp_path)


def test_machine_without_anything(tmp_path):
    assert not has_switch(tmp_path)


@pytest.mark.parametrize(
    ("vpd", "expected"), [(b"\x82\x1f\x00ConnectX\x90SMDL\x06SW_MNG\x78", True), (b"\x82\x1f\x00CX7", False)]
)
def test_connectx_7_that_stands_for_a_switch(tmp_path, vpd, expected):
    folder = tmp_path / "sys/class/infiniband/mlx5_4/device"
    folder.mkdir(parents=True)
    (folder / "vpd").write_bytes(vpd)
    assert has_switch(tmp_path) is expected
