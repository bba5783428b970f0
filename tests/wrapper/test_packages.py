# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""What is installed in a tree, read from files; its bill of materials; which version is newer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health import dpkg as node_dpkg
from gpuforge import packages as p
from gpuforge.errors import StoreError
from gpuforge.sbom import make_sbom
from gpuforge.versions import compare_debian, compare_python, split_debian

STATUS = """\
Package: libcuda1
Status: install ok installed
Architecture: amd64
Source: nvidia-graphics-drivers
Version: 535.309.01-1~deb12u1
Description: x
 Version: 9 is only text
 .

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b13

Package: libcuda1
Status: install ok installed
Architecture: i386
Source: nvidia-graphics-drivers
Version: 535.309.01-1~deb12u1

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: half
Status: install ok half-configured
Architecture: all
Version: 1

Package: pending
Status: install ok triggers-pending
Architecture: all
Version: 1:2-3
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with packages, two Python environments, two kernels, and links that try to lead out of it."""

    def write(path: str, text: str) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    write("real/dpkg/status", STATUS)
    (tmp_path / "var" / "lib").mkdir(parents=True)
    (tmp_path / "var" / "lib" / "dpkg").symlink_to("/real/dpkg")
    site = "usr/lib/python3/dist-packages"
    write(f"{site}/PyYAML-6.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0\n\nVersion: 9\n")
    write(f"{site}/python_apt-2.6.0.egg-info", "Metadata-Version: 2.1\nName: python-apt\nVersion: 2.6.0\n")
    write(f"{site}/dbus_python-1.3.2.egg-info/PKG-INFO", "Name: dbus-python\nVersion: 1.3.2\n")
    write(f"{site}/bare.egg-info/top_level.txt", "x")
    write(f"{site}/no_file-1.2.dist-info/RECORD", "")
    environment = "opt/ml/envs/training"
    write(
        f"{environment}/lib/python3.12/site-packages/torch-2.9.1.dist-info/METADATA",
        "Name: torch\nVersion: 2.9.1+cu130\n",
    )
    write(f"{environment}/lib/python3.12/site-packages/x/site-packages/y-1.dist-info/METADATA", "Name: y\nVersion: 1\n")
    (tmp_path / site / "evil-1.dist-info").symlink_to("/etc")
    for kernel in ("6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"):
        (tmp_path / "usr/lib/modules" / kernel).mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    return tmp_path


def test_dpkg(root: Path) -> None:
    assert p.read_dpkg(root) == (
        p.DebPackage("bash", "amd64", "5.2.15-2+b13", "bash", "5.2.15-2"),
        p.DebPackage("libcuda1", "amd64", "535.309.01-1~deb12u1", "nvidia-graphics-drivers", "535.309.01-1~deb12u1"),
        p.DebPackage("libcuda1", "i386", "535.309.01-1~deb12u1", "nvidia-graphics-drivers", "535.309.01-1~deb12u1"),
        p.DebPackage("pending", "all", "1:2-3", "pending", "1:2-3"),
    )


def test_the_node_reads_the_same_packages(root: Path) -> None:
    """The node compares its own list with the manifest's: both must be written alike."""
    assert p.dpkg_versions(p.read_dpkg(root)) == node_dpkg.parse_status(STATUS)


def test_no_dpkg(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"/var/lib/dpkg/status: No such file or directory"):
        p.read_dpkg(tmp_path)


def test_python(root: Path) -> None:
    assert p.python_versions(p.read_python(root)) == {
        "/opt/ml/envs/training": {"torch": "2.9.1+cu130"},
        "/usr/lib/python3/dist-packages": {
            "dbus-python": "1.3.2", "no-file": "1.2", "python-apt": "2.6.0", "pyyaml": "6.0",
        },
    }  # fmt: skip


def test_python_of_an_empty_tree(tmp_path: Path) -> None:
    assert p.read_python(tmp_path) == ()


def test_parts(root: Path) -> None:
    parts = p.part_versions(root, p.read_dpkg(root))
    assert (parts["driver"], parts["kernel"], parts["cuda"]) == ("535.309.01", "6.1.0-56-cloud-amd64", None)


