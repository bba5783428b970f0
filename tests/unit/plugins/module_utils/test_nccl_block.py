"""Our block in /etc/nccl.conf: a person's lines win and stay, a block that was edited is not lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils._nccl_block import (
    EditedError,
    changes,
    parse,
    put,
    settings,
    take_out,
)

BLOCK = "# fabric: tcp\nNCCL_SOCKET_IFNAME==eth0\n"


@pytest.mark.parametrize("own", ["", "NCCL_DEBUG=INFO\n", "# a remark\n\nNCCL_X=1"])
def test_put_is_idempotent_and_take_out_undoes_it(own: str) -> None:
    once = put(own, BLOCK)
    assert put(once, BLOCK) == once
    assert take_out(once).rstrip("\n") == own.rstrip("\n")
    assert settings(once)["NCCL_SOCKET_IFNAME"] == "=eth0"


def test_a_new_block_takes_the_place_of_the_old_one() -> None:
    text = put(put("NCCL_X=1\n", BLOCK), "NCCL_NET=gIB\n")
    assert settings(text) == {"NCCL_X": "1", "NCCL_NET": "gIB"}


def test_lines_of_a_person_win_wherever_they_were_written() -> None:
    below = put("", BLOCK) + "NCCL_SOCKET_IFNAME=ib0\n"
    assert settings(below)["NCCL_SOCKET_IFNAME"] == "=eth0"  # as NCCL would read that
    again = put(below, BLOCK)
    assert settings(again)["NCCL_SOCKET_IFNAME"] == "ib0"
    assert put(again, BLOCK) == again


def test_an_edited_block_is_left_alone_unless_forced() -> None:
    edited = put("NCCL_A=1\n", BLOCK).replace("eth0", "eth1")
    for work in (lambda: put(edited, BLOCK), lambda: take_out(edited)):
        with pytest.raises(EditedError, match="edited by hand"):
            work()
    assert put(edited, BLOCK, force=True) == put("NCCL_A=1\n", BLOCK)


def test_marks_that_do_not_match_are_an_edit_and_force_keeps_the_lines() -> None:
    broken = put("", BLOCK).replace("# END gpuforge fabric\n", "") + "NCCL_MINE=1\n"
    with pytest.raises(EditedError, match="marks"):
        put(broken, BLOCK)
    assert settings(put(broken, "NCCL_NET=gIB\n", force=True)) == {
        "NCCL_SOCKET_IFNAME": "=eth0",
        "NCCL_MINE": "1",
        "NCCL_NET": "gIB",
    }


def test_changes_are_those_that_nccl_sees() -> None:
    before, after = put("NCCL_A=1\n", "NCCL_B=2\nNCCL_C=3\n"), put("NCCL_A=1\n", "NCCL_B=4\nNCCL_A=9\n")
    assert changes(before, after) == ["- NCCL_B=2", "+ NCCL_B=4", "- NCCL_C=3"]
    assert changes(after, after) == []


@given(st.text(alphabet="NCL_=#ab \n", max_size=60))
def test_what_a_person_wrote_is_never_lost(own: str) -> None:
    assert parse(put(own, BLOCK)).own.rstrip("\n") == own.rstrip("\n")
    assert take_out(put(own, BLOCK)).splitlines() == own.splitlines()
