# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""From Packer variables to a spec."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpuforge.errors import SpecError
from gpuforge.importer import VARIABLES, convert, import_pkrvars
from gpuforge.spec import parse_spec

ALL = """\
# Everything that the original builder knows.
image_name        = "gpu-image" # trailing comment
image_description = "Größe: \\"8x\\" $${raw} \\u00fc"
project_id        = "my-project"
image_family      = "debian-12"
image_project_id  = "debian-cloud"
zone              = "us-central1-a"
machine_type      = "n1-standard-8"
ssh_username      = "packer"
disk_size         = "100"
driver_version    = "590.48.01"
cuda_version      = 13.10
pytorch_version   = "2.9.1"
enable_training   = true
enable_inference  = "false"
enable_multinode  = true
"""

SPEC = """\
# From my.pkrvars.hcl, the variables of a Packer build.
# pytorch_version became a variable of the layer training
name: gpu-image
description: 'Größe: "8x" ${raw} ü'
provider: gcp
base:
  family: debian-12
  project: debian-cloud
stack:
  driver: 590.48.01
  cuda: '13.10'
layers:
  training: true
  inference: false
  multinode: true
vars:
  training_pytorch_version: 2.9.1
disk:
  size_gib: 100
gcp:
  project: my-project
  zone: us-central1-a
  machine_type: n1-standard-8
  ssh_user: packer
"""

NOT_PLAIN = 'is a list, a reference or another expression\n    write text, such as "gpu-train"'

MINIMAL = 'image_name = "a"\nproject_id = "p"\nzone = "z"\n'


def test_all_variables() -> None:
    assert convert(ALL, "my.pkrvars.hcl").text == SPEC
    assert len(VARIABLES) == 15
    assert all(f"\n{name} " in ALL for name in VARIABLES)


def test_the_result_is_a_good_spec() -> None:
    spec = parse_spec(convert(ALL, "my.pkrvars.hcl").text, Path("s.yml"))
    assert (spec.stack.driver, spec.stack.cuda, spec.disk.size_gib) == ("590.48.01", "13.10", 100)


def test_the_builders_own_defaults_are_said_and_kept() -> None:
    imported = convert(MINIMAL, "m.hcl")
    spec = parse_spec(imported.text, Path("s.yml"))
    assert (spec.stack.driver, spec.stack.cuda) == ("590.48.01", "13.1")
    assert imported.notes == (
        "driver_version is not given: 590.48.01, the original builder's default",
        "cuda_version is not given: 13.1, the original builder's default",
    )
    assert all(f"# {note}\n" in imported.text for note in imported.notes)


def test_a_variable_of_ones_own_is_left_out_aloud() -> None:
    imported = convert(MINIMAL + 'owner_team = "x"\n', "m.hcl")
    assert "owner_team is not a variable of the original builder and was left out" in imported.notes


CASES: dict[str, tuple[str, list[str]]] = {
    "given twice": (
        'image_description = "a"\n' + MINIMAL + 'image_description = "b"\n',
        ["m.hcl:5:1: image_description: is given twice, first in line 1\n    keep one of the two"],
    ),
    "wrong type": (
        MINIMAL + 'disk_size = "large"\nenable_training = "yes"\ndriver_version = ["590"]\n',
        [
            'm.hcl:4:1: disk_size: is "large"\n    write a whole number',
            'm.hcl:5:1: enable_training: is "yes"\n    write true or false',
            (
                "m.hcl:6:1: driver_version: is a list, a reference or another expression\n"
                '    write text, such as "gpu-train"'
            ),
        ],
    ),
    "number where a switch is": (
        MINIMAL + "enable_training = 1\n",
        ["m.hcl:4:1: enable_training: is 1\n    write true or false"],
    ),
    "fraction": (MINIMAL + "disk_size = 10.5\n", ["m.hcl:4:1: disk_size: is 10.5\n    write a whole number"]),
    "reference": (
        MINIMAL + 'machine_type = "n1-${var.size}"\n',
        [f"m.hcl:4:1: machine_type: {NOT_PLAIN}"],
    ),
    "nothing": (
        MINIMAL + "machine_type = null\n",
        [f"m.hcl:4:1: machine_type: {NOT_PLAIN}"],
    ),
    "misspelt": (
        MINIMAL + 'drivr_version = "590"\n',
        [
            'm.hcl:4:1: drivr_version: is not a variable of the original builder\n    did you mean "driver_version"?',
        ],
    ),
    "block": (
        MINIMAL + 'variable "x" {\n}\n',
        ["m.hcl:4:1: variable: is a block (a variables file has assignments only)\n    remove it"],
    ),
    "missing": (
        "disk_size = 100\n",
        [
            "m.hcl: image_name: is missing\n    add it",
            "m.hcl: project_id: is missing\n    add it",
            "m.hcl: zone: is missing\n    add it",
        ],
    ),
    "what the spec refuses": (
        MINIMAL.replace('"a"', '"My Image"') + "disk_size = 2\n",
        [
            (
                'm.hcl:1:1: image_name: is "My Image" (image names are small letters, digits and hyphens, first '
                'a letter, last no hyphen)\n    for example "my-image"'
            ),
            "m.hcl:4:1: disk_size: is 2 (a disk has 4 to 65536 GiB)\n    choose a size in between",
        ],
    ),
    "no HCL": (
        'image_name = "a"\nproject_id : 3\n',
        [
            (
                "m.hcl:2:11: is not valid HCL from here on\n"
                '    a variables file has lines such as image_name = "gpu-train"'
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_says_exactly_this(case: str) -> None:
    text, expected = CASES[case]
    with pytest.raises(SpecError) as caught:
        convert(text, "m.hcl")
    assert [problem.render() for problem in caught.value.problems] == expected
    assert caught.value.doing == "importing Packer variables"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        import_pkrvars(tmp_path / "no.hcl")
    (tmp_path / "x.hcl").write_bytes(b"\xff")
    with pytest.raises(SpecError, match="not UTF-8 text"):
        import_pkrvars(tmp_path / "x.hcl")


def test_the_hcl_parser_is_imported_only_when_it_is_needed() -> None:
    code = "import sys, gpuforge.importer; sys.exit('hcl2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
