"""Vectors of several modalities side by side: what an item encoder's map takes, and what a store without one holds.

    row(i) = unit(concat_m(present_im sqrt(share_m) x_im)), presence bits behind it

x_im is the whitened unit vector of item i's content of modality m, zeros where it has none. The map (`encoders.ridge`) weighs
the modalities by itself; the shares say how much they count in a store without a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash

from encoders.arrays import F32, Bool
from encoders.media import MODALITIES, Modality
from encoders.unit import unit_rows
from encoders.whitening import Whitening

_TURN_KEY: Final = {"image": 0x1A3E, "audio": 0xA0D1}
Pattern = tuple[Modality, ...]
"""Which modalities an item has, in the order of `MODALITIES`."""


@dataclass(frozen=True, slots=True, eq=False)
class ModalityVectors:
    """One modality's vectors of N items."""

    vectors: F32
    """(N, D_m) float32 unit rows, zeros where there is none"""
    present: Bool
    """(N,)"""


@dataclass(frozen=True, slots=True, eq=False)
class ContentSpace:
    """What content vectors are made with: a whitening and a share of each modality."""

    whitenings: Mapping[Modality, Whitening]
    shares: Mapping[Modality, float]

    @classmethod
    def of_text(cls, whitening: Whitening) -> ContentSpace:
        """Of texts alone."""
        return cls({"text": whitening}, {"text": 1.0})

    @property
    def modalities(self) -> Pattern:
        """In the order of their columns."""
        return tuple(name for name in MODALITIES if name in self.whitenings)

    @property
    def width(self) -> int:
        """Columns of a row, presence bits included."""
        return sum(self.whitenings[name].dim for name in self.modalities) + len(self.modalities)

    @property
    def fingerprint(self) -> str:
        """Hex over whitenings and shares."""
        parts = [(name, self.whitenings[name].fingerprint, self.shares[name]) for name in self.modalities]
        return xxhash.xxh3_128_hexdigest(repr(parts).encode())

    def rows(self, contents: Mapping[Modality, ModalityVectors], count: int) -> F32:
        """(N, width) float32 rows of items; a modality that is not among `contents` is absent."""
        blocks, bits = [], []
        for name in self.modalities:
            content = contents.get(name)
            width = self.whitenings[name].dim
            present = np.zeros(count, np.bool_) if content is None else content.present
            block = np.zeros((count, width), np.float32)
            if content is not None:
                block[present] = np.float32(np.sqrt(self.shares[name])) * content.vectors[present]
            blocks.append(block)
            bits.append(present)
        return np.concatenate([unit_rows(np.concatenate(blocks, axis=1)), np.stack(bits, axis=1)], axis=1)

    def pattern_codes(self, rows: F32) -> F32:
        """(N,) each row's pattern as a number: bit m is set where the m-th modality is present."""
        bits = rows[:, -len(self.modalities) :] > 0
        return np.asarray(bits @ (1 << np.arange(len(self.modalities))), np.float32)

    def pattern_of(self, code: int) -> Pattern:
        """The modalities of such a number."""
        return tuple(name for place, name in enumerate(self.modalities) if code >> place & 1)

    def masked(self, rows: F32, pattern: Pattern) -> F32:
        """(N, width) the same rows as if the items had nothing but these modalities."""
        kept = rows[:, : -len(self.modalities)].copy()
        bits = rows[:, -len(self.modalities) :].copy()
        start = 0
        for place, name in enumerate(self.modalities):
            width = self.whitenings[name].dim
            if name not in pattern:
                kept[:, start : start + width] = 0
                bits[:, place] = 0
            start += width
        return np.concatenate([unit_rows(kept), bits], axis=1)


def blended_contents(
    contents: Mapping[Modality, ModalityVectors], shares: Mapping[Modality, float], dim: int
) -> F32:
    """(N, dim) float32 unit rows without a map: the sum of the modalities, sqrt(share) each, all but the text turned.

    A turn is a fixed random orthonormal map: within a modality cosines stay as they are, and between two they are near 0 (of
    the order of 1 / sqrt(dim)), as those of columns side by side would be. An item with a text alone has its text's vector.
    """
    total: F32 | None = None
    for name in MODALITIES:
        content = contents.get(name)
        if content is None:
            continue
        part = content.vectors
        if name != "text":
            part = np.float32(np.sqrt(shares[name])) * (part @ _turn(name, part.shape[1], dim))
        part = np.where(content.present[:, None], part, np.float32(0))
        total = part if total is None else total + part
    assert total is not None
    several = sum(content.present.astype(int) for content in contents.values()) > 1
    unit = unit_rows(total)
    # A text alone keeps its vector bit by bit.
    text = contents.get("text")
    if text is not None:
        alone = text.present & ~several
        unit[alone] = text.vectors[alone]
    return unit


def _turn(name: Modality, width: int, dim: int) -> F32:
    rng = np.random.Generator(np.random.Philox(key=_TURN_KEY[name]))
    basis, upper = np.linalg.qr(rng.standard_normal((dim, width)))
    return np.asarray((basis * np.sign(np.diag(upper))).T, np.float32)