def test_of_several_versions_of_a_part_the_newest_counts(root: Path) -> None:
    packages = [p.DebPackage("cuda-toolkit-12-9", "amd64", "12.9.1-1", "c", "1")]
    packages.append(p.DebPackage("cuda-toolkit-12-10", "amd64", "12.10.0-1", "c", "1"))
    for given in (packages, packages[::-1]):
        assert p.part_versions(root, given)["cuda"] == "12.10.0"


def test_links_stay_inside(root: Path) -> None:
    (root / "up").symlink_to("../../../../etc/passwd")
    assert p.inside(root, "up") == root / "etc/passwd"
    assert p.inside(root, "/lib/../../var/lib/dpkg/status") == root / "real/dpkg/status"
    (root / "loop").symlink_to("loop")
    with pytest.raises(StoreError, match="more than 40 links"):
        p.inside(root, "loop")


def sbom(root: Path) -> str:
    return make_sbom(
        name="gpu", digest="ab" * 32, distribution="debian", release="12", dpkg=p.read_dpkg(root),
        python=p.read_python(root), epoch=1_700_000_000,
    )  # fmt: skip


def test_sbom(root: Path) -> None:
    data = json.loads(sbom(root))
    assert (data["bomFormat"], data["specVersion"]) == ("CycloneDX", "1.6")
    assert data["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    assert {part["purl"] for part in data["components"]} == {
        "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2",
        (
            "pkg:deb/debian/libcuda1@535.309.01-1~deb12u1?arch=amd64&distro=debian-12"
            "&upstream=nvidia-graphics-drivers%40535.309.01-1~deb12u1"
        ),
        (
            "pkg:deb/debian/libcuda1@535.309.01-1~deb12u1?arch=i386&distro=debian-12"
            "&upstream=nvidia-graphics-drivers%40535.309.01-1~deb12u1"
        ),
        "pkg:deb/debian/pending@1:2-3?arch=all&distro=debian-12",
        "pkg:pypi/dbus-python@1.3.2",
        "pkg:pypi/no-file@1.2",
        "pkg:pypi/python-apt@2.6.0",
        "pkg:pypi/pyyaml@6.0",
        "pkg:pypi/torch@2.9.1%2Bcu130",
    }
    references = [part["bom-ref"] for part in data["components"]]
    assert len(set(references)) == len(references) == 9
    assert set(
        data["dependencies"][[item["ref"] for item in data["dependencies"]].index("image:gpu")]["dependsOn"]
    ) == set(references)


def test_sbom_keeps_to_its_schema(root: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(sbom(root)) is None


def test_sbom_is_the_same_bytes_in_every_process(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gpuforge.packages import *; from gpuforge.sbom import make_sbom\n"
        "root = Path(sys.argv[1])\n"
        "sys.stdout.write(make_sbom(name='gpu', digest='ab' * 32, distribution='debian', release='12',"
        " dpkg=read_dpkg(root), python=read_python(root), epoch=1700000000))"
    )
    argv = [sys.executable, "-c", code, str(root)]
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
        assert done.stdout == sbom(root)


ORDER = [  # each older than the next; from deb-version(7) and versions of the archive
    "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1~deb12u1", "1.0-1", "1.0-1+b1", "1.0-1.1", "1.0a", "1.0+dfsg", "1.0.1",
    "1.2", "1.10", "535.261.03-1", "535.309.01-1~deb12u1", "590.48.01-1", "1:0.5",
]  # fmt: skip


@pytest.mark.parametrize(("older", "newer"), [(a, b) for i, a in enumerate(ORDER) for b in ORDER[i + 1 :]])
def test_order_of_debian_versions(older: str, newer: str) -> None:
    assert compare_debian(older, newer) < 0 < compare_debian(newer, older)


@pytest.mark.parametrize(("left", "right"), [("1.0", "1.0"), ("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1")])
def test_equal_debian_versions(left: str, right: str) -> None:
    assert compare_debian(left, right) == 0


def test_split_debian() -> None:
    assert split_debian("1:2.0-rc-3") == (1, "2.0-rc", "3")


@pytest.mark.parametrize(
    ("left", "right", "order"), [("1.9", "1.10", -1), ("2rc1", "2", -1), ("1", "1.0", 0), ("x", "1", None)]
)
def test_order_of_python_versions(left: str, right: str, order: int | None) -> None:
    assert compare_python(left, right) == order
