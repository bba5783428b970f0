"""Which checks run: by group, by id, and never none."""

from __future__ import annotations

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._health.model import HealthError
from ansible_collections.gpuforge.node.plugins.module_utils._health.run import CHECKS, GROUPS, choose


def test_ids_are_unique_and_carry_their_group() -> None:
    ids = [check.id for check in CHECKS]
    assert len(ids) == len(set(ids))
    assert GROUPS == ("system", "driver", "tuning", "multinode", "manifest", "gpu", "hygiene")


def test_hygiene_only_by_name() -> None:
    assert {check.group for check in choose()} == {"system", "driver", "tuning", "multinode", "manifest", "gpu"}
    assert {check.group for check in choose(["hygiene"])} == {"hygiene"}
    assert [check.id for check in choose(["hygiene.swap", "driver.dkms"])] == ["driver.dkms", "hygiene.swap"]


def test_skip_takes_away() -> None:
    assert {check.group for check in choose(skip=["gpu", "manifest.packages"])} == {
        "system",
        "driver",
        "tuning",
        "multinode",
    }
    assert [check.id for check in choose(["system"], ["system.units"])] == ["system.running"]


def test_all_misspelt_names_are_told_at_once() -> None:
    with pytest.raises(HealthError) as caught:
        choose(["sytem"], ["gpu.cuont", "zzz"])
    assert "'sytem' (did you mean 'system'?)" in str(caught.value)
    assert "'gpu.cuont' (did you mean 'gpu.count'?)" in str(caught.value)
    assert "'zzz'" in str(caught.value)


def test_an_empty_run_is_refused() -> None:
    with pytest.raises(HealthError, match="no check is left"):
        choose(["gpu"], ["gpu"])
