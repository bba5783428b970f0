# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which kernel is the newest: by Debian's order of versions, and only if it can boot."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpuforge.providers.local.kernels import bootable_kernels, newest_first


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"),
        ("6.9.0-1-amd64", "6.12.0-1-amd64"),
        ("6.12.1~rc1-amd64", "6.12.1-amd64"),
        ("6.12.1", "6.12.1+deb13"),
        ("6.12.117+deb13-cloud-amd64", "6.12.118+deb13-cloud-amd64"),
        ("5.15.0-99-generic", "5.15.0-100-generic"),
        ("6.1a", "6.1b"),
        ("6.1a", "6.1+"),  # letters sort before all other characters
    ],
)
def test_order(older: str, newer: str) -> None:
    assert newest_first([older, newer]) == [newer, older]


def _kernel(root: Path, version: str, *, modules: bool = True, image: bool = True, initrd: bool = True) -> None:
    (root / "boot").mkdir(exist_ok=True)
    if modules:
        (root / "usr/lib/modules" / version).mkdir(parents=True)
    if image:
        (root / "boot" / f"vmlinuz-{version}").touch()
    if initrd:
        (root / "boot" / f"initrd.img-{version}").touch()


def test_only_whole_kernels_count_and_the_newest_is_first(tmp_path: Path) -> None:
    _kernel(tmp_path, "6.1.0-9-amd64")
    _kernel(tmp_path, "6.1.0-10-amd64")
    _kernel(tmp_path, "6.1.0-11-amd64", modules=False)
    _kernel(tmp_path, "6.1.0-12-amd64", image=False)
    _kernel(tmp_path, "6.1.0-13-amd64", initrd=False)
    assert bootable_kernels(tmp_path) == ["6.1.0-10-amd64", "6.1.0-9-amd64"]


def test_a_tree_without_kernels_has_none(tmp_path: Path) -> None:
    assert bootable_kernels(tmp_path) == []
