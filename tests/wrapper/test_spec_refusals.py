# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Bad specs, and exactly what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuforge.errors import SpecError
from gpuforge.spec import load_spec, parse_spec
from gpuforge.spec_expect import EXPECT

TOP = "name, description, provider, base, stack, layers, vars, disk, verify, gcp, aws"
BASE = (
    "distribution, release, kernel, mirror, security_mirror, image, max_age_days, "
    "family, project, ami, owner, name, ssm"
)
NAMES = "(image names are small letters, digits and hyphens, first a letter, last no hyphen)"

# What is written below "name: ok" (from line 2 on) and what is said of it.
CASES: dict[str, tuple[str, list[str]]] = {
    "misspelt key": (
        "desription: x",
        [f's.yml:2:1: desription: is not a known key\n    did you mean "description"? known here: {TOP}'],
    ),
    "unknown key": ("foo: 1", [f"s.yml:2:1: foo: is not a known key\n    known here: {TOP}"]),
    "misspelt key below": (
        "disk:\n  size_gb: 10",
        ['s.yml:3:3: disk.size_gb: is not a known key\n    did you mean "size_gib"? known here: size_gib, formats'],
    ),
    "text instead of number": (
        "disk: {size_gib: ten}",
        ['s.yml:2:18: disk.size_gib: is "ten", not a whole number'],
    ),
    "fraction": ("disk: {size_gib: 10.5}", ["s.yml:2:18: disk.size_gib: is 10.5, not a whole number"]),
    "boolean instead of number": ("disk: {size_gib: yes}", ["s.yml:2:18: disk.size_gib: is yes, not a whole number"]),
    "version without quotes": (
        "stack: {cuda: 13.10}",
        ['s.yml:2:15: stack.cuda: is 13.10, not text\n    put it in quotes: "13.10"'],
    ),
    "branch without quotes": (
        "stack: {driver: 535}",
        ['s.yml:2:17: stack.driver: is 535, not text\n    put it in quotes: "535"'],
    ),
    "no value": ("description:", ["s.yml:2:13: description: has no value\n    write a value or remove the key"]),
    "list instead of mapping": ("disk: [1]", ["s.yml:2:1: disk: is a list, not a mapping of keys to values"]),
    "mapping instead of list": ("disk: {formats: {}}", ["s.yml:2:8: disk.formats: is a mapping, not a list"]),
    "switch that is no switch": ("layers: {training: 1}", ["s.yml:2:20: layers.training: is 1, not true or false"]),
    "size too small": (
        "disk: {size_gib: 3}",
        ["s.yml:2:18: disk.size_gib: is 3 (a disk has 4 to 65536 GiB)\n    choose a size in between"],
    ),
    "size too large": (
        "disk: {size_gib: 65537}",
        ["s.yml:2:18: disk.size_gib: is 65537 (a disk has 4 to 65536 GiB)\n    choose a size in between"],
    ),
    "unknown format": (
        "disk: {formats: [qcow]}",
        ['s.yml:2:18: disk.formats[0]: is "qcow"\n    did you mean "qcow2"? known here: raw, qcow2, gce'],
    ),
    "no format": (
        "disk: {formats: []}",
        ["s.yml:2:8: disk.formats: is empty (the bake would write nothing)\n    list raw, qcow2 or gce"],
    ),
    "format twice": (
        "disk: {formats: [raw, raw]}",
        ['s.yml:2:23: disk.formats[1]: is "raw" a second time\n    list it once'],
    ),
    "no firmware": (
        "verify: {firmware: []}",
        [
            (
                "s.yml:2:10: verify.firmware: is empty (the image would never be booted)\n"
                '    list bios or uefi, or set "boot: false"'
            )
        ],
    ),
    "unknown distribution": (
        "base: {distribution: fedora, release: x}",
        ['s.yml:2:22: base.distribution: is "fedora"\n    debian: bookworm, trixie; ubuntu: jammy, noble'],
    ),
    "empty distribution, said once": (
        "base: {distribution: ''}",
        ["s.yml:2:22: base.distribution: is empty\n    write a value or remove the key"],
    ),
    "misspelt distribution": (
        "base: {distribution: Debain}",
        [
            (
                's.yml:2:22: base.distribution: is "Debain"\n'
                '    did you mean "debian"? debian: bookworm, trixie; ubuntu: jammy, noble'
            )
        ],
    ),
    "unknown release": (
        "base: {release: buster}",
        ['s.yml:2:17: base.release: is "buster"\n    known for debian: bookworm, trixie'],
    ),
    "release of another distribution": (
        "base: {release: noble}",
        ['s.yml:2:17: base.release: is "noble" (a release of ubuntu)\n    set "distribution: ubuntu"'],
    ),
    "Ubuntu without release": (
        "base: {distribution: ubuntu}",
        ["s.yml:2:1: base.release: is missing\n    known for ubuntu: jammy, noble"],
    ),
    "negative age": (
        "base: {max_age_days: -1}",
        ["s.yml:2:22: base.max_age_days: is -1 (an age is not negative)\n    use 0 to renew the base in every bake"],
    ),
    "mirror": (
        "base: {mirror: example.org}",
        ['s.yml:2:16: base.mirror: is "example.org" (a mirror is an address)\n    write it as "http://HOST/debian"'],
    ),
    "image and release": (
        "base: {image: a.qcow2, release: trixie}",
        [
            (
                "s.yml:2:33: base.release: does not go with base.image "
                "(an image brings its own distribution, release and kernel)\n    remove one of the two"
            )
        ],
    ),
    "base of another provider": (
        "base: {family: debian-12}",
        [
            (
                "s.yml:2:16: base.family: is for provider gcp, but the provider is local\n"
                '    remove it, or set "provider: gcp"'
            )
        ],
    ),
    "owner without name": (
        "provider: aws\naws: {region: r, instance_type: t}\nbase: {owner: '123'}",
        ["s.yml:4:15: base.owner: is given without base.name (an AMI is looked up by both)\n    add base.name"],
    ),
    "driver": (
        "stack: {driver: latest}",
        [
            (
                's.yml:2:17: stack.driver: is "latest"\n'
                '    give a version such as "595.91.07", a branch such as "595", or production, lts or newest'
            )
        ],
    ),
    "driver of four parts": (
        "stack: {driver: 535.1.2.3}",
        [
            (
                's.yml:2:17: stack.driver: is "535.1.2.3"\n'
                '    give a version such as "595.91.07", a branch such as "595", or production, lts or newest'
            )
        ],
    ),
    "cuda": (
        "stack: {cuda: '13'}",
        ['s.yml:2:15: stack.cuda: is "13"\n    give a version such as "13.2", or "13.x" for the newest'],
    ),
    "source": (
        "stack: {source: nvida}",
        ['s.yml:2:17: stack.source: is "nvida"\n    did you mean "nvidia"? known here: nvidia, distribution'],
    ),
    "provider": (
        "provider: azure",
        ['s.yml:2:11: provider: is "azure"\n    known here: local, gcp, aws'],
    ),
    "provider without its block": (
        "provider: gcp",
        ["s.yml:1:1: gcp: is missing, and the provider is gcp\n    add a block gcp with project and zone"],
    ),
    "block without its keys": (
        "provider: aws\naws: {}",
        [
            's.yml:3:1: aws.region: is missing\n    add the region to build in, for example "region: eu-central-1"',
            (
                "s.yml:3:1: aws: has neither instance_type nor instance_types\n"
                "    add instance_type, or instance_types to try in turn"
            ),
        ],
    ),
    "zone and zones": (
        "provider: gcp\ngcp: {project: p, zone: a, zones: [b]}",
        ["s.yml:3:28: gcp.zones: is given beside gcp.zone\n    keep one of the two"],
    ),
    "expectation": (
        "verify: {expect: {cuont: 8, model: 1, count: -1, driver: ''}}",
        [
            (
                "s.yml:2:19: verify.expect.cuont: is not a known key\n"
                f'    did you mean "count"? known here: {", ".join(EXPECT)}'
            ),
            "s.yml:2:36: verify.expect.model: is 1\n    write text",
            "s.yml:2:46: verify.expect.count: is -1\n    write a whole number, 0 or more",
            's.yml:2:58: verify.expect.driver: is ""\n    write text',
        ],
    ),
    "timeout": (
        "verify: {timeout_s: 5}",
        ["s.yml:2:21: verify.timeout_s: is 5 (30 to 86400 seconds)\n    choose a time in between"],
    ),
    "variable that is no name": (
        "vars: {a-b: 1}",
        [
            (
                "s.yml:2:8: vars.a-b: is not a name (letters, digits and underscores, not beginning with a digit)\n"
                "    rename it"
            )
        ],
    ),
    "two at once, in two places": (
        "disk: {size_gib: 1}\nbase: {release: buster}",
        [
            "s.yml:2:18: disk.size_gib: is 1 (a disk has 4 to 65536 GiB)\n    choose a size in between",
            's.yml:3:17: base.release: is "buster"\n    known for debian: bookworm, trixie',
        ],
    ),
    "a wrong type does not hide a wrong value": (
        "disk: {size_gib: 1, formats: 3}",
        [
            "s.yml:2:18: disk.size_gib: is 1 (a disk has 4 to 65536 GiB)\n    choose a size in between",
            "s.yml:2:30: disk.formats: is 3, not a list",
        ],
    ),
}


