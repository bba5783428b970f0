"""The plan: what is there, what is to be baked and why, and every refusal at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gpuforge.collection import Collection
from gpuforge.plan import make_plan
from gpuforge.providers.local import base_tree
from gpuforge.providers.local.store import Store
from gpuforge.spec import Spec

MakeSpec = Callable[..., Spec]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "work")
    store.prepare()
    return store


def _admit_base(store: Store, spec: Spec, *, age_days: float = 0.0, name: str = "index") -> str:
    recipe = base_tree.recipe(spec.base)
    digest = base_tree.base_digest(recipe, name)
    with store.run() as scratch:
        (scratch / "tree").mkdir()
        created = time.time() - age_days * 86400
        store.admit(
            "base", digest, scratch / "tree", name="b", parent="", seconds=1, created=created, meta={"key": recipe.key}
        )
    return digest


def test_planning_creates_nothing(tmp_path: Path, collection: Collection, spec: MakeSpec) -> None:
    plan = make_plan(spec(), work_dir=tmp_path / "none", collection=collection)
    assert not (tmp_path / "none").exists()
    assert (plan.base.state, plan.base.reason, plan.base.digest) == ("bake", "not in the store", None)
    assert [(item.name, item.state) for item in plan.layers] == [
        ("low", "bake"),
        ("high", "bake"),
        ("image_seal", "bake"),
    ]
    assert "known once the base is made" in plan.layers[0].reason


def test_layers_are_switched_by_the_spec(store: Store, collection: Collection, spec: MakeSpec) -> None:
    plan = make_plan(spec(layers={"optional": True, "low": False}), work_dir=store.root, collection=collection)
    assert [item.name for item in plan.layers] == ["optional", "high", "image_seal"]


def test_a_cached_base_gives_every_digest(store: Store, collection: Collection, spec: MakeSpec) -> None:
    digest = _admit_base(store, spec())
    plan = make_plan(spec(), work_dir=store.root, collection=collection)
    assert (plan.base.state, plan.base.digest) == ("cached", digest)
    assert all(item.digest and item.reason == "not in the store" for item in (*plan.layers, plan.image))


def test_an_old_index_is_renewed_and_the_plan_says_why(store: Store, collection: Collection, spec: MakeSpec) -> None:
    _admit_base(store, spec(), age_days=7.2)
    plan = make_plan(spec(), work_dir=store.root, collection=collection)
    assert plan.base.state == "bake"
    assert plan.base.reason == "its package index is 7.2 days old, more than base.max_age_days=7"
    assert make_plan(spec(base={"max_age_days": 8}), work_dir=store.root, collection=collection).base.state == "cached"


def test_refresh_renews_the_index(store: Store, collection: Collection, spec: MakeSpec) -> None:
    _admit_base(store, spec())
    plan = make_plan(spec(), work_dir=store.root, collection=collection, refresh=True)
    assert (plan.base.state, plan.base.reason) == ("bake", "asked to refresh the package index")


def test_the_newest_base_counts(store: Store, collection: Collection, spec: MakeSpec) -> None:
    _admit_base(store, spec(), age_days=2, name="old")
    new = _admit_base(store, spec(), age_days=1, name="new")
    assert make_plan(spec(), work_dir=store.root, collection=collection).base.digest == new


def test_a_damaged_base_is_planned_anew(store: Store, collection: Collection, spec: MakeSpec) -> None:
    digest = _admit_base(store, spec())
    (store.root / "bases" / digest / "tree/added").touch()
    plan = make_plan(spec(), work_dir=store.root, collection=collection)
    assert plan.base.state == "bake"
    assert plan.base.reason.startswith("damaged in the store")


def test_only_layers_from_the_changed_one_on_get_new_digests(
    store: Store, collection: Collection, spec: MakeSpec
) -> None:
    _admit_base(store, spec())
    before = make_plan(spec(), work_dir=store.root, collection=collection).layers
    after = make_plan(spec(vars={"high_color": "blue"}), work_dir=store.root, collection=collection).layers
    assert [one.digest == other.digest for one, other in zip(before, after, strict=True)] == [True, False, False]


def _refusals(collection: Collection, tmp_path: Path, spec: Spec) -> list[tuple[str, str]]:
    plan = make_plan(spec, work_dir=tmp_path, collection=collection)
    assert (plan.base.state, plan.layers) == ("unknown", ())
    return [(problem.where, problem.render()) for problem in plan.refusals]


def test_every_refusal_comes_at_once(tmp_path: Path, collection: Collection, spec: MakeSpec) -> None:
    wrong = spec(
        layers={"hihg": True, "nonsense": False},
        vars={"low_sise": 3, "low_size": "large", "low_kind": "wet", "zzz": 1},
        base={"image": "some.qcow2"},
    )
    found = dict(_refusals(collection, tmp_path, wrong))
    assert "did you mean high?" in found["layers.hihg"]
    assert "layers of this version: low, optional, high" in found["layers.nonsense"]
    assert "did you mean low_size?" in found["vars.low_sise"]
    assert "cannot be converted to an int" in found["vars.low_size"]
    assert "must be one of: soft, hard, got: wet" in found["vars.low_kind"]
    assert "no role reads zzz" in found["vars.zzz"]
    assert "a distribution's archive only" in found["base.image"]
    assert len(found) == 7


def test_the_stack_is_checked_against_the_driver_role(
    tmp_path: Path, repo_collection: Collection, spec: MakeSpec
) -> None:
    both = spec(stack={"source": "nvidia", "driver": "615.71.09", "flavour": "proprietary"})
    found = dict(_refusals(repo_collection, tmp_path, both))
    assert any("proprietary" in text for text in found.values()), found


def test_nvidias_repository_is_a_source(tmp_path: Path, repo_collection: Collection, spec: MakeSpec) -> None:
    wanted = spec(stack={"source": "nvidia", "driver": "595.91.07"})
    assert not make_plan(wanted, work_dir=tmp_path, collection=repo_collection).refusals


def test_stack_and_variable_that_say_the_same_are_refused(
    tmp_path: Path, repo_collection: Collection, spec: MakeSpec
) -> None:
    twice = spec(stack={"source": "distribution"}, vars={"nvidia_driver_source": "distribution"})
    found = dict(_refusals(repo_collection, tmp_path, twice))
    assert "the stack section sets this too" in found["vars.nvidia_driver_source"]


def test_another_provider_is_refused(tmp_path: Path, collection: Collection, spec: MakeSpec) -> None:
    cloud = spec(
        provider="gcp", base={"family": "debian-12", "project": "debian-cloud"}, gcp={"project": "p", "zone": "z"}
    )
    assert [where for where, _ in _refusals(collection, tmp_path, cloud)] == ["provider"]


@pytest.mark.parametrize(
    ("release", "kernel"), [("bookworm", "cloud"), ("trixie", "generic"), ("jammy", "cloud"), ("noble", "cloud")]
)
def test_every_base_of_the_data_has_a_recipe(spec: MakeSpec, release: str, kernel: str) -> None:
    distribution = "debian" if release in ("bookworm", "trixie") else "ubuntu"
    recipe = base_tree.recipe(spec(base={"distribution": distribution, "release": release, "kernel": kernel}).base)
    assert any(name.startswith("linux-image-") for name in recipe.packages)
    assert all(source.startswith("deb [signed-by=/") and release in source for source in recipe.sources)


def test_an_archive_that_does_not_answer_is_refused_with_its_address(spec: MakeSpec) -> None:
    base = spec(base={"mirror": "http://127.0.0.1:9/debian", "security_mirror": "http://127.0.0.1:9/sec"}).base
    problems = base_tree.archive_problems(base_tree.recipe(base))
    assert len(problems) == 4
    assert "http://127.0.0.1:9/debian/dists/bookworm/InRelease cannot be reached" in problems[0].what
    assert "base.mirror" in problems[0].hint


def test_a_missing_keyring_is_refused_with_its_package(spec: MakeSpec) -> None:
    base = spec(
        base={
            "distribution": "ubuntu",
            "release": "noble",
            "mirror": "http://127.0.0.1:9/",
            "security_mirror": "http://127.0.0.1:9/",
        }
    ).base
    recipe = base_tree.recipe(base)
    if Path(recipe.keyring).exists():
        pytest.skip("NOT RUN: the keyring of Ubuntu is on this machine")
    first = base_tree.archive_problems(recipe)[0]
    assert "ubuntu-archive-keyring.gpg" in first.what
    assert first.hint == "install the package ubuntu-keyring"
