"""The loss of two towers: a softmax over a batch's positives and uniform negatives, corrected for how often each is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from encoders.arrays import I64
from encoders.tuned.tower import TextTower


def log_sampled(shares: Tensor, batch: int, negatives: int) -> Tensor:
    """(N,) log of the probability that a batch has each item: as one of `batch` positives, of which the items have the shares
    (N,), or as one of `negatives` uniform ones (mixed negative sampling, Yang et al., WWW 2020).

    >>> [round(p, 4) for p in log_sampled(torch.tensor([0.5, 0.5, 0.0]), 2, 1).exp().tolist()]
    [0.8333, 0.8333, 0.3333]
    """
    left_out = (1 - shares) ** batch * (1 - 1 / len(shares)) ** negatives
    return torch.log((1 - left_out).clamp_min(1e-12))


def contrastive_loss(scores: Tensor, right: Tensor, log_q: Tensor) -> Tensor:
    """Mean cross-entropy of B users, of whom user b took the item of column right[b].

    scores (B, C): of C distinct items, those of the batch; log_q (C,): of these, from `log_sampled`. Each score is lowered by
    its item's log_q, so that scores come out as log p(item | user), and what is often taken is not pushed down for being often
    a negative (sampled softmax, Bengio & Senecal 2008; Yi et al., RecSys 2019).
    """
    return nn.functional.cross_entropy(scores - log_q, right)


def backward_in_parts(
    tower: TextTower,
    texts: Sequence[Sequence[int]],
    size: int,
    loss_of: Callable[[Tensor], Tensor],
) -> float:
    """Gradients of `loss_of` (of the (B, width) vectors of all texts) with only `size` texts in memory at a time.

    The vectors are made without gradients, the loss gives those of the vectors, and each part is then passed again with them
    (Gao et al., RepL4NLP 2021): the same gradients as in one pass, for one more forward pass. Returns the loss.
    """
    order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))  # little padding
    parts = [order[begin : begin + size] for begin in range(0, len(order), size)]
    vectors = torch.empty((len(texts), tower.width), device=tower.device)
    with torch.no_grad():
        for part in parts:
            vectors[part] = tower([texts[row] for row in part])
    vectors.requires_grad_(True)
    loss = loss_of(vectors)
    loss.backward()  # type: ignore[no-untyped-call]
    assert vectors.grad is not None
    for part in parts:
        tower([texts[row] for row in part]).backward(vectors.grad[part])
    return float(loss.detach())


def drawn_uniformly(generator: torch.Generator, items: I64, count: int) -> Tensor:
    """(count,) of the items (K,), each as likely as another."""
    return torch.from_numpy(items)[torch.randint(len(items), (count,), generator=generator)]
