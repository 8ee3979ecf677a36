"""What one step of training does: gradients of a batch of positives, for either model."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from encoders.arrays import I64
from encoders.tuned.config import WordsConfig
from encoders.tuned.contrast import backward_in_parts, contrastive_loss, drawn_uniformly, log_sampled
from encoders.tuned.examples import WordExamples
from encoders.tuned.models import BiEncoder, CrossEncoder


class Objective(Protocol):
    """Adds the gradients of a batch to a model's parameters."""

    def backward(self, rows: I64) -> float:
        """Of the examples `rows`; gives the loss."""
        ...


class SampledSoftmax:
    """Of a `BiEncoder`: see `contrast`."""

    def __init__(self, model: BiEncoder, examples: WordExamples, config: WordsConfig) -> None:
        self._model, self._examples, self._config = model, examples, config
        self._generator = torch.Generator().manual_seed(config.seed)
        shares = torch.from_numpy(examples.shares)
        self._log_q = log_sampled(shares, config.batch, config.negatives).to(model.tower.device)

    def backward(self, rows: I64) -> float:
        """Each text of the batch goes through the tower once, however often it is there."""
        examples, tower = self._examples, self._model.tower
        negatives = drawn_uniformly(self._generator, examples.candidates, self._config.negatives)
        positives = torch.from_numpy(examples.item[rows])
        items, columns = torch.unique(torch.cat([positives, negatives]), return_inverse=True)
        texts = [*examples.words(rows), *(examples.texts[item] for item in items.tolist())]
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        where = torch.tensor([place[text] for text in texts], device=tower.device)
        right, log_q = columns[: len(rows)].to(tower.device), self._log_q[items.to(tower.device)]

        def loss_of(vectors: Tensor) -> Tensor:
            found = vectors[where]
            return contrastive_loss(self._model.scores(found[: len(rows)], found[len(rows) :]), right, log_q)

        return backward_in_parts(tower, tower.tokens(list(place)), self._config.micro_batch, loss_of)


class PairOdds:
    """Of a `CrossEncoder`: binary cross-entropy of each positive and of items drawn by how often they are taken."""

    def __init__(self, model: CrossEncoder, examples: WordExamples, config: WordsConfig) -> None:
        self._model, self._examples, self._config = model, examples, config
        self._rng = np.random.default_rng(config.seed)

    def backward(self, rows: I64) -> float:
        """Positives first, then `pair_negatives` for each."""
        examples, tower, count = self._examples, self._model.tower, self._config.pair_negatives
        drawn = self._rng.choice(examples.item, (len(rows), count))
        users = examples.words(rows)
        pairs = [(user, examples.texts[item]) for user, item in zip(users, examples.item[rows], strict=True)]
        label = [1.0] * len(rows)
        for user, right, items in zip(users, examples.item[rows], drawn, strict=True):
            others = items[items != right].tolist()
            pairs += [(user, examples.texts[item]) for item in others]
            label += [0.0] * len(others)
        tokens = tower.tokens([pair[0] for pair in pairs], [pair[1] for pair in pairs])
        labels = torch.tensor(label, device=tower.device)
        total = 0.0
        order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
        for begin in range(0, len(order), self._config.micro_batch):
            part = order[begin : begin + self._config.micro_batch]
            scores = self._model.scores(tower([tokens[row] for row in part]))
            loss = nn.functional.binary_cross_entropy_with_logits(
                scores, labels[part], reduction="sum"
            ) / len(pairs)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        return total
