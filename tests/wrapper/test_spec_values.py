# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Good specs: defaults, the canonical form and back, the specs of the repository."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gpuforge.node.plugins.module_utils._health import expect, thresholds
from gpuforge import spec_expect, spec_model, spec_rules
from gpuforge import spec_types as s
from gpuforge.spec import Base, Disk, Spec, Stack, Verify, load_spec, parse_spec

IMAGES = sorted((Path(__file__).parents[2] / "images").glob("*.yml"))


def test_the_shortest_spec() -> None:
    spec = parse_spec("name: a", Path("/x/s.yml"))
    assert spec == Spec(Path("/x/s.yml"), "a")
    assert spec.base == Base("debian", "bookworm", "cloud", None, None, None, 7)
    assert spec.stack == Stack(None, None, "nvidia", "auto")
    assert spec.disk == Disk(10, ("qcow2",))
    assert spec.verify == Verify(True, ("bios", "uefi"), {}, 900)
    assert spec.written == {"name": "a"}


@pytest.mark.parametrize("section", ["base", "stack", "disk", "verify"])
def test_yaml_and_dataclasses_have_the_same_defaults(section: str) -> None:
    """The boundary repeats the fields of the dataclasses: neither may drift."""
    model = spec_model._SECTIONS[section]()
    ours = getattr(Spec(Path("s.yml"), "a"), section)
    theirs = {key: tuple(value) if isinstance(value, list) else value for key, value in model.model_dump().items()}
    assert theirs == {field.name: getattr(ours, field.name) for field in dataclasses.fields(ours)}


@pytest.mark.parametrize(
    "value",
    [0, 8, -1, "535", "", " ", True, False, 1.5, [], {}, {"temperature_c": 85}, {"temperature_c": None}, {"x": 1}],
)
def test_the_node_and_the_spec_expect_the_same_things(value: object) -> None:
    """What a spec lets through, the node's check takes; what the node refuses is refused before a bake."""
    assert {field.name for field in dataclasses.fields(expect.Expect)} == set(spec_expect.EXPECT)
    assert tuple(thresholds.THRESHOLDS) == spec_expect.THRESHOLDS
    for key in spec_expect.EXPECT:
        refused = bool(spec_rules.check({"verify": {"expect": {key: value}}}))
        with pytest.raises(expect.HealthError) if refused else contextlib.nullcontext():
            expect.parse_expect({key: value})


def test_paths_are_relative_to_the_spec(tmp_path: Path) -> None:
    spec = parse_spec("name: a\nbase: {image: ../x.qcow2}", tmp_path / "deep" / "s.yml")
    assert spec.base.image == "../x.qcow2"
    assert spec.resolve(spec.base.image) == tmp_path / "x.qcow2"
    assert spec.resolve("/abs") == Path("/abs")


def test_an_image_as_base_has_no_release_of_its_own() -> None:
    spec = parse_spec("name: a\nbase: {image: x.qcow2}", Path("s.yml"))
    assert (spec.base.distribution, spec.base.release) == ("", "")


def test_a_cloud_spec() -> None:
    spec = parse_spec(
        "name: a\nprovider: gcp\nbase: {family: debian-12, project: debian-cloud}\ngcp: {project: p, zones: [a, b]}",
        Path("s.yml"),
    )
    assert spec.gcp == {"project": "p", "zones": ["a", "b"]}
    assert (spec.base.family, spec.base.project) == ("debian-12", "debian-cloud")


def test_everything_is_frozen() -> None:
    spec = parse_spec("name: a", Path("s.yml"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_the_specs_of_the_repository_are_good(path: Path) -> None:
    spec = load_spec(path)
    assert spec.description
    assert path.read_text(encoding="utf-8").startswith("#")


def test_the_repository_has_its_specs() -> None:
    assert {"quickstart.yml", "seed-590.yml"} <= {path.name for path in IMAGES}


def options(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def lists(literal: Any) -> st.SearchStrategy[list[str]]:
    return st.lists(options(*get_args(literal)), min_size=1, unique=True)


words = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
variables = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp")), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
bases = st.one_of(
    st.fixed_dictionaries(
        {"distribution": st.just("debian"), "release": options("bookworm", "trixie")},
        optional={
            "kernel": options(*get_args(s.Kernel)),
            "mirror": st.just("http://example.org/debian"),
            "max_age_days": st.integers(0, 10**6),
        },
    ),
    st.fixed_dictionaries({"image": words}),
)
specs = st.fixed_dictionaries(
    {"name": words},
    optional={
        "description": texts,
        "base": bases,
        "stack": st.fixed_dictionaries(
            {},
            optional={
                "driver": options("535", "565.77", "590.48.01"),
                "cuda": options("13.10", "12.4.1"),
                "source": options(*get_args(s.Source)),
                "flavour": options(*get_args(s.Flavour)),
            },
        ),
        "layers": st.dictionaries(variables, st.booleans(), max_size=3),
        "vars": st.dictionaries(variables, json_values, max_size=3),
        "disk": st.fixed_dictionaries({}, optional={"size_gib": st.integers(4, 65536), "formats": lists(s.Format)}),
        "verify": st.fixed_dictionaries(
            {},
            optional={
                "boot": st.booleans(),
                "firmware": lists(s.Firmware),
                "timeout_s": st.integers(30, 86400),
                "expect": st.fixed_dictionaries({}, optional={"count": st.integers(0, 16), "driver": words}),
            },
        ),
    },
)


@given(specs)
def test_canonical_form_and_back(data: dict[str, Any]) -> None:
    """Reading the canonical form gives the same spec, and the canonical form of that is the same text."""
    spec = parse_spec(yaml.safe_dump(data, allow_unicode=True), Path("s.yml"))
    assert spec.written == data
    again = parse_spec(yaml.safe_dump(spec.to_dict(), allow_unicode=True), Path("s.yml"))
    assert again == spec
    assert again.to_dict() == spec.to_dict()
