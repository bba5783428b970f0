# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""The layout of the disk: same digest, same disk; everything aligned, inside, and large enough or refused."""

from __future__ import annotations

import itertools

import pytest

from gpuforge.errors import Refused
from gpuforge.providers.local import disk
from gpuforge.providers.local.disk import GIB, MIB, TreeSize


def test_the_same_digest_gives_the_same_disk_and_another_digest_shares_no_identifier() -> None:
    one, two, other = disk.make_plan("a" * 64, 10), disk.make_plan("a" * 64, 10), disk.make_plan("b" * 64, 10)

    def identifiers(plan: disk.DiskPlan) -> set[object]:
        parts = {part.guid for part in (plan.root, plan.bios, plan.esp)}
        return {plan.disk_guid, plan.root_uuid, plan.hash_seed, plan.esp_volume_id, *parts}

    assert one == two
    assert len(identifiers(one)) == 7
    assert not identifiers(one) & identifiers(other)


@pytest.mark.parametrize("size_gib", [1, 2, 10, 100, 2048])
def test_partitions_are_aligned_apart_and_inside_and_the_root_is_last(size_gib: int) -> None:
    plan = disk.make_plan("x", size_gib)
    parts = sorted((plan.root, plan.bios, plan.esp), key=lambda part: part.start)
    assert parts[-1] is plan.root
    for part in parts:
        assert part.offset % MIB == 0
        assert part.bytes % MIB == 0
        assert part.bytes > 0
    for before, after in itertools.pairwise(parts):
        assert before.offset + before.bytes <= after.offset
    assert parts[0].offset >= MIB
    assert plan.root.offset + plan.root.bytes <= plan.size_bytes - 33 * disk.SECTOR


def test_the_fat_serial_number_reads_as_linux_shows_it() -> None:
    plan = disk.make_plan("x", 10)
    assert plan.esp_uuid.replace("-", "") == f"{plan.esp_volume_id:08X}"
    assert len(plan.esp_uuid) == 9


def test_the_script_names_every_partition_with_its_identifier() -> None:
    plan = disk.make_plan("x", 10)
    script = disk.sfdisk_script(plan)
    assert f"label-id: {plan.disk_guid}" in script
    for part in (plan.root, plan.bios, plan.esp):
        line = next(line for line in script.splitlines() if line.startswith(f"{part.number} : "))
        assert f"start={part.start}, size={part.sectors}, type={part.type_guid}, uuid={part.guid}" in line


def test_a_tree_that_fits_passes() -> None:
    disk.check_fit(disk.make_plan("x", 10), TreeSize(5 * GIB, 100_000))


@pytest.mark.parametrize("tree", [TreeSize(12 * GIB, 100_000), TreeSize(GIB, 900_000)], ids=["bytes", "files"])
def test_a_tree_that_does_not_fit_is_refused_with_the_size_that_is_enough(tree: TreeSize) -> None:
    plan = disk.make_plan("x", 10)
    with pytest.raises(Refused) as caught:
        disk.check_fit(plan, tree)
    problem = caught.value.problems[0]
    assert problem.where == "disk.size_gib"
    enough = int(caught.value.hint.split()[3])
    disk.check_fit(disk.make_plan("x", enough), tree)
    with pytest.raises(Refused):
        disk.check_fit(disk.make_plan("x", enough - 1), tree)


@pytest.mark.parametrize(("size", "blocks"), [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)])
def test_sizes_are_counted_in_whole_blocks(size: int, blocks: int) -> None:
    assert disk.block_roundup(size) == blocks
