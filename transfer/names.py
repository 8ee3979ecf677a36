"""Vectors of scenario names, as a transfer model takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from transfer.arrays import F32

NameLookup = Callable[[Sequence[str]], F32]
"""Scenario names to (n, D) vectors."""


@dataclass(frozen=True, slots=True)
class NameSource:
    """What the vectors of scenario names were made of when a model was trained."""

    words: float = 0.0
    """cosine of a name's vector with that of its words; 0: a direction of its own alone"""
    text: str = ""
    """fingerprint of the encoder of the words, "" where there are none"""


def hashed_names(dim: int) -> NameLookup:
    """Unit vectors that the names alone determine.

    >>> hashed_names(4)(["garden"]).shape
    (1, 4)
    """

    def encode(names: Sequence[str]) -> F32:
        rows = [
            np.random.default_rng(
                xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))
            ).standard_normal(dim)
            for name in names
        ]
        vectors = np.array(rows, np.float32).reshape(len(names), dim)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    return encode
