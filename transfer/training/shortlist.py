"""Of each request the items that some part of the pool puts first, so that powers can be compared on many requests.

A product of parts puts on top what at least one part has near its own top; the tens of thousands of other items cost memory
and time and change few lists of twenty. A sample of them stands for them all: powers that put the tail first shall not look
good because the tail is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import I64
from transfer.learned.pool import BACK_OFF, log_follow, log_shares, multiplied
from transfer.learned.ranking import Candidates

BEST = 256
"""Items of each part that are kept, at most."""
SAMPLE = 512
"""Other items that stand for all others."""
CUT = 20


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the parts of the pool say of items (...)."""

    logits: Tensor
    """(...) q . t"""
    follow: Tensor
    """(...) p_next"""
    log_shares: Tensor
    """(..., C)"""

    def pooled(self, powers: Tensor) -> Tensor:
        """(...) log p_new but for a constant of each request."""
        follow = log_follow(self.follow, self.log_shares, powers[BACK_OFF])
        return multiplied(powers, self.logits, follow, self.log_shares)


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """W items of each of R requests, S others, none of them the user's own, and T targets."""

    items: Evidence
    """(R, W)"""
    there: Tensor
    """(R, W) bool: an item, not padding"""
    others: Evidence
    """(R, S)"""
    other: Tensor
    """(R, S) bool: an item that is not among the W"""
    each: Tensor
    """(R,) how many items each of the S stands for"""
    target_row: Tensor
    """(T,) request of each target"""
    targets: Evidence
    """(T,)"""

    def gain(self, powers: Tensor) -> Tensor:
        """(T,) NDCG at CUT of each target; powers (3 + C,)."""
        hit, row = self.targets.pooled(powers).unsqueeze(1), self.target_row
        rank = (_best(self.items, self.there, powers)[row] > hit).sum(dim=1)
        rank = rank + (_best(self.others, self.other, powers)[row] > hit).sum(dim=1) * self.each[row]
        return torch.where(rank < CUT, 1 / torch.log2(rank + 2.0), 0.0)


def _best(items: Evidence, there: Tensor, powers: Tensor) -> Tensor:
    """(R, at most CUT)"""
    pooled = items.pooled(powers).masked_fill(~there, -torch.inf)
    return torch.topk(pooled, min(CUT, pooled.shape[1]), dim=1).values


def shortlist(
    part: Candidates, target_row: I64, target_column: I64, rng: np.random.Generator, best: int = BEST
) -> Shortlist:
    """The best of each part, together; targets (T,) are items that are new to the user of their request."""
    logits, follow, shares = map(torch.from_numpy, (part.logits, part.follow, part.shares))
    rows, width = logits.shape
    count = min(best, width)
    chosen = [
        torch.topk(part.without_own(logits), count, dim=1).indices,
        torch.topk(follow, count, dim=1).indices,
        torch.topk(shares, count, dim=0).indices.T.reshape(1, -1).expand(rows, -1),
    ]
    columns = torch.cat(chosen, dim=1).sort(dim=1).values
    there = torch.ones_like(columns, dtype=torch.bool)
    there[:, 1:] = columns[:, 1:] != columns[:, :-1]
    taken = torch.zeros((rows, width), dtype=torch.bool)
    taken[torch.from_numpy(part.own_row), torch.from_numpy(part.own_column)] = True
    there &= ~taken.gather(1, columns)
    # What there is comes first, and the rest is cut off.
    order = torch.argsort(~there, dim=1, stable=True)[:, : max(int(there.sum(dim=1).max()), 1)]
    columns, there = columns.gather(1, order), there.gather(1, order)
    taken.scatter_(1, columns, True)
    others = torch.from_numpy(rng.integers(0, width, (rows, SAMPLE)))
    other = ~taken.gather(1, others)
    left = width - taken.sum(dim=1)
    logs = log_shares(shares)

    def of(places: Tensor) -> Evidence:
        return Evidence(logits.gather(1, places), follow.gather(1, places), logs[places])

    row, column = torch.from_numpy(target_row), torch.from_numpy(target_column)
    return Shortlist(
        of(columns),
        there,
        of(others),
        other,
        left / other.sum(dim=1).clamp_min(1),
        row,
        Evidence(logits[row, column], follow[row, column], logs[column]),
    )


def joined(parts: Sequence[Shortlist]) -> Shortlist:
    """All requests in one."""
    starts = np.cumsum([0, *(len(part.there) for part in parts)])

    def wide(values: Sequence[Tensor]) -> Tensor:
        width = max(part.shape[1] for part in values)
        shape = (int(starts[-1]), width, *values[0].shape[2:])
        table = values[0].new_zeros(shape)
        for start, part in zip(starts.tolist(), values, strict=False):
            table[start : start + len(part), : part.shape[1]] = part
        return table

    def both(join: Callable[[Sequence[Tensor]], Tensor], evidence: Sequence[Evidence]) -> Evidence:
        return Evidence(*(join([getattr(part, each.name) for part in evidence]) for each in fields(Evidence)))

    rows = [part.target_row + start for start, part in zip(starts.tolist(), parts, strict=False)]
    return Shortlist(
        both(wide, [part.items for part in parts]),
        wide([part.there for part in parts]),
        both(wide, [part.others for part in parts]),
        wide([part.other for part in parts]),
        torch.cat([part.each for part in parts]),
        torch.cat(rows),
        both(lambda values: torch.cat(list(values)), [part.targets for part in parts]),
    )
