"""The facts of the collection, and a day to judge them by."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import load_facts, stack_check
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.model import Compat

#: The day of the facts; a later edition of them moves it along with the cases.
TODAY = datetime.date(2026, 11, 22)
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def facts() -> Compat:
    return load_facts()


@pytest.fixture(scope="session")
def ask(facts: Compat) -> Ask:
    """Check a request; keyword arguments are its keys."""

    def run(today: datetime.date = TODAY, compat: Any = None, **request: Any) -> dict[str, Any]:
        return stack_check(request, compat or facts, today)

    return run
