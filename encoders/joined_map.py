"""The map from several modalities' joined vectors to behaviour: one ridge, and how far to trust it for what an item has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from encoders.arrays import F32, I64
from encoders.joined import ContentSpace, ModalityVectors, Pattern
from encoders.media import MODALITIES, Modality
from encoders.ridge import Ridge, RowGroups, fit_labelled_ridge
from encoders.whitening import Whitening


@dataclass(frozen=True, slots=True, eq=False)
class JoinedMap:
    """What an item encoder of several modalities knows beside its ridge."""

    space: ContentSpace
    """that the ridge takes the rows of"""
    cosines: Mapping[Pattern, float]
    """mean held-out cosine of mapped and true vectors of items that have just these modalities"""

    def sureness(self, rows: F32) -> F32:
        """(N,) how far the map is to be trusted for each joined row (N, width), 0 to 1, by what it has.

        A pattern that no item of the fit had is trusted as its best part is.
        """
        found = np.zeros(len(rows), np.float32)
        codes = self.space.pattern_codes(rows).astype(np.int64)
        for code in np.unique(codes).tolist():
            pattern = self.space.pattern_of(code)
            parts = [value for known, value in self.cosines.items() if set(known) <= set(pattern)]
            sure = self.cosines.get(pattern, max(parts, default=0.0))
            found[codes == code] = min(max(sure, 0.0), 1.0)
        return found

    def of_texts(self, vectors: F32) -> F32:
        """(N, width) rows of texts' content vectors (N, D)."""
        present = np.ones(len(vectors), np.bool_)
        return self.space.rows({"text": ModalityVectors(vectors, present)}, len(vectors))

    def about(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "modalities": {
                name: {"share": self.space.shares[name], "whitening": self.space.whitenings[name].fingerprint}
                for name in self.space.modalities
            },
            "held_out_cosines": {"+".join(pattern): cosine for pattern, cosine in self.cosines.items()},
        }

    def tensors(self) -> dict[str, npt.NDArray[np.generic]]:
        """Whitenings as they are kept in a store."""
        return {
            f"whitening.{name}": np.frombuffer(whitening.to_bytes(), np.uint8)
            for name, whitening in self.space.whitenings.items()
        }

    def signature(self) -> str:
        """Text over all of it, for a fingerprint."""
        return f"{self.space.fingerprint} {json.dumps(self.about()['held_out_cosines'], sort_keys=True)}"

    @classmethod
    def of_parts(cls, about: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[np.generic]]) -> JoinedMap:
        """What `about` and `tensors` gave."""
        names: list[Modality] = [name for name in MODALITIES if name in about["modalities"]]
        whitenings = {name: Whitening.from_bytes(tensors[f"whitening.{name}"].tobytes()) for name in names}
        shares = {name: float(about["modalities"][name]["share"]) for name in names}
        cosines = {
            tuple(name for name in MODALITIES if name in key.split("+")): float(value)
            for key, value in about["held_out_cosines"].items()
        }
        return cls(ContentSpace(whitenings, shares), cosines)


def fit_joined_map(
    space: ContentSpace, rows: F32, target: F32, weight: npt.NDArray[np.floating]
) -> tuple[Ridge, JoinedMap]:
    """One ridge from joined rows (N, width) of items to their behaviour (N, D) unit rows, weighted by `weight` (N,) > 0.

    Each item is there as often as its modalities can be taken, once with all of them and once with each smaller choice, as if
    it had no more: the map is asked for items and texts that have less than those it was fitted on, and it gained for the whole
    ones, too (held-out cosine .184, without the smaller choices .178; `benchmarks/pictures.py`). All of an item's rows,
    and of the items that share its text (or, without one, its picture), are held out together.
    """
    stacked, targets, weights, groups, labels = [], [], [], [], []
    group = _groups(space, rows)
    codes = space.pattern_codes(rows).astype(np.int64)
    for code in range(1, 1 << len(space.modalities)):
        holders = np.flatnonzero(codes & code == code)
        if not len(holders):
            continue
        choices = (1 << np.array([int(one).bit_count() for one in codes[holders]])) - 1
        stacked.append(space.masked(rows[holders], space.pattern_of(code)))
        targets.append(target[holders])
        weights.append(np.asarray(weight, np.float64)[holders] / choices)
        groups.append(group[holders])
        labels.append(np.full(len(holders), code, np.int64))
    label = np.concatenate(labels)
    known = RowGroups(np.concatenate(groups), label, 1 << len(space.modalities))
    ridge, cosines = fit_labelled_ridge(
        np.concatenate(stacked), np.concatenate(targets), np.concatenate(weights), known
    )
    found = {space.pattern_of(code): float(cosines[code]) for code in np.unique(label).tolist()}
    return ridge, JoinedMap(space, found)


def _groups(space: ContentSpace, rows: F32) -> I64:
    """(N,) items of one text, or without a text of one picture, or of one sound, are one group."""
    group = np.full(len(rows), -1, np.int64)
    start = 0
    for place, name in enumerate(space.modalities):
        width = space.whitenings[name].dim
        block = rows[:, start : start + width]
        start += width
        chosen = (group < 0) & (rows[:, len(rows[0]) - len(space.modalities) + place] > 0)
        if chosen.any():
            length = np.linalg.norm(block[chosen], axis=1, keepdims=True)
            # Beside other modalities the block is shorter: equal contents are equal directions.
            _, same = np.unique((block[chosen] / length).round(5), axis=0, return_inverse=True)
            group[chosen] = same.reshape(-1) + int(group.max(initial=-1)) + 1
    group[group < 0] = int(group.max(initial=-1)) + 1
    return group
