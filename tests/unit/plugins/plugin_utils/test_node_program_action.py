"""Installing the on-node program asks once where it is there already, and copies in every other case."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.action.node_program import ActionModule

OPTIONS = {"dest": "/usr/local/bin/gpuforge-node", "owner": "root", "group": "root", "mode": "0755"}
FOUND = {"isreg": True, "checksum": "abc", "mode": "0755", "pw_name": "root", "gr_name": "root"}


def asks(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], **options: str) -> bool:
    action = ActionModule.__new__(ActionModule)
    monkeypatch.setattr(action, "_execute_remote_stat", lambda *_args, **_kwargs: found, raising=False)
    return action._is_there({**OPTIONS, **options}, "abc", {})


def test_the_same_program_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asks(monkeypatch, FOUND)


@pytest.mark.parametrize(
    "other",
    [
        {"isreg": False},
        {"checksum": "def"},
        {"mode": "0644"},
        {"pw_name": "admin"},
        {"gr_name": "staff"},
        {"exists": False, "isreg": None},
    ],
)
def test_anything_else_is_copied(monkeypatch: pytest.MonkeyPatch, other: dict[str, Any]) -> None:
    assert not asks(monkeypatch, {**FOUND, **other})


def test_modes_in_words_are_left_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not asks(monkeypatch, FOUND, mode="u=rwx,go=rx")
