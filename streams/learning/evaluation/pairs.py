"""Pairs of a user and an item, called taken or not: what a method is worth as a classifier.

Each target of a sample of the queries stands beside items that its user has not had, drawn by how often items are taken. A
pair's score is where its item stands: the share of the competing items that the method does not put before it, so that queries
and methods have one scale. From which score on a pair is called taken is chosen on validation, by the highest F1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.learning.evaluation.candidates import Candidates
from streams.learning.evaluation.ranks import comparable, ranks_of
from streams.learning.history import History
from streams.learning.pair_figures import best_threshold, drawn_pairs, pair_figures
from streams.learning.queries import Queries
from transfer.arrays import F32, F64, I64, Bool
from transfer.codes import NONE

NEGATIVES = 3
"""For each target."""
QUERIES = 500
"""Of each part that are looked at, drawn once for all methods."""
FIGURES = ("precision", "recall", "f1", "auc", "threshold")
"""Columns of `Result.pairs`."""
LEAST_TAKEN = 10
"""With fewer targets on validation nothing is called."""


class PairTally:
    """Scores of pairs, block by block, with several settings side by side."""

    def __init__(
        self, history: History, candidates: Candidates, taken: I64, queries: Queries, settings: int = 1
    ) -> None:
        """queries: the whole part, of which a sample is looked at. taken: items as often as they are taken
        (`pair_figures.taken_items`); of those that compete here at no time none is drawn, and where that leaves none, all that
        compete are alike."""
        self._history, self._candidates = history, candidates
        kept = taken[np.isin(taken, candidates.all)]
        self._taken = kept if len(kept) else candidates.all
        self._sample = _keys(queries.sample(QUERIES, seed=3))
        self._scores: list[list[F64]] = [[] for _ in range(settings)]
        self._labels: list[Bool] = []

    def add(self, scores: F32, queries: Queries, setting: int = 0) -> None:
        """scores (Q, N) float32 of a block with one of the settings, 0, 1, ..; each method is given the same blocks."""
        asked = [place for place, key in enumerate(_keys(queries, list)) if key in self._sample]
        if not asked:
            return
        places = np.array(asked, np.int64)
        queries = queries.take(places)
        rng = np.random.default_rng([len(queries), int(queries.seen[0]), int(queries.user[0])])
        query, item, label = drawn_pairs(self._history, queries, self._taken, NEGATIVES, rng)
        if setting == 0:
            self._labels.append(label)
        found = np.zeros(len(query))
        for number, row_of in enumerate(places.tolist()):
            competing = self._candidates.at(int(queries.scenario[number]), float(queries.time[number]))
            mine = query == number
            columns = competing.places(item[mine])
            rank = ranks_of(comparable(scores[row_of], competing.codes), columns)
            found[mine] = np.where(columns == NONE, 0.0, 1 - (rank - 1) / max(len(competing), 1))
        self._scores[setting].append(found)

    def threshold(self, setting: int = 0) -> float:
        """From which score on F1 is highest; infinite where there is too little to tell."""
        scores, labels = self._of(setting)
        return best_threshold(scores, labels) if labels.sum() >= LEAST_TAKEN else np.inf

    def figures(self, threshold: float) -> F64:
        """(1, 5) as in `FIGURES`, with a threshold from elsewhere; (0, 5) where there is nothing to tell."""
        scores, labels = self._of(0)
        if not labels.any() or not np.isfinite(threshold):
            return np.empty((0, len(FIGURES)))
        found = {**pair_figures(scores, labels, threshold), "threshold": threshold}
        return np.array([[found[name] for name in FIGURES]])

    def _of(self, setting: int) -> tuple[F64, Bool]:
        if not self._labels:
            return np.zeros(0), np.zeros(0, np.bool_)
        return np.concatenate(self._scores[setting]), np.concatenate(self._labels)


def _keys(queries: Queries, kind: Any = set) -> Any:
    return kind(zip(queries.user.tolist(), queries.time.tolist(), queries.scenario.tolist(), strict=True))
