"""The interpreter that .venv is made from."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from setup_steps import python
from setup_steps.problems import SetupError
from setup_steps.python import Choice
from setup_steps.system import System

DEBIAN = System("debian", "12")


def with_pythons(monkeypatch: pytest.MonkeyPatch, found: Iterable[tuple[str, str]], able: Iterable[str] = ()) -> None:
    monkeypatch.setattr(python, "_candidates", lambda: iter(found))
    monkeypatch.setattr(python, "can_make_venvs", lambda command: command in set(able))


def test_the_running_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pythons(monkeypatch, [("/a/python3", "3.12"), ("/usr/bin/python3.13", "3.13")], ["/a/python3"])
    assert python.choose(DEBIAN) == Choice("/a/python3", "3.12")


def test_a_distributions_python_gets_its_venv_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pythons(monkeypatch, [("/usr/bin/python3", "3.11")])
    assert python.choose(DEBIAN) == Choice("/usr/bin/python3", "3.11", ("python3.11-venv",))


def test_one_that_cannot_be_completed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pythons(monkeypatch, [("/opt/x/python3", "3.13"), ("/usr/bin/python3.11", "3.11")], ["/usr/bin/python3.11"])
    assert python.choose(DEBIAN) == Choice("/usr/bin/python3.11", "3.11")


def test_ubuntu_22_04_gets_a_newer_one_beside_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pythons(monkeypatch, [("/usr/bin/python3", "3.10")], ["/usr/bin/python3"])
    chosen = python.choose(System("ubuntu", "22.04"))
    assert chosen == Choice("/usr/bin/python3.11", "3.11", ("python3.11", "python3.11-venv"))


def test_all_that_was_tried_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with_pythons(monkeypatch, [("/a/python3", "3.9"), ("/b/python3.12", ""), ("/c/python3.11", "3.11")])
    with pytest.raises(SetupError) as caught:
        python.choose(None)
    for part in ("/a/python3 (3.9)", "/b/python3.12 (does not run)", "/c/python3.11 (3.11, without venv"):
        assert part in str(caught.value)


def test_a_program_that_is_no_python_has_no_version() -> None:
    assert python.version_of("/nonexistent/python3.12") == ""
    assert python.version_of("false") == ""
