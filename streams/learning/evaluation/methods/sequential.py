"""GRU4Rec and SASRec: networks over the sequence of a user's items, trained with cross-entropy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.sequence_networks import (
    AttentionNetwork,
    RecurrentNetwork,
    SequenceNetwork,
)
from streams.learning.evaluation.methods.sequence_training import (
    Training,
    one_thread,
    train_for,
    train_sequence_network,
)
from streams.learning.evaluation.methods.sequence_windows import training_windows
from streams.learning.evaluation.methods.validation import Validation
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_LENGTH = 64


class Sequential:
    """A network over the user's latest 64 items; the sequence itself is always current.

    It is trained on the training part, until validation is no longer better, and then anew on training and validation part, for
    as many epochs as were best, for each slice family; `max_seconds` are for both. That is what it knows at the test: nothing
    later changes it. Items that are in neither part have no vector and come last; a user without known items gets popularity.
    """

    name = "sequential"
    network: Callable[[int, int], SequenceNetwork]
    """of the number of items and the length of a window"""

    def __init__(self, setup: Setup, training: Training | None = None, length: int = _LENGTH) -> None:
        self._seed = setup.seed
        self._training = training or Training(max_seconds=setup.max_seconds)
        self._progress = setup.progress
        self._length = length
        self._used: float | None = None
        self.curve: list[tuple[float, float]] = []
        """(epochs, NDCG@10 on validation)"""
        self.grid: Sequence[Mapping[str, Any]] = []

    def set(self, *, epochs: float) -> None:
        """The network as it was after so many epochs."""
        if epochs != self._used:
            self._network.load_state_dict(self._states[epochs])
            self._used = epochs

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Train on `rows` with early stopping by NDCG@10 on a sample of `validation`."""
        self._history = history
        self._rows = LearnedRows(rows, 0.0)
        self._make(rows)
        judge = Validation(history, rows, validation)
        with one_thread(self._seed):
            course = train_sequence_network(
                self._network,
                self._windows,
                lambda: judge.means(self.scores),
                self._training,
                self._seed,
                self._progress,
                growth=1 + validation.targets / max(len(rows), 1),
            )
        self.curve, self._seconds = course.curve, course.seconds
        best = course.best() if self.curve else {}
        self._states = {self.curve[place][0]: course.states[place] for place in best.values()}
        self.grid = [{"epochs": epochs} for epochs in self._states]
        if self.grid:
            self.set(**self.grid[0])

    def learn(self, rows: I64) -> None:
        """Kept for the second training."""
        self._rows.add(rows)

    def refit(self) -> None:
        """Train anew on all that was learned."""
        if not self._states:
            return
        self._make(self._rows.taken())
        left = self._training.max_seconds - self._seconds
        with one_thread(self._seed):
            self._states = train_for(
                self._network, self._windows, list(self._states), self._training, self._seed, left
            )
        self._used = None
        self.set(**self.grid[0])

    def _make(self, rows: I64) -> None:
        """The windows of these events, and a network for them."""
        self._windows = training_windows(self._history, rows, self._length)
        with one_thread(self._seed):
            self._network = type(self).network(len(self._windows.known), self._length)

    def scores(self, queries: Queries) -> F32:
        """(Q, N) float32 logits; -inf for items that training did not have."""
        codes, count = self._windows.latest(self._history, queries)
        self._network.eval()
        with torch.inference_mode():
            longest = max(int(count.max(initial=0)), 1)
            vectors = self._network(torch.from_numpy(codes[:, :longest]))
            last = vectors[torch.arange(len(codes)), torch.from_numpy(np.maximum(count - 1, 0))]
            logits = self._network.logits(last).numpy()
        logits[count == 0] = np.log1p(self._windows.counts)
        result = np.full((len(codes), len(self._history.items)), -np.inf, np.float32)
        result[:, self._windows.known] = logits
        return result


class SASRec(Sequential):
    """Self-attention (Kang & McAuley, ICDM 2018), with cross-entropy (Klenitskiy & Vasilev, RecSys 2023)."""

    name = "sasrec"
    network = AttentionNetwork


class GRU4Rec(Sequential):
    """Gated recurrent units (Hidasi et al., ICLR 2016), with cross-entropy over all items."""

    name = "gru4rec"
    network = RecurrentNetwork
