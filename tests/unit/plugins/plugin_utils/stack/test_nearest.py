"""What is offered instead passes the check itself, whatever was asked for."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import load_facts
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.check import check
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.nearest import nearest
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.request import Request, parse_request
from ansible_collections.gpuforge.node.tests.unit.plugins.plugin_utils.stack.conftest import TODAY

FACTS = load_facts()
RELEASES = sorted({item for row in FACTS.branches.values() for item in (*row.releases, row.newest) if item})
CUDA = sorted({item for row in FACTS.toolkits.values() for item in row.releases})


def some(*always: str, of: Any) -> Any:
    return st.sampled_from([*always, *of])


REQUESTS = st.fixed_dictionaries({}, optional={
    "driver": some("", "production", "lts", "newest", "none", "600.1.1", "595.99.99", of=[*RELEASES, *FACTS.branches]),
    "branch": some("", of=FACTS.branches),
    "flavour": st.sampled_from(["auto", "open", "proprietary"]),
    "origin": st.sampled_from(["nvidia", "distribution"]),
    "cuda": st.lists(some("newest", "13.x", "12", "12.7", "13.5", of=[*CUDA, *FACTS.toolkits]), max_size=2),
    "cuda_compat": st.booleans(),
    "precompiled": st.booleans(),
    "distribution": some("", "plan9", of=FACTS.distributions),
    "repository": some("", of=["debian12", "debian13", "ubuntu2404"]),
    "kernel": st.sampled_from(["", "5.10.0-30", "6.12.94", "7.2"]),
    "gpus": st.lists(some("10de:23b1", "10de:3fff", "H10O", of=[*FACTS.gpus, *FACTS.generations]), max_size=3),
    "switches": st.booleans(),
    "parts": st.dictionaries(st.sampled_from(["fabricmanager", "nscq", "nvsdm", "imex"]),
                             some("yes", "none", of=["595.84", "580.178.04"]), max_size=2),
    "dcgm": st.sampled_from(["", "newest", "3.3.9", "4.6.0", "9.9"]),
    "container_toolkit": st.sampled_from(["", "newest", "1.17.7", "1.17.8", "1.99.0"]),
    "packages": st.lists(st.sampled_from(["cuda", "cuda-toolkit-13-2", "nvidia-cuda-toolkit", "datacenter-gpu-manager",
                                          "nvidia-open=595.91.07-1"]), max_size=2),
    "module_options": st.lists(some(of=FACTS.module_parameters), max_size=2),
    "locks": st.lists(some("nothing", of=FACTS.locks), max_size=2),
    "allow_unknown": st.booleans(),
}).filter(lambda data: not (data.get("driver") == "none" and data.get("branch")))  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
def test_what_is_offered_passes(data: dict[str, Any]) -> None:
    request = parse_request(data)
    verdict = check(request, FACTS, TODAY)
    if verdict.passes:
        return
    found = nearest(verdict, FACTS, TODAY)
    assert found is not None, [item.what for item in verdict.refusals]
    assert found.verdict.passes
    # Once more, from the exact versions that were offered and nothing of the words they came from.
    offered, choice = found.verdict.case.request, found.verdict.case.choice
    again = {**_plain(offered), "driver": choice.driver or choice.branch or "none", "flavour": choice.flavour or "auto",
             "cuda": choice.releases}  # fmt: skip
    assert check(parse_request(again), FACTS, TODAY).refusals == ()
    assert found.changes, "something has to be different"


@settings(max_examples=50, deadline=None)
@given(REQUESTS)
def test_the_check_is_a_function(data: dict[str, Any]) -> None:
    request = parse_request(data)
    assert check(request, FACTS, TODAY).findings == check(request, FACTS, TODAY).findings


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REQUESTS)
def test_more_gpus_never_help(data: dict[str, Any]) -> None:
    """With an exact driver and toolkit a further GPU takes no refusal away."""
    exact = {**data, "driver": "580.178.04", "flavour": "open", "cuda": ["13.0.2"], "gpus": data.get("gpus", [])}
    before = {item.what for item in check(parse_request(exact), FACTS, TODAY).refusals}
    more = {**exact, "gpus": [*exact["gpus"], "V100 SXM2"]}
    after = {item.what for item in check(parse_request(more), FACTS, TODAY).refusals}
    assert before <= after
    assert len(after) > len(before) or "V100 SXM2" in exact["gpus"]


def _plain(request: Request) -> dict[str, Any]:
    from dataclasses import asdict

    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(request).items()}
