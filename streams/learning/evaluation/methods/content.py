"""Content: items whose text is close to the mean of what the user had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.errors import EvaluationError
from streams.learning.evaluation.methods.base import DecayClock, Setup, profiles
from streams.learning.evaluation.methods.own import TAIL, half_life_grid
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64


class ContentMean:
    """Cosine of an item's text vector with the decayed mean of the text vectors of the user's items.

    Items without text come last. What must not be used is what tells this apart: nothing but text and the user's own
    events, with one half-life. At the test it knows every strictly earlier event of the user; the whitening is fitted on the
    catalogue's texts, which are no events.
    """

    name = "content"

    def __init__(self, setup: Setup) -> None:
        self.grid: Sequence[Mapping[str, Any]] = []
        self._content = setup.content
        self.set(half_life=None, by="time")

    def set(self, *, half_life: float | None, by: DecayClock) -> None:
        """Half-life of the mean."""
        self._half_life, self._by = half_life, by

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Encode the items' texts; the half-lives to try come from the log.

        Raises:
            EvaluationError: there are no texts.
        """
        if self._content is None:
            raise EvaluationError("method content needs the items' texts: give a catalogue with --items")
        self._history = history
        self._vectors, has_text = self._content()
        if not has_text.any():
            raise EvaluationError("method content needs the items' texts, and the catalogue has none")
        self._vectors = np.where(has_text[:, None], self._vectors, np.float32(0))
        self._without = np.flatnonzero(~has_text)
        self.grid = half_life_grid(history, rows)

    def learn(self, rows: I64) -> None:
        """Nothing: texts stay, and the user's events are read as of each query."""

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 cosines, up to a factor for each query."""
        own = profiles(self._history, queries, self._half_life, self._by, since="latest", tail=TAIL)
        result: F32 = (own @ self._vectors) @ self._vectors.T
        result[:, self._without] = -np.inf
        return result
