"""What a booted image has to have because of the layers in it."""

from __future__ import annotations

from typing import Any

import pytest

from gpuforge.bake import expected_of


def manifest(*layers: str, driver: str | None) -> dict[str, Any]:
    return {"layers": [{"name": name} for name in layers], "versions": {"driver": driver}}


def test_an_image_without_the_layer_may_lack_the_driver() -> None:
    assert expected_of(manifest("perf_tuning", driver=None)) == {}


def test_the_version_that_was_baked_in_has_to_be_found() -> None:
    assert expected_of(manifest("nvidia_driver", driver="535.309.01")) == {"driver": "535.309.01"}


def test_a_driver_that_got_lost_is_missed() -> None:
    """Some text that no version equals: the node's check then fails instead of being skipped."""
    assert expected_of(manifest("nvidia_driver", "framework", driver=None))["driver"]


@pytest.mark.parametrize("driver", ["535.309.01", None])
def test_the_node_understands_the_expectation(driver: str | None) -> None:
    from ansible_collections.gpuforge.node.plugins.module_utils._health.expect import parse_expect

    assert parse_expect(expected_of(manifest("nvidia_driver", driver=driver))).wants_driver
