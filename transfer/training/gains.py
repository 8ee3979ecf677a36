"""The gain of a rank where scores may be equal: what a random order of the equal ones gives on average."""

from __future__ import annotations

import torch
from torch import Tensor


def expected_gain(ahead: Tensor, tied: Tensor, cut: int) -> Tensor:
    """Mean NDCG at `cut` of a target behind `ahead` items and among `tied` others of its own score, over all their orders.

    Both (...), numbers of items, also broken ones where some stand for more. Counting ties as won would praise a score that
    tells nothing apart, and counting them as lost would punish a cautious one (McSherry & Najork 2008).

    >>> expected_gain(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1.0]), 10).tolist()  # (1 + 1 / log2(3)) / 2
    [1.0, 0.8154648542404175]
    """
    discounts = 1 / torch.log2(torch.arange(cut, dtype=torch.float32) + 2)
    sums = torch.cat([torch.zeros(1), discounts.cumsum(0)]).to(ahead.device)
    ahead, tied = ahead.float(), tied.float()

    def until(rank: Tensor) -> Tensor:
        """Sum of the discounts of all ranks before this one, between ranks in proportion."""
        rank = rank.clamp(max=cut)
        whole = rank.floor().long().clamp(max=cut - 1)
        return sums[whole] + (rank - whole) * discounts.to(ahead.device)[whole]

    return (until(ahead + tied + 1) - until(ahead)) / (tied + 1)
