"""Running one command of the set-up."""

from __future__ import annotations

import sys

import pytest

from setup_steps import commands
from setup_steps.problems import SetupError


def test_output_is_returned() -> None:
    assert commands.run("asking", [sys.executable, "-c", "print('yes')"]) == "yes\n"


def test_a_failure_has_the_commands_last_words() -> None:
    code = "import sys; print('about to'); sys.exit('No space left on device')"
    with pytest.raises(SetupError) as caught:
        commands.run("writing", [sys.executable, "-c", code])
    assert "writing failed: the disk is full" in str(caught.value)
    assert "about to" in str(caught.value)


def test_an_earlier_commands_output_may_explain_it() -> None:
    with pytest.raises(SetupError, match="cannot be reached"):
        commands.run("installing", ["false"], context="Temporary failure resolving 'x'\n")


def test_a_missing_program_is_named() -> None:
    with pytest.raises(SetupError, match="/nonexistent/x cannot be run"):
        commands.run("trying", ["/nonexistent/x"])


def test_a_long_command_gives_signs_of_life(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "HEARTBEAT_S", 0.1)
    code = "import time; print('half way', flush=True); time.sleep(0.6)"
    commands.run("waiting", [sys.executable, "-c", code])
    assert "half way" in capsys.readouterr().err
