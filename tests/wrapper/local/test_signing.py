"""The builder's key: made once, whole or not at all, part of what a layer is made from, and never of an image."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.gpuforge.node.plugins.module_utils._module_signature import certificate_names
from gpuforge.collection import Collection
from gpuforge.errors import StoreError
from gpuforge.plan import make_plan
from gpuforge.providers.local import base_tree, signing
from gpuforge.providers.local.store import Store
from gpuforge.spec import Spec

MakeSpec = Callable[..., Spec]
SIGNS = (
    "argument_specs: {main: {options: {nvidia_driver_signing_key: {type: str, default: '', description: A key.},"
    " nvidia_driver_secure_boot: {type: str, choices: [auto, sign, 'off'], default: auto}}}}\n"
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "work")
    store.prepare()
    return store


@pytest.fixture
def signs(collection: Collection) -> Collection:
    """The small collection, whose role ``low`` signs modules."""
    (collection.root / "roles/low/meta/argument_specs.yml").write_text(SIGNS)
    return collection


def _base(store: Store, spec: Spec) -> None:
    recipe = base_tree.recipe(spec.base)
    with store.run() as scratch:
        (scratch / "tree").mkdir()
        store.admit(
            "base", base_tree.base_digest(recipe, "i"), scratch / "tree", name="b", parent="", seconds=1,
            created=4e9, meta={"key": recipe.key},
        )  # fmt: skip


def test_the_key_is_made_once_and_is_roots_alone(store: Store) -> None:
    made = signing.make_key(store)
    content = made.key.read_bytes()
    assert signing.make_key(store) == signing.find_key(store.root) == made
    assert made.key.read_bytes() == content
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((store.root / "keys").stat().st_mode) == 0o700
    assert sorted(path.name for path in (store.root / "keys").iterdir()) == ["module-signing"]


def test_the_certificate_is_good_for_modules_and_for_nothing_else(store: Store) -> None:
    made = signing.make_key(store)
    argv = ["openssl", "x509", "-inform", "DER", "-in", str(made.certificate), "-noout", "-text"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "CA:FALSE" in said
    assert "1.3.6.1.4.1.2312.16.1.2" in said
    assert "2048 bit" in said
    names = certificate_names(made.certificate.read_bytes())
    assert names.signer.startswith("gpuforge module signing ")
    assert f"CN = {names.signer}" in said
    assert names.serial.lower() in said.replace("\n", "").replace(" ", "").lower()


def test_two_builders_have_two_keys(tmp_path: Path) -> None:
    names = set()
    for folder in ("one", "two"):
        store = Store(tmp_path / folder)
        store.prepare()
        names.add(signing.make_key(store).name)
    assert len(names) == 2


def test_what_a_killed_run_left_goes(store: Store) -> None:
    (store.root / "keys/new-0011").mkdir()
    (store.root / "keys/new-0011/module-signing.key").write_text("half")
    signing.make_key(store)
    assert sorted(path.name for path in (store.root / "keys").iterdir()) == ["module-signing"]


@pytest.mark.parametrize("half", ["module-signing.key", "module-signing.der"])
def test_half_a_pair_is_refused_by_name(store: Store, half: str) -> None:
    signing.make_key(store)
    (store.root / signing.FOLDER / half).unlink()
    with pytest.raises(StoreError, match=f"{half} is missing"):
        signing.make_key(store)


def test_a_key_that_others_can_read_is_refused(store: Store) -> None:
    signing.make_key(store).key.chmod(0o640)
    with pytest.raises(StoreError, match="can be read by others"):
        signing.find_key(store.root)


def test_a_failing_openssl_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin/openssl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(StoreError, match="no entropy"):
        signing.make_key(store)
    assert list((store.root / "keys").iterdir()) == []


def test_planning_makes_no_key_and_says_what_waits_for_it(store: Store, signs: Collection, spec: MakeSpec) -> None:
    _base(store, spec())
    plan = make_plan(spec(), work_dir=store.root, collection=signs)
    assert plan.lacks_key
    assert [item.digest for item in plan.layers] == [None, None, None]
    assert plan.layers[0].reason == "its digest is known once the builder's key is made"
    assert signing.find_key(store.root) is None


def test_another_key_is_another_layer(store: Store, signs: Collection, spec: MakeSpec) -> None:
    _base(store, spec())
    digests = set()
    for _ in range(2):
        made = signing.make_key(store)
        plan = make_plan(spec(), work_dir=store.root, collection=signs)
        assert (plan.lacks_key, plan.variables[signing.VARIABLE]) == (False, made.name)
        assert make_plan(spec(), work_dir=store.root, collection=signs).layers == plan.layers
        digests.add(plan.layers[0].digest)
        shutil.rmtree(store.root / signing.FOLDER)
    assert len(digests) == 2


def test_a_bake_that_signs_nothing_needs_no_key(store: Store, signs: Collection, spec: MakeSpec) -> None:
    off = make_plan(spec(vars={signing.SWITCH: "off"}), work_dir=store.root, collection=signs)
    without = make_plan(spec(layers={"low": False}), work_dir=store.root, collection=signs)
    for plan in (off, without):
        assert not plan.refusals
        assert not plan.lacks_key
        assert signing.VARIABLE not in plan.variables


def test_a_key_in_the_tree_is_refused(store: Store, signs: Collection, spec: MakeSpec) -> None:
    plan = make_plan(spec(vars={signing.VARIABLE: "/root/my.key"}), work_dir=store.root, collection=signs)
    (problem,) = plan.refusals
    assert problem.where == f"vars.{signing.VARIABLE}"
    assert "keys/module-signing" in problem.hint


def test_the_pair_is_lent_outside_the_tree(store: Store, tmp_path: Path) -> None:
    made = signing.make_key(store)
    (tmp_path / "root/run/gpuforge").mkdir(parents=True)
    signing.lend({}, tmp_path / "root")
    assert list((tmp_path / "root/run/gpuforge").iterdir()) == []
    job = {"signing": {"key": str(made.key), "certificate": str(made.certificate), "name": made.name}}
    signing.lend(job, tmp_path / "root")
    lent = sorted((tmp_path / "root/run/gpuforge").iterdir())
    assert [path.suffix for path in lent] == [".der", ".key"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in lent] == [0o600, 0o600]
    assert lent[1].read_bytes() == made.key.read_bytes()
