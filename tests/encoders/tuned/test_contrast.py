"""The loss of the two towers against a plain one, and its gradients in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.tuned.adapter import Adaptation
from encoders.tuned.base_model import base_files, load_base
from encoders.tuned.config import WordsConfig
from encoders.tuned.contrast import backward_in_parts, contrastive_loss, log_sampled
from encoders.tuned.tower import TextTower
from support.fakes.tiny_model import save_tiny_model


def test_the_loss_is_the_corrected_softmax() -> None:
    """Row by row: the right item's score less its log q, against those of all items of the batch."""
    rng = np.random.default_rng(0)
    scores, log_q, right = rng.normal(size=(3, 5)), rng.normal(size=5), np.array([4, 2, 4])
    logits = scores - log_q
    expected = np.mean(
        [np.log(np.exp(row).sum()) - row[column] for row, column in zip(logits, right, strict=True)]
    )
    found = contrastive_loss(torch.tensor(scores), torch.tensor(right), torch.tensor(log_q))
    assert float(found) == pytest.approx(expected)


def test_scores_come_out_as_log_shares_where_users_tell_nothing() -> None:
    """Minimised over one score an item, whatever negatives the batches have, scores are the items' log shares."""
    shares = torch.tensor([0.5, 0.25, 0.15, 0.1])
    generator = torch.Generator().manual_seed(0)
    scores = torch.zeros(4, requires_grad=True)
    optimiser = torch.optim.Adam([scores], lr=0.05)
    log_q = log_sampled(shares, 3, 1)
    mean = torch.zeros(4)
    for step in range(600):
        taken = torch.multinomial(shares, 3, replacement=True, generator=generator)
        drawn = torch.randint(4, (1,), generator=generator)
        items, columns = torch.unique(torch.cat([taken, drawn]), return_inverse=True)
        loss = contrastive_loss(scores[items].expand(3, -1), columns[:3], log_q[items])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step >= 200:
            mean += torch.softmax(scores.detach(), dim=0) / 400
    torch.testing.assert_close(mean, shares, atol=0.06, rtol=0)


def test_parts_give_the_gradients_of_the_whole(tmp_path: Path) -> None:
    """Two texts at a time, or all at once: equal losses and equal gradients of every adapter."""
    config = WordsConfig(base=str(save_tiny_model(tmp_path / "m")), rank=2, max_length=16)
    found = {}
    for size in (2, 100):
        torch.manual_seed(0)
        base = load_base(base_files(config.base))
        adaptation = Adaptation(base.network, config)
        tower = TextTower(base, config.max_length)
        tower.network = adaptation.network
        with torch.no_grad():
            for each in adaptation.trained:
                each.add_(0.1 * torch.randn(each.shape))
        texts = tower.tokens(["red grapes", "oil", "milk and bread", "motor", "green green green"])
        loss = backward_in_parts(tower, texts, size, lambda vectors: (vectors @ vectors.T).exp().sum())
        found[size] = loss, [each.grad for each in adaptation.trained]
    assert found[2][0] == pytest.approx(found[100][0], rel=1e-6)
    for one, other in zip(found[2][1], found[100][1], strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert max(float(each.abs().max()) for each in found[2][1]) > 1e-2
