"""For each request, the items that some part of the pool puts first, so that powers can be compared on many requests.

A product of parts puts on top what at least one part has near its own top; the tens of thousands of other items cost memory
and time and change few lists of twenty. A sample of them stands for them all: powers that put the tail first must not look
good because the tail is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import I64
from transfer.learned.pool import BACK_OFF, NETWORK, NEXT, SHARES, log_follow, log_shares
from transfer.learned.ranking import ScenarioCandidates
from transfer.training.gains import expected_gain

BEST = 256
"""Items of each part that are kept, at most."""
SAMPLE = 512
"""Other items that stand for all others."""
CUT = 20
EQUAL = 1e-6
"""Scores are equal that differ by no more than this part of them."""


@dataclass(frozen=True, slots=True, eq=False)
class PartScores:
    """What the parts of the pool say of items (...)."""

    parts: Tensor
    """(2 + C, ...) q . t, p_next, then the logs of the shares; one part lies together, since powers are tried one by one"""

    def logs(self, power: int, back_off: Tensor) -> Tensor:
        """(...) what the power multiplies."""
        if power == NETWORK:
            return self.parts[0]
        if power == NEXT:
            return log_follow(self.parts[1], self.parts[-1].unsqueeze(-1), back_off)
        return self.parts[2 + power - SHARES]

    def pooled(self, powers: Tensor) -> Tensor:
        """(...) log p_new but for a constant of each request; powers (3 + C,)."""
        searched = [power for power in range(len(powers)) if power != BACK_OFF]
        total = torch.zeros_like(self.parts[0])
        for power in searched:
            total.add_(self.logs(power, powers[BACK_OFF]), alpha=float(powers[power]))
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """log p_new of a shortlist's items (R, W), others (R, S) and targets (T,) at some powers; -inf where there is no item."""

    items: Tensor
    others: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """W items of each of R requests, S others, none of them the user's own, and T targets."""

    items: PartScores
    """(R, W)"""
    there: Tensor
    """(R, W) bool: an item, not padding"""
    others: PartScores
    """(R, S)"""
    other: Tensor
    """(R, S) bool: an item that is not among the W"""
    each: Tensor
    """(R,) how many items each of the S stands for"""
    target_row: Tensor
    """(T,) request of each target"""
    targets: PartScores
    """(T,)"""
    listed: Tensor
    """(T,) bool: the target is one of the W"""

    def pooled(self, powers: Tensor) -> Pooled:
        """All that is ranked, at powers (3 + C,)."""
        return Pooled(
            self.items.pooled(powers).masked_fill_(~self.there, -torch.inf),
            self.others.pooled(powers).masked_fill_(~self.other, -torch.inf),
            self.targets.pooled(powers),
        )

    def moved(self, pooled: Pooled, power: int, by: float, back_off: Tensor) -> Pooled:
        """The same were the power greater by `by`: a tenth of the work of computing all powers."""
        return Pooled(
            *(
                torch.add(before, found.logs(power, back_off), alpha=by)
                for before, found in (
                    (pooled.items, self.items),
                    (pooled.others, self.others),
                    (pooled.targets, self.targets),
                )
            )
        )

    def gain(self, pooled: Pooled) -> Tensor:
        """(T,) NDCG at CUT of each target; 0 for one that no part puts among its best.

        Of such a target the sample tells the rank to some hundred places only. Were it believed where none of the sample comes
        before, powers that put first what nobody takes would look twice as good as the best ones: they predict the few
        newcomers that are among it.
        """
        hit, row = pooled.targets.unsqueeze(1), self.target_row
        # The same sum in another place of a vector may differ in its last bits.
        near = EQUAL * (1 + hit.abs())
        items, others, each = pooled.items[row] - hit, pooled.others[row] - hit, self.each[row]
        ahead = (items > near).sum(dim=1) + (others > near).sum(dim=1) * each
        tied = (items.abs() <= near).sum(dim=1) - 1 + (others.abs() <= near).sum(dim=1) * each
        return torch.where(self.listed, expected_gain(ahead, tied.clamp_min(0), CUT), 0.0)


def shortlist(
    part: ScenarioCandidates, target_row: I64, target_column: I64, rng: np.random.Generator, best: int = BEST
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
    logs = log_shares(shares).T.contiguous()

    def of(columns: Tensor) -> PartScores:
        return PartScores(
            torch.cat([torch.stack([logits.gather(1, columns), follow.gather(1, columns)]), logs[:, columns]])
        )

    row, column = torch.from_numpy(target_row), torch.from_numpy(target_column)
    return Shortlist(
        of(columns),
        there,
        of(others),
        other,
        left / other.sum(dim=1).clamp_min(1),
        row,
        PartScores(torch.cat([torch.stack([logits[row, column], follow[row, column]]), logs[:, column]])),
        ((columns[row] == column.unsqueeze(1)) & there[row]).any(dim=1),
    )


def join_shortlists(parts: Sequence[Shortlist]) -> Shortlist:
    """All requests in one."""
    starts = np.cumsum([0, *(len(part.there) for part in parts)])

    def wide(values: Sequence[Tensor]) -> Tensor:
        """(..., R, W) with the requests of all values, as wide as the widest."""
        table = values[0].new_zeros(
            (*values[0].shape[:-2], int(starts[-1]), max(part.shape[-1] for part in values))
        )
        for start, part in zip(starts.tolist(), values, strict=False):
            table[..., start : start + part.shape[-2], : part.shape[-1]] = part
        return table

    rows = [part.target_row + start for start, part in zip(starts.tolist(), parts, strict=False)]
    return Shortlist(
        PartScores(wide([part.items.parts for part in parts])),
        wide([part.there for part in parts]),
        PartScores(wide([part.others.parts for part in parts])),
        wide([part.other for part in parts]),
        torch.cat([part.each for part in parts]),
        torch.cat(rows),
        PartScores(torch.cat([part.targets.parts for part in parts], dim=1)),
        torch.cat([part.listed for part in parts]),
    )
