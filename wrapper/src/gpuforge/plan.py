"""What a bake of a spec would do: the layers with their digests, what is there already, and every reason to refuse.

Planning reads; it creates nothing and asks no network.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from gpuforge.collection import Collection, find_collection
from gpuforge.errors import Problem
from gpuforge.files import canonical, sha256
from gpuforge.layers import SEAL, Layer, layer_digest, role_closure, role_options, site_layers
from gpuforge.providers.local import base_tree, signing
from gpuforge.providers.local.store import Damaged, Entry, Store
from gpuforge.spec import Spec
from gpuforge.stack import StackAnswer, check_spec, exact, for_roles

State = Literal["cached", "bake", "unknown"]

# Which role variable each key of the spec's stack sets. "auto" and nothing leave the role its default.
_STACK: Final[Mapping[str, tuple[str, str]]] = {
    "driver": ("nvidia_driver", "nvidia_driver_version"),
    "source": ("nvidia_driver", "nvidia_driver_source"),
    "flavour": ("nvidia_driver", "nvidia_driver_flavour"),
    "cuda": ("cuda", "cuda_version"),
}
_IMAGE_VERSION: Final = 1  # of how a tree becomes a disk; raising it assembles every image anew


@dataclass(frozen=True, slots=True)
class PlanItem:
    """The base, a layer or the image. ``digest`` is None while it depends on a package index not fetched yet;
    ``bytes`` and ``seconds`` are those of the cached one."""

    name: str
    kind: Literal["base", "layer", "image"]
    digest: str | None
    state: State
    reason: str
    bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole intention. ``variables`` are the role variables that the layers get, ``stack`` what was said of the
    NVIDIA stack; ``lacks_key`` that the builder has no key yet to sign modules with."""

    spec: Spec
    base: PlanItem
    layers: tuple[PlanItem, ...]
    image: PlanItem
    refusals: tuple[Problem, ...]
    warnings: tuple[str, ...]
    variables: Mapping[str, Any]
    stack: StackAnswer = field(default_factory=StackAnswer)
    lacks_key: bool = False

    def to_json(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "spec": str(self.spec.path),
            "name": self.spec.name,
            "base": asdict(self.base),
            "layers": [asdict(item) for item in self.layers],
            "image": asdict(self.image),
            "refusals": [asdict(problem) for problem in self.refusals],
            "warnings": list(self.warnings),
            "stack": self.stack.resolved,
        }


def enabled_layers(spec: Spec, layers: Iterable[Layer]) -> list[str]:
    """The layers that *spec* asks for, in order: those that are always on unless it says no, the others if it says
    yes."""
    wanted = [layer.name for layer in layers if spec.layers.get(layer.name, not layer.condition)]
    return [*wanted, SEAL]


def stack_variables(spec: Spec, wanted: Iterable[str]) -> dict[str, tuple[str, Any]]:
    """Role variables that the spec's stack sets, for the roles in *wanted*: name → (key path, value)."""
    names = set(wanted)
    values = {key: getattr(spec.stack, key) for key in _STACK}
    return {
        variable: (f"stack.{key}", values[key])
        for key, (role, variable) in _STACK.items()
        if role in names and values[key] not in (None, "auto")
    }


def _sentence(description: str | list[str]) -> str:
    """The first paragraph of an option's description."""
    return description if isinstance(description, str) else description[0] if description else ""


def _closest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _check_layers(spec: Spec, layers: Iterable[Layer]) -> Iterator[Problem]:
    known = [layer.name for layer in layers]
    for name, wanted in spec.layers.items():
        if name not in known:
            hint = _closest(name, known) or f"layers of this version: {', '.join(known)}"
            what = "this version has no such layer" if wanted else "there is no such layer to leave out"
            yield Problem(f"layers.{name}", what, "the layers are the roles of playbooks/site.yml", hint)


def _check_variables(spec: Spec, collection: Collection, roles: Iterable[str]) -> Iterator[Problem]:
    """Variables that no role reads, and values that the roles' argument specs refuse."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    every = {layer.name for layer in site_layers(collection)} | {SEAL}
    owner = {
        name: role
        for layer in sorted(every)
        for role in role_closure(collection, layer)
        for name in role_options(collection, role)
    }
    given = {**{name: (f"vars.{name}", value) for name, value in spec.vars.items()}, **stack_variables(spec, roles)}
    if clash := sorted(set(stack_variables(spec, roles)) & set(spec.vars)):
        yield Problem(
            f"vars.{clash[0]}", "the stack section sets this too", "one place only may decide", "remove one of the two"
        )
    for name, (where, value) in given.items():
        if name not in owner:
            hint = _closest(name, owner) or "gpuforge knows the variables that the roles' argument specs name"
            yield Problem(where, f"no role reads {name}", "a variable that nobody reads would change nothing", hint)
            continue
        option = dict(role_options(collection, owner[name])[name])
        checked = ArgumentSpecValidator({name: option}).validate({name: value})
        for message in checked.error_messages:
            yield Problem(
                where, message, f"the argument spec of the role {owner[name]}", _sentence(option.get("description", ""))
            )


def refusals(spec: Spec, collection: Collection) -> tuple[Problem, ...]:
    """Every reason not to start."""
    layers = site_layers(collection)
    problems = [*_check_layers(spec, layers), *_check_variables(spec, collection, enabled_layers(spec, layers))]
    if signing.VARIABLE in spec.vars:
        where = f"{signing.FOLDER} of the work directory"
        problems.append(
            Problem(
                f"vars.{signing.VARIABLE}",
                "a bake signs with the builder's key",
                "a path in the image's tree would be a private key in the image",
                f"to bring your own, put module-signing.key and {signing.CERTIFICATE} into {where}",
            )
        )
    if spec.provider != "local":
        problems.append(
            Problem(
                "provider",
                f"this version bakes with the local provider only, not {spec.provider}",
                hint="provider: local",
            )
        )
    elif spec.base.image:
        problems.append(
            Problem(
                "base.image", "this version makes bases from a distribution's archive only", hint="base.distribution"
            )
        )
    return tuple(problems)


def check_stack(spec: Spec, collection: Collection, wanted: Iterable[str], variables: Mapping[str, Any]) -> StackAnswer:
    """What the collection's own check says of the NVIDIA stack of *spec*."""
    source = role_options(collection, "nvidia_driver").get("nvidia_driver_source", {})
    return check_spec(spec, collection, wanted, variables, str(source.get("default", "nvidia")))


