"""From an order to probabilities: a score's softmax at several temperatures, mixed.

    p(i) = w_0 / N + sum_mk w_mk softmax(s_k min(z, z_m))(i),    s = 1, 2, 4, ..;  z_m: the m-th best score

z: a score whose order is right and whose size means nothing, as that of a pool whose powers were chosen by how it ranks. Each
part keeps the order of z, and so does the sum; it is normalised by construction; its greatest likelihood over w is a convex
problem, and never below that of the uniform distribution, which is a part of it. A single temperature can't say both that the
first of ten thousand items is likely and that the last thousand are not impossible; and none can say that the first sixteen
are about equally likely though their scores lie far apart, which products of many parts make them. For that there are the
parts in which the best m count alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

OWN = -1e9
"""Score of what does not compete."""
FAINT = 1e-30


@dataclass(frozen=True, slots=True)
class Ladder:
    """The parts of the mixture; K of them: the uniform one, then for each number of equal ones every multiplier."""

    heads: tuple[int, ...]
    """how many of the best count alike; 1: none do"""
    multipliers: tuple[float, ...]

    @property
    def size(self) -> int:
        """K.

        >>> Ladder((1, 16), (1.0, 2.0, 4.0)).size
        7
        """
        return 1 + len(self.heads) * len(self.multipliers)

    def log_parts(self, scores: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """(T, K) log probability of some places in each part; scores (R, C), OWN for what does not compete."""
        competes = scores[row, column] > OWN / 2
        found = [-torch.log((scores > OWN / 2).sum(dim=1).clamp_min(1).to(scores))[row]]
        for _, level in _levels(scores, self.heads):
            leveled = torch.minimum(scores, level)
            hit = leveled[row, column]
            for multiplier in self.multipliers:
                total = torch.logsumexp(leveled * multiplier, dim=1)
                found.append(hit * multiplier - total[row])
        return torch.stack(found, dim=1).masked_fill(~competes.unsqueeze(1), -torch.inf)


def doubling(heads: Sequence[int], rungs: int) -> Ladder:
    """Each multiplier twice the one before, from 1 on: what a model's scores are scaled for.

    >>> doubling((1,), 3).multipliers
    (1.0, 2.0, 4.0)
    """
    return Ladder(tuple(heads), tuple(2.0**rung for rung in range(rungs)))


def mixed(scores: Tensor, weights: Tensor, heads: Sequence[int]) -> Tensor:
    """(R, C) probabilities; scores (R, C), OWN for what does not compete; weights (R, K) of the parts of `doubling`, which sum
    to 1.

    >>> mixed(torch.tensor([[1.0, 0.0, OWN]]), torch.tensor([[1.0, 0.0]]), (1,)).tolist()
    [[0.5, 0.5, 0.0]]
    """
    rungs = (weights.shape[1] - 1) // len(heads)
    competes = scores > OWN / 2
    best, place = torch.topk(scores, min(max(heads), scores.shape[1]), dim=1)
    here = best > OWN / 2
    last = here.sum(dim=1, keepdim=True).clamp_min(1) - 1
    levels = best.gather(1, torch.minimum(last, last.new_tensor(heads) - 1))
    low = best.gather(1, last)
    # Below the best of the largest head all heads differ by a factor alone: (z - z_m) = (z - low) + (low - z_m). So there is
    # one pass over the items for each multiplier, whose part is the square of the one before, and one exponential in all.
    rest = (torch.exp((scores - low).clamp_max(0)) * competes).scatter(1, place, 0.0)
    over = torch.minimum(best.unsqueeze(1), levels.unsqueeze(2)) - levels.unsqueeze(2)
    uniform = weights[:, :1] / competes.sum(dim=1, keepdim=True).clamp_min(1)
    found, of_best = competes * uniform, here * uniform
    for rung in range(rungs):
        part = torch.exp(over * 2**rung) * here.unsqueeze(1)
        factor = torch.exp((low - levels) * 2**rung)
        total = part.sum(dim=2) + factor * rest.sum(dim=1, keepdim=True)
        share = weights[:, 1 + rung :: rungs] / total.clamp_min(FAINT)
        of_best = of_best + (share.unsqueeze(2) * part).sum(dim=1)
        found = torch.addcmul(found, rest, (share * factor).sum(dim=1, keepdim=True))
        rest = rest * rest
    return found.scatter(1, place, of_best)


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


def _levels(scores: Tensor, heads: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
    """Number of each head, and (R, 1) the score of the last of its best; of fewer candidates the last of all."""
    most = min(max(heads), scores.shape[1])
    best = torch.topk(scores, most, dim=1).values
    last = (best > OWN / 2).sum(dim=1, keepdim=True).clamp_min(1) - 1
    for number, head in enumerate(heads):
        yield number, best.gather(1, last.clamp(max=head - 1))
