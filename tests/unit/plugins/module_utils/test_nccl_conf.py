"""The file NCCL reads: nothing that its parser would misread, nothing that is not needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils._nccl_conf import render_nccl_conf


def fabric(nccl: dict[str, str], *reasons: str) -> dict[str, Any]:
    return {"fabric": "roce", "nccl": nccl, "reasons": list(reasons)}


def as_nccl_reads(text: str) -> dict[str, str]:
    """Read a file as NCCL does: `#` only in the first column, no trimming, no quotes, the first `=` parts."""
    pairs = (line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def test_what_is_written_reads_back() -> None:
    nccl = {"NCCL_IB_HCA": "=mlx5_0,mlx5_1:2", "NCCL_NET": "AWS Libfabric", "NCCL_PROTO": "^LL128"}
    text = render_nccl_conf(fabric(nccl, "roce: because", "mlx5_9: caf\u00e9\nNCCL_DEBUG=INFO"))
    assert as_nccl_reads(text) == nccl
    assert "# fabric: roce" in text.splitlines()
    assert "# roce: because" in text.splitlines()
    assert text.endswith("\n")
    assert text.isascii()


def test_nothing_to_set_is_comments_only() -> None:
    assert as_nccl_reads(render_nccl_conf(fabric({}))) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NCCL_X", ""),
        ("NCCL_X", " a"),
        ("NCCL_X", "a "),
        ("NCCL_X", "a\nNCCL_DEBUG=INFO"),
        ("NCCL_X", "\u00e9"),
        ("nccl_x", "a"),
        ("#NCCL_X", "a"),
        ("NCCL X", "a"),
        ("export NCCL_X", "a"),
        ("NCCL_X", "x" * 1024),
        ("N" * 1024, "x"),
    ],
)
def test_what_nccl_would_misread_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name[:6])):
        render_nccl_conf(fabric({name: value}))


@given(st.lists(st.text(max_size=30), max_size=5))
def test_reasons_never_become_settings(reasons: list) -> None:
    assert as_nccl_reads(render_nccl_conf(fabric({"NCCL_A": "b"}, *reasons))) == {"NCCL_A": "b"}