def image_digest(spec: Spec, top: str) -> str:
    """The digest of the image of *spec* whose sealed tree is *top*: what is done after boot verification is no part
    of it."""
    described = {key: value for key, value in spec.to_dict().items() if key != "verify"}
    return sha256(canonical([_IMAGE_VERSION, top, described]))


def _item(store: Store, kind: Literal["base", "layer"], name: str, digest: str) -> PlanItem:
    found = store.inspect(kind, digest)
    if isinstance(found, Entry):
        return PlanItem(name, kind, digest, "cached", "", found.bytes, found.seconds)
    if isinstance(found, Damaged):
        return PlanItem(name, kind, digest, "bake", f"damaged in the store: {found.reason}")
    return PlanItem(name, kind, digest, "bake", "not in the store")


def plan_layers(
    spec: Spec,
    collection: Collection,
    store: Store,
    base: str | None,
    variables: Mapping[str, Any],
    why: str = "its digest is known once the base is made",
) -> tuple[PlanItem, ...]:
    """The layers of *spec* on the base with the digest *base*; *why* they have no digest where that is None."""
    items = []
    below = base
    for name in enabled_layers(spec, site_layers(collection)):
        if below is None:
            items.append(PlanItem(name, "layer", None, "bake", why))
            continue
        below = layer_digest(collection, name, below, variables)
        items.append(_item(store, "layer", name, below))
    return tuple(items)


def plan_image(spec: Spec, store: Store, layers: tuple[PlanItem, ...]) -> PlanItem:
    """The image on *layers*."""
    top = layers[-1].digest
    if top is None:
        return PlanItem(spec.name, "image", None, "bake", "its digest is known once the base is made")
    digest = image_digest(spec, top)
    for record in store.images():
        if record.digest == digest:
            if damage := store.image_damage(record):
                return PlanItem(record.id, "image", digest, "bake", f"damaged in the store: {damage}")
            size = sum(artifact.bytes for artifact in record.artifacts)
            return PlanItem(record.id, "image", digest, "cached", record.status, size, sum(record.seconds.values()))
    return PlanItem(spec.name, "image", digest, "bake", "not in the store")


def make_plan(spec: Spec, *, work_dir: Path, refresh: bool = False, collection: Collection | None = None) -> Plan:
    """Plan a bake of *spec* with the store in *work_dir*. Raises Refused or StoreError where it cannot even be looked
    at."""
    collection = collection or find_collection()
    store = Store(work_dir)
    wanted = enabled_layers(spec, site_layers(collection))
    variables = {**spec.vars, **{name: value for name, (_, value) in stack_variables(spec, wanted).items()}}
    stack = check_stack(spec, collection, wanted, variables)
    refused = (*refusals(spec, collection), *stack.refusals)
    if refused:
        nothing = PlanItem("", "base", None, "unknown", "refused")
        return Plan(spec, nothing, (), replace(nothing, kind="image"), refused, stack.warnings, variables, stack)
    variables = {**exact(variables, stack), **for_roles(spec)}
    recipe = base_tree.recipe(spec.base)
    name = f"{recipe.distribution} {recipe.release}"
    current = base_tree.current_base(store, recipe, spec.base.max_age_days, refresh=refresh)
    if current is None:
        base = PlanItem(name, "base", None, "bake", "not in the store")
    elif current.stale:
        base = PlanItem(name, "base", None, "bake", current.stale)
    else:
        base = _item(store, "base", name, current.digest)
    lacks_key = False
    if signing.wanted({name: role_options(collection, name) for name in wanted}, variables):
        if (key := signing.find_key(work_dir)) is None:
            lacks_key = True
        else:
            variables = {**variables, signing.VARIABLE: key.name}
    if lacks_key and base.digest is not None:
        why = "its digest is known once the builder's key is made"
        layers = plan_layers(spec, collection, store, None, variables, why)
    else:
        layers = plan_layers(spec, collection, store, base.digest, variables)
    image = plan_image(spec, store, layers)
    return Plan(spec, base, layers, image, (), stack.warnings, variables, stack, lacks_key)
