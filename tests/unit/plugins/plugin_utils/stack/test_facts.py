"""The file of facts itself: where each was read, and that a broken one is refused with every fault named."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.gpuforge.node.plugins.plugin_utils._stack import load as loading
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.api import StackError, load_facts
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.model import Compat
from ansible_collections.gpuforge.node.plugins.plugin_utils._stack.schema import SECTIONS

RAW: dict[str, Any] = yaml.safe_load(Path(loading.own_file()).read_text(encoding="utf-8"))


@pytest.fixture
def raw() -> dict[str, Any]:
    return copy.deepcopy(RAW)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_says_where_it_was_read_and_how_sure_it_is(section: str) -> None:
    assert RAW[section]
    for key, row in RAW[section].items():
        assert row["source"], f"{section}.{key}"
        assert set(row["source"]) <= set(RAW["sources"]), f"{section}.{key}"
        assert row["certainty"] in ("certain", "inferred"), f"{section}.{key}"


def test_every_source_is_used_and_has_an_address() -> None:
    used = {item for section in SECTIONS for row in RAW[section].values() for item in row["source"]}
    assert set(RAW["sources"]) - used == set()
    # What has no address is not one place.
    assert {key for key, row in RAW["sources"].items() if not row["at"]} == {"wheels", "field", "derived"}


def test_ours_are_whole(facts: Compat) -> None:
    assert facts.date == RAW["date"]
    assert facts.files == (loading.own_file(),)
    assert len(facts.gpus) == len(RAW["gpus"])


def test_branches_have_a_toolkit_each(facts: Compat) -> None:
    for key, toolkit in facts.toolkits.items():
        assert facts.branches[toolkit.branch].cuda == key


def test_drivers_of_toolkits_are_known_releases(facts: Compat) -> None:
    for key, toolkit in facts.toolkits.items():
        for release, driver in toolkit.releases.items():
            branch = facts.branches[toolkit.branch]
            assert driver is None or driver in (*branch.releases, branch.newest), f"{key} {release}"


def test_generations_meet_the_table_of_gpus(facts: Compat) -> None:
    """The names that the node's own facts give are those of this table."""
    from ansible_collections.gpuforge.node.plugins.module_utils._nvidia_ids import GPUS

    ids = {number: row.generation for row in facts.gpus.values() for number in row.ids}
    for device, (name, architecture) in GPUS.items():
        generation = ids[f"{device:04x}"]
        family = {"grace_hopper": "hopper", "blackwell_ultra": "blackwell"}.get(generation, generation)
        assert architecture.split()[0].lower() == family, name


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        *parents, last = path.split("/")
        for part in parents:
            raw = raw[part]
        if value is ...:
            del raw[last]
        else:
            raw[last] = value

    return change