def refusal(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, Path("s.yml"))
    return caught.value


@pytest.mark.parametrize("case", CASES)
def test_says_exactly_this(case: str) -> None:
    text, expected = CASES[case]
    assert [problem.render() for problem in refusal("name: ok\n" + text).problems] == expected


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Bad_Name", f'is "Bad_Name" {NAMES}\n    for example "bad-name"'),
        ("1a", f'is "1a" {NAMES}\n    choose another name'),
        ("a-", f'is "a-" {NAMES}\n    for example "a"'),
        (
            "a" * 41,
            (
                "has 41 characters, at most 40 are allowed (date and digest are added to it, "
                "and clouds allow 63 in all)\n    choose a shorter name"
            ),
        ),
        ("''", "is empty\n    write a value or remove the key"),
    ],
)
def test_name(name: str, said: str) -> None:
    assert [problem.render() for problem in refusal(f"name: {name}").problems] == [f"s.yml:1:7: name: {said}"]


def test_name_is_missing() -> None:
    assert refusal("description: x").problems[0].render() == (
        's.yml:1:1: name: is missing\n    add it, for example "name: gpu-train"'
    )


def test_the_whole_message() -> None:
    error = refusal("name: ok\ndisk: {size_gib: 1}\nfoo: 1")
    assert error.exit_code == 2
    assert error.render().splitlines() == [
        "reading the spec: s.yml has 2 problems",
        "  s.yml:2:18: disk.size_gib: is 1 (a disk has 4 to 65536 GiB)",
        "      choose a size in between",
        "  s.yml:3:1: foo: is not a known key",
        f"      known here: {TOP}",
    ]


def test_every_key_of_a_base_is_known() -> None:
    assert refusal("name: ok\nbase: {zzz: 1}").problems[0].hint == f"known here: {BASE}"


@pytest.mark.parametrize("provider", ["gcp", "aws"])
def test_the_provider_can_be_chosen_from_outside(provider: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("name: ok", Path("s.yml"), provider=provider)
    assert [problem.where for problem in caught.value.problems] == [provider]


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no\.yml does not exist"):
        load_spec(tmp_path / "no.yml")


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Is a directory"):
        load_spec(tmp_path)


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "s.yml"
    path.write_bytes("name: ok\ndescription: für\n".encode("latin-1"))
    with pytest.raises(SpecError, match=r"not UTF-8 text \(byte 23\)"):
        load_spec(path)
