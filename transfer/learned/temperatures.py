"""From an order to probabilities: a score's softmax at several temperatures, mixed.

    p(i) = sum_k w_k softmax(s_k z)(i),    s = 0, 1, 2, 4, ..

z: a score whose order is right and whose size means nothing, as that of a pool whose powers were chosen by how it ranks. Each
part keeps the order of z, and so does the sum; it is normalised by construction; its greatest likelihood over w is a convex
problem, and never below that of the uniform distribution, which is the part of s = 0. A single temperature can't say both that
the first of ten thousand items is likely and that the last thousand are not impossible.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

OWN = -1e9
"""Score of what does not compete."""
FAINT = 1e-30


def ladder(rungs: int) -> tuple[float, ...]:
    """What scores are multiplied by at each rung.

    >>> ladder(4)
    (0.0, 1.0, 2.0, 4.0)
    """
    return (0.0, *(2.0**rung for rung in range(rungs - 1)))


def log_rungs(scores: Tensor, row: Tensor, column: Tensor, at: Sequence[float]) -> Tensor:
    """(T, K) log probability of some places at each of the K multipliers `at`; scores (R, C), OWN for what does not compete."""
    hit = scores[row, column]
    count = (scores > OWN / 2).sum(dim=1)
    found = []
    for multiplier in at:
        if not multiplier:
            total = torch.log(count.clamp_min(1).to(scores))[row]
            found.append(torch.where(hit > OWN / 2, -total, -torch.inf))
        else:
            found.append(hit * multiplier - torch.logsumexp(scores * multiplier, dim=1)[row])
    return torch.stack(found, dim=1)


def mixed(scores: Tensor, weights: Tensor) -> Tensor:
    """(R, C) probabilities; scores (R, C), OWN for what does not compete; weights (R, K) of the rungs of `ladder`, which sum
    to 1.

    >>> mixed(torch.tensor([[1.0, 0.0, OWN]]), torch.tensor([[1.0, 0.0]])).tolist()
    [[0.5, 0.5, 0.0]]
    """
    competes = scores > OWN / 2
    # Rung by rung the square of the one before: one exponential, however many rungs there are.
    part = torch.exp(scores - scores.max(dim=1, keepdim=True).values) * competes
    found = competes * (weights[:, :1] / competes.sum(dim=1, keepdim=True).clamp_min(1))
    for rung in range(1, weights.shape[1]):
        found = found + part * (weights[:, rung : rung + 1] / part.sum(dim=1, keepdim=True).clamp_min(FAINT))
        part = part * part
    return found


def log_mixture(parts: Tensor, weights: Tensor) -> Tensor:
    """(T,) log of the mixture of log probabilities (T, K) by log weights (T, K)."""
    return torch.logsumexp(parts + weights, dim=1)


def likeliest_weights(parts: Tensor, steps: int = 200, pseudo: float = 1.0) -> Tensor:
    """(K,) log weights of the greatest likelihood for log probabilities (T, K), by expectation and maximisation.

    `pseudo`: targets that all parts share evenly, so that none has no chance at all.
    """
    count = parts.shape[1]
    weights = parts.new_full((count,), -math.log(count))
    for _ in range(steps):
        share = torch.softmax(parts + weights, dim=1).sum(dim=0) + pseudo / count
        weights = torch.log(share / share.sum())
    return weights
