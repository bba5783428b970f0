# Copyright: (c) 2026, the gpuforge authors
# MIT License
"""Which GPU somebody means: by PCI id, by product, by generation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import List, Optional, Tuple

from .model import Compat, Distribution, Generation, Product, Row

_ID = re.compile(r"(?:(?:0x)?(?P<vendor>[0-9a-f]{4}):)?(?:0x)?(?P<device>[0-9a-f]{4})")
#: Words in the names that nvidia-smi gives which say nothing about the product.
_NOISE = re.compile(r"nvidia|tesla|hgx|dgx|edition|generation|\d+gb|hbm\d\w*")
NVIDIA = "10de"


@dataclass(frozen=True)
class Gpu:
    """A GPU that was asked for. ``products`` are those that the words fit; empty where only the generation is known.
    ``basis`` is the row that a mere id was recognised by."""

    said: str
    generation: Optional[Generation]
    products: Tuple[Product, ...] = ()
    basis: Optional[Row] = None
    near: str = ""

    @property
    def label(self) -> str:
        """The GPU as a message calls it."""
        if len(self.products) == 1 and self.products[0].id.lower() != self.said.lower():
            return f"{self.products[0].id} ({self.said})" if _ID.fullmatch(self.said.lower()) else self.products[0].id
        return self.said

    @property
    def is_id(self) -> bool:
        """Whether it was named by a PCI id, so by the machine rather than by a person."""
        return _ID.fullmatch(self.said.lower()) is not None

    @property
    def on_board(self) -> bool:
        """Whether it may sit on a board with NVSwitches."""
        return any(product.form == "sxm" for product in self.products)


@lru_cache(maxsize=1024)
def find_gpu(compat: Compat, said: str) -> Gpu:
    """The GPU that *said* means; without generation where nobody knows."""
    number = _ID.fullmatch(said.strip().lower())
    # "a100" is four hexadecimal digits, too: a product's name goes first.
    by_name = _by_name(compat, said)
    if by_name is not None:
        return by_name
    if number is not None and number["vendor"] in (None, NVIDIA):
        return _by_id(compat, said, number["device"])
    # What people type is the first word of a product: of "H100 SXM5" they mistype H100.
    names = {
        word.lower(): word for word in (*(name.split()[0] for name in compat.gpus), *compat.gpus, *compat.generations)
    }
    near = get_close_matches(said.lower(), list(names), n=1, cutoff=0.5)
    # "RTX" is the first word of many products: that it is known helps nobody.
    return Gpu(said, None, near=names[near[0]] if near and near[0] != said.lower() else "")


def _by_id(compat: Compat, said: str, device: str) -> Gpu:
    for product in compat.gpus.values():
        if device in product.ids:
            return Gpu(said, compat.generations[product.generation], (product,))
    for key, row in compat.id_ranges.items():
        low, high = key.split("-")
        if low <= device <= high:
            return Gpu(said, compat.generations[row.generation], basis=row)
    return Gpu(said, None)


def _words(name: str) -> List[str]:
    return [word for word in re.split(r"[\s/_(),-]+", name.lower()) if word and not _NOISE.fullmatch(word)]


def _by_name(compat: Compat, said: str) -> Optional[Gpu]:
    asked = _words(said)
    if not asked:
        return None
    generation = compat.generations.get("_".join(asked))
    found = tuple(product for product in compat.gpus.values() if set(asked) <= set(_words(product.id)))
    exact = tuple(product for product in found if _words(product.id) == asked)
    found = exact or found
    if generation is not None and not exact:
        return Gpu(said, generation)
    generations = {product.generation for product in found}
    # "RTX" alone fits GPUs of several generations: that says nothing.
    return Gpu(said, compat.generations[generations.pop()], found) if len(generations) == 1 else None


@lru_cache(maxsize=64)
def find_distribution(compat: Compat, said: str) -> Optional[Distribution]:
    """The distribution that *said* means: "Debian 12", "debian12", "bookworm", "Debian-12", "Debian 12.15"."""
    plain = re.sub(r"[\s_-]+", " ", said.strip().lower())
    for key, row in compat.distributions.items():
        for name in (key, *row.names):
            if plain in (name, name.replace(" ", "")) or plain.startswith(f"{name}."):
                return row
    return None
