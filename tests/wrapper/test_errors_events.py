# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Errors and events survive the pipe between processes."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuforge import errors as e
from gpuforge.events import Event, Kind, Status, make_event

EXIT_CODES = {
    e.UsageError: 2, e.SpecError: 2, e.Refused: 3, e.StoreError: 3, e.ToolMissing: 3, e.NoRoot: 3, e.TaskFailed: 4,
    e.VerificationFailed: 5, e.CloudRefused: 6, e.CleanupIncomplete: 7, e.Interrupted: 130, e.GpuforgeError: 70,
}  # fmt: skip


@pytest.mark.parametrize("cls", EXIT_CODES, ids=lambda cls: cls.__name__)
def test_exit_codes_and_json(cls: type[e.GpuforgeError]) -> None:
    error = cls("boom", hint="mend it", doing="testing", problems=[e.Problem("a.b", "is bad", "rule", "fix", "f:1:2")])
    assert error.exit_code == EXIT_CODES[cls]
    again = e.error_from_json(json.loads(json.dumps(error.to_json())))
    assert type(again) is cls
    assert again.to_json() == error.to_json()


def test_every_error_has_an_exit_code_here() -> None:
    def below(cls: type[e.GpuforgeError]) -> set[type[e.GpuforgeError]]:
        return {cls}.union(*(below(sub) for sub in cls.__subclasses__() if sub.__module__ == e.__name__))

    assert below(e.GpuforgeError) == set(EXIT_CODES)


def test_a_failed_task_quotes_the_machine() -> None:
    error = e.TaskFailed(
        "the task failed", doing="baking layer nvidia_driver", layer="nvidia_driver", task="Ensure it is built",
        output=["error: implicit declaration", "make: *** [all] Error 2"], hint="choose another driver",
    )  # fmt: skip
    assert error.render().splitlines() == [
        "baking layer nvidia_driver: the task failed",
        "  | error: implicit declaration",
        "  | make: *** [all] Error 2",
        "  what to do: choose another driver",
    ]
    again = e.error_from_json(error.to_json())
    assert isinstance(again, e.TaskFailed)
    assert (again.layer, again.task, again.output) == (error.layer, error.task, error.output)


def test_an_error_of_a_newer_worker_is_still_an_error() -> None:
    error = e.error_from_json({"type": "Unheard", "message": "x", "exit_code": 5})
    assert (type(error), error.exit_code, error.message) == (e.GpuforgeError, 5, "x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Event,
        kind=st.sampled_from(get_args(Kind)),
        status=st.sampled_from(get_args(Status)),
        name=st.text(),
        parent=st.text(),
        seconds=st.none() | finite,
        detail=st.text(),
        data=st.dictionaries(st.text(), json_values),
        time=finite,
    )
)
def test_an_event_is_one_line_and_comes_back(event: Event) -> None:
    line = event.to_json()
    assert len(line.splitlines()) == 1
    assert Event.from_json(line) == event


def test_make_event_sets_the_time() -> None:
    assert make_event("run", "start", "x").time > 1_700_000_000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[]", "an event is a JSON object"),
        ("{", "Expecting property name"),
        ('{"kind": "zap", "status": "ok", "name": "x"}', "kind is 'zap'"),
        ('{"kind": "run", "status": "zap", "name": "x"}', "status is 'zap'"),
        ('{"kind": "run", "status": "ok"}', "name is None, not text"),
        ('{"kind": "run", "status": "ok", "name": 1}', "name is 1, not text"),
        ('{"kind": "run", "status": "ok", "name": "x", "detail": 1}', "detail is 1, not text"),
        ('{"kind": "run", "status": "ok", "name": "x", "seconds": "1"}', "seconds is '1', not a number"),
        ('{"kind": "run", "status": "ok", "name": "x", "time": NaN}', "time is nan, not a number"),
        ('{"kind": "run", "status": "ok", "name": "x", "time": true}', "time is True, not a number"),
        ('{"kind": "run", "status": "ok", "name": "x", "data": []}', r"data is \[\], not an object"),
        ('{"kind": "run", "status": "ok", "name": "x", "zap": 1}', "an event has no field zap"),
    ],
)
def test_what_is_no_event_is_refused(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Event.from_json(line)


def test_what_json_cannot_say_is_refused_when_sent() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        make_event("run", "ok", "x", seconds=float("inf")).to_json()