FAULTS = {
    "schema": (_set("schema", 2), "schema: is 2; this version reads schema 1"),
    "date": (_set("date", 20261122), "date: is 20261122, not a day in quotes"),
    "no date": (_set("date", ...), "date: is None"),
    "a date that there is not": (_set("date", "2026-02-31"), "date: is '2026-02-31', not a day"),
    "unknown section": (_set("branchs", {}), "branchs: there is no such section"),
    "no section": (_set("locks", ...), "locks: has no rows"),
    "empty section": (_set("engines", {}), "engines: has no rows"),
    "no source": (_set("branches/595/source", ...), "branches.595: has no source"),
    "empty source": (_set("branches/595/source", []), "branches.595.source: is empty"),
    "unknown source": (_set("gpus/T4/source", ["hearsay"]), "gpus.T4.source[0]: hearsay is no row of sources"),
    "no certainty": (_set("toolkits/13.2/certainty", ...), "toolkits.13.2: has no certainty"),
    "another certainty": (_set("toolkits/13.2/certainty", "sure"), "is 'sure', not one of certain, inferred"),
    "unknown key": (_set("branches/595/clas", "lts"), 'branches.595.clas: is not known (did you mean "class"?)'),
    "missing key": (_set("branches/595/newest", ...), "branches.595: has no newest"),
    "another class": (_set("branches/595/class", "stable"), "branches.595.class: is 'stable', not one of"),
    "number for a version": (_set("branches/595/cuda", 13.2), "branches.595.cuda: is 13.2, not a version in quotes"),
    "release of another branch": (_set("branches/595/newest", "590.48.01"), "590.48.01 is no release of this branch"),
    "release newer than newest": (
        _set("branches/595/releases", ["595.99.01"]),
        "branches.595: 595.99.01 is newer than its newest, 595.91.07",
    ),
    "end before beginning": (_set("branches/595/eol", "2025-01"), "branches.595: ends (2025-01) before it begins"),
    "end that is no month": (_set("branches/595/eol", "2027"), "branches.595.eol: is '2027', not a month"),
    "module": (_set("branches/595/modules", ["free"]), "branches.595.modules[0]: is 'free'"),
    "not a list": (_set("branches/595/modules", "open"), "branches.595.modules: is 'open', not a list"),
    "releases that are no mapping": (
        _set("toolkits/13.2/releases", "13.2.0"),
        "toolkits.13.2.releases: is '13.2.0', not a mapping",
    ),
    "not a mapping": (_set("branches/595", "newest"), "branches.595: is 'newest', not a mapping"),
    "toolkit's branch": (_set("toolkits/13.2/branch", "596"), "toolkits.13.2.branch: 596 is no row of branches"),
    "toolkit's release": (
        _set("toolkits/13.2/releases", {"13.1.0": None}),
        "toolkits.13.2.releases: 13.1.0 is no release of 13.2",
    ),
    "toolkit without releases": (_set("toolkits/13.2/releases", {}), "toolkits.13.2.releases: is empty"),
    "pin without a beginning": (
        _set("pin/nvidia-driver-pinning/since", {}),
        "pin.nvidia-driver-pinning.since: is empty",
    ),
    "placeholder": (
        _set("driver_packages/archive-ubuntu/open", ["nvidia-{flavor}"]),
        "driver_packages.archive-ubuntu.open[0]: is 'nvidia-{flavor}', not a name with no placeholder but {branch}",
    ),
    "brace": (_set("parts/imex/with_branch", "imex-{branch"), "parts.imex.with_branch: is 'imex-{branch', not a name"),
    "pin's placeholder": (_set("pin/nvidia-driver-pinning/package", "pin-{x}"), "package: is 'pin-{x}', not a name"),
    "component's placeholder": (
        _set("components/dcgm/packages", ["x-{major"]),
        "packages[0]: is 'x-{major', not a name",
    ),
    "family": (_set("cuda_families/13", ...), "cuda_families has no 13"),
    "range of capabilities": (_set("toolkits/13.2/builds_for", ["12.1", "7.5"]), "is not a lowest and a highest"),
    "capability": (_set("gpus/T4/capability", "9.0"), "gpus.T4.capability: turing has no GPU of 9.0"),
    "generation": (_set("gpus/T4/generation", "touring"), "gpus.T4.generation: touring is no row of generations"),
    "id": (_set("gpus/T4/ids", ["1EB8"]), "gpus.T4.ids[0]: is '1EB8', not four small hexadecimal digits"),
    "id as a number": (_set("gpus/T4/ids", [1308]), "gpus.T4.ids[0]: is 1308"),
    "id twice": (_set("gpus/T4/ids", ["2330"]), "2330 belongs to"),
    "range": (_set("id_ranges/2000-1000", RAW["id_ranges"]["1e00-1fff"]), "id_ranges.2000-1000: ends before it begins"),
    "ranges overlap": (_set("id_ranges/1e80-1eff", RAW["id_ranges"]["1e00-1fff"]), "overlaps"),
    "range's name": (_set("id_ranges/turing", RAW["id_ranges"]["1e00-1fff"]), "is 'turing', not a range of ids"),
    "inferred twice": (
        _set("generations/rubin/inferred", ["modules"]),
        "generations.rubin.inferred: says nothing new",
    ),
    "inferred key": (_set("generations/volta/inferred", ["cc"]), "generations.volta.inferred[0]: is 'cc'"),
    "expression": (_set("package_traps/DCGM 3/match", "("), "package_traps.DCGM 3.match: is '(', not a regular"),
    "flag": (_set("distributions/debian12/dcgm", "yes"), "distributions.debian12.dcgm: is 'yes', not true or false"),
    "archive": (
        _set("distributions/debian12/archive/branches", ["999"]),
        "distributions.debian12.archive.branches[0]: 999 is no row of branches",
    ),
    "component": (_set("components/dcgm/known", ["9.9.9"]), "components.dcgm: 9.9.9 is newer than its newest"),
    "no sources": (_set("sources", {}), "sources: has no rows"),
    "a source that is no mapping": (_set("sources/field", "hearsay"), "sources.field: needs a title"),
    "source without address": (_set("sources/field", {"title": "x"}), "sources.field: needs a title and an address"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str, raw: dict[str, Any]) -> None:
    change, words = FAULTS[name]
    change(raw)
    compat, faults = loading.build(raw)
    assert compat is None
    assert any(words in fault for fault in faults), faults


#: Faults of values; the rest is looked for only when every value is in order.
SHAPE = [
    "schema",
    "date",
    "unknown section",
    "no source",
    "unknown source",
    "unknown key",
    "another class",
    "flag",
    "id",
]


def test_all_faults_at_once(raw: dict[str, Any]) -> None:
    for name in SHAPE:
        if name == "no source":
            _set("branches/590/source", ...)(raw)
        else:
            FAULTS[name][0](raw)
    _compat, faults = loading.build(raw)
    for name in SHAPE:
        words = "branches.590: has no source" if name == "no source" else FAULTS[name][1]
        assert any(words in fault for fault in faults), name


def test_ours_without_changes_has_no_fault(raw: dict[str, Any]) -> None:
    assert loading.build(raw)[1] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("[1, 2", "is not YAML"),
        ("- a\n", "is not a mapping of sections"),
        ("branches: {}\nbranches: {}\n", "'branches' is there twice"),
        ("branches: {'595': {eol: '2028-01'}}\n", "branches.595: has no source"),
        ("branches: {'595': {eol: '2028-01'}}\n", "branches.595: has no certainty"),
        ("brunches: {}\n", "brunches: there is no such section"),
        ("branches: 595\n", "branches: is not a mapping of rows"),
        ("branches: {'999': null}\n", "branches.999: there is no such row to take out"),
        ("branches: {'650': {class: lts, source: [field], certainty: certain}}\n", "branches.650: has no newest"),
        ("gpus: {X1: null, T4: {form: mxm, source: [field], certainty: certain}}\n", "gpus.T4.form: is 'mxm'"),
    ],
)
def test_an_operators_file_that_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "own.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StackError) as caught:
        load_facts(str(path))
    assert any(words in problem for problem in caught.value.problems), caught.value.problems


def test_all_faults_of_an_operators_file(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text("brunches: {}\ngpus: {T4: {form: mxm, source: [field], certainty: certain}, X: null}\n")
    with pytest.raises(StackError) as caught:
        load_facts(str(path))
    assert len(caught.value.problems) == 3
