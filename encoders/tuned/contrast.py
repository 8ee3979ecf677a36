"""The loss of two towers: a softmax over a batch's positives and uniform negatives, corrected for how often each is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from encoders.arrays import I64
from encoders.tuned.tower import TextTower


def log_sampled(shares: Tensor, batch: int, negatives: int) -> Tensor:
    """(N,) log of how often each item is expected among the columns of a batch, per column.

    shares (N,): of positives. The columns are `batch` positives and `negatives` uniform items (mixed negative sampling,
    Yang et al., WWW 2020).

    >>> log_sampled(torch.tensor([0.5, 0.5, 0.0]), 2, 3).exp().tolist()
    [0.4000000059604645, 0.4000000059604645, 0.20000000298023224]
    """
    expected = (batch * shares + negatives / len(shares)) / (batch + negatives)
    return torch.log(expected.clamp_min(1e-12))


def contrastive_loss(scores: Tensor, items: Tensor, log_q: Tensor) -> Tensor:
    """Mean cross-entropy of B rows, whose right answer is the column of the same number.

    scores (B, M): of B users with M items, the first B of which are their positives; items (M,) codes; log_q (N,) from
    `log_sampled`. Each score is lowered by its item's log_q (Yi et al., RecSys 2019), so that scores come out as
    log p(item | user), and what is often taken is not pushed down for being often a negative. Other columns of the same item
    are left out.
    """
    count = len(scores)
    logits = scores - log_q[items]
    same = items[:count, None] == items[None]
    same[torch.arange(count), torch.arange(count)] = False
    logits = logits.masked_fill(same, -torch.inf)
    return nn.functional.cross_entropy(logits, torch.arange(count, device=scores.device))


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
