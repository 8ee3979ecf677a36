"""GRU4Rec and SASRec: networks over the sequence of a user's items, trained with cross-entropy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.sequence_networks import (
    AttentionNetwork,
    RecurrentNetwork,
    SequenceNetwork,
)
from streams.learning.evaluation.methods.sequence_training import Training, one_thread, train_sequence_network
from streams.learning.evaluation.methods.sequence_windows import training_windows
from streams.learning.evaluation.methods.validation import Validation
from streams.learning.history import History
from streams.learning.queries import Queries
from transfer.arrays import F32, I64

_LENGTH = 64


class Sequential:
    """A network over the user's latest 64 items, trained once on the training events; the sequence itself is always current.

    Items that are not in training have no vector and come last; a user without known items gets popularity.
    """

    name = "sequential"
    network: Callable[[int, int], SequenceNetwork]
    """of the number of items and the length of a window"""

    def __init__(self, setup: Setup, training: Training | None = None, length: int = _LENGTH) -> None:
        self._seed = setup.seed
        self._training = training or Training(max_seconds=setup.max_seconds)
        self._progress = setup.progress
        self._length = length
        self.curve: list[tuple[float, float]] = []
        """(epochs, NDCG@10 on validation)"""

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Train on `rows` with early stopping by NDCG@10 on a sample of `validation`."""
        self._history = history
        self._windows = training_windows(history, rows, self._length)
        judge = Validation(history, rows, validation)
        with one_thread(self._seed):
            self._network = type(self).network(len(self._windows.known), self._length)
            self.curve = train_sequence_network(
                self._network,
                self._windows,
                lambda: judge.mean(self.scores),
                self._training,
                self._seed,
                self._progress,
            )

    def learn(self, rows: I64) -> None:
        """Nothing: the network stays as it was trained."""

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
