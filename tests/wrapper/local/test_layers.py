"""What a layer's digest covers: everything that can change the layer, and nothing else."""

from __future__ import annotations

import pytest

from gpuforge.collection import Collection
from gpuforge.errors import Refused
from gpuforge.layers import Layer, layer_digest, plugin_closure, role_closure, role_digest, site_layers, switch


def test_the_order_is_that_of_the_playbook(collection: Collection) -> None:
    assert site_layers(collection) == (Layer("low", ""), Layer("optional", "enable_optional"), Layer("high", ""))


def test_a_layer_with_a_condition_is_switched_on_by_its_variable(collection: Collection) -> None:
    assert switch(collection, "optional") == {"enable_optional": True}
    assert switch(collection, "low") == {}
    assert switch(collection, "image_seal") == {}


def test_a_role_without_a_tag_of_its_name_is_refused(collection: Collection) -> None:
    collection.site.write_text(collection.site.read_text().replace("tags: [high]", "tags: [other]"))
    with pytest.raises(Refused, match="the role high has no tag of its name"):
        site_layers(collection)


def test_plugins_are_found_through_their_imports(collection: Collection) -> None:
    found = {
        path.relative_to(collection.root / "plugins").as_posix()
        for path in plugin_closure(collection, ["gpuforge.node.probe:"])
    }
    assert found == {
        "modules/probe.py", "module_utils/_core.py", "module_utils/_deep.py",
        "module_utils/_data/__init__.py", "module_utils/_data/table.py",
    }  # fmt: skip


def test_dependencies_count_as_the_roles_own(collection: Collection) -> None:
    assert role_closure(collection, "low") == ["low", "common"]


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("roles/low/tasks/main.yml", True),
        ("roles/low/meta/argument_specs.yml", True),
        ("roles/common/tasks/main.yml", True),
        ("plugins/modules/probe.py", True),
        ("plugins/module_utils/_data/table.py", True),
        ("roles/low/README.md", False),
        ("roles/high/tasks/main.yml", False),
        ("plugins/modules/other.py", False),
        ("plugins/module_utils/_aside.py", False),
        ("playbooks/seal.yml", False),
    ],
)
def test_the_digest_covers_the_role_and_what_it_uses(collection: Collection, name: str, covered: bool) -> None:
    before = role_digest(collection, "low")
    path = collection.root / name
    path.write_text(path.read_text() + "# changed\n")
    assert (role_digest(collection, "low") != before) == covered


def test_a_new_file_in_the_role_changes_it(collection: Collection) -> None:
    before = role_digest(collection, "low")
    (collection.role("low") / "templates").mkdir()
    (collection.role("low") / "templates/new.j2").touch()
    assert role_digest(collection, "low") != before


def test_the_digest_covers_the_variables_that_the_role_reads_and_the_layer_below(collection: Collection) -> None:
    digest = layer_digest(collection, "low", "aa", {})
    assert layer_digest(collection, "low", "aa", {"high_color": "blue"}) == digest
    assert layer_digest(collection, "low", "aa", {"low_size": 2}) != digest
    assert layer_digest(collection, "low", "bb", {}) != digest
    assert layer_digest(collection, "high", "aa", {}) != digest


def test_the_real_playbook_can_be_read(repo_collection: Collection) -> None:
    names = [layer.name for layer in site_layers(repo_collection)]
    assert names == sorted(names, key=names.index)
    for name in [*names, "image_seal"]:
        assert len(role_digest(repo_collection, name)) == 64
