"""Fitting of the pool: the powers at which network, transitions and shares foresee items that are new to a user best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import I64
from transfer.learned.mixture import Mixture
from transfer.learned.pool import BACK_OFF, NEXT, SHARES, Pool, log_follow, log_shares, multiplied
from transfer.learned.ranking import Candidates, candidates, follow_shares
from transfer.learned.requests import Requests
from transfer.learned.space import ItemSpace
from transfer.rows import owners
from transfer.training.config import TrainConfig
from transfer.training.mixture_stage import targets_among

BATCH = 64
RATE = 0.02
EPOCHS = 8
ELEMENTS = 80_000_000
"""Most pairs of a request and an item that are held: 12 bytes each."""
CUT = 20
STEPS = (0.5, 0.2, 0.1)
"""Of the search, in parts of the largest power."""
GAIN = 1e-3
"""Part of the measure that a step must gain: less is chance."""
SCALES = tuple(2.0**power for power in np.linspace(-3, 3, 25).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Some requests of one scenario at one time, and T targets of theirs that are new to them."""

    candidates: Candidates
    target_row: I64
    target_column: I64


def pool_requests(config: TrainConfig, items: int) -> int:
    """How many requests are affordable with so many items."""
    return max(BATCH, min(config.pool_queries, ELEMENTS // max(items, 1)))


def cases(
    requests: Requests, target_offsets: I64, target: I64, space: ItemSpace, mixture: Mixture
) -> list[Case]:
    """What the pool is fitted on; places weigh as in `mixture`."""
    owner = owners(target_offsets)
    found = []
    with torch.inference_mode():
        weights = mixture(requests.evidence())
    for part in candidates(
        requests, follow_shares(requests, weights, space), space, mixture.config.use_again
    ):
        _, row, column = targets_among(part, owner, target)
        width = len(part.members)
        new = ~np.isin(row * width + column, part.own_row * width + part.own_column)
        if new.any():
            found.append(Case(part, row[new], column[new]))
    return found


def fit_pool(mixture: Mixture, data: Sequence[Case], config: TrainConfig) -> list[dict[str, float]]:
    """Choose the powers for open requests and for those that name a scenario.

    The greatest likelihood is where the search begins, besides each share alone. It goes by NDCG: likelihood cares for the
    many items that are seldom taken, which no list of ten shows. (On groceries the likeliest pool ranked new items worse
    than the day's popular ones did.) In the end all powers are scaled to the greatest likelihood, so that the mixture's gates
    can trust the probabilities.
    """
    pool = mixture.pool
    report = []
    for given in (False, True):
        mine = [case for case in data if case.candidates.given == given]
        if not mine:
            continue
        _climb(mixture, mine, config)
        powers = pool.powers.data[int(given)]
        held = [_Held(case, powers[BACK_OFF]) for case in mine]
        likeliest = powers * pool.used
        likeliest[: NEXT + 1].clamp_(min=0.0)
        starts = [likeliest]
        for place in _free(pool):
            if place >= SHARES:
                alone = torch.zeros_like(likeliest)
                alone[BACK_OFF], alone[place] = likeliest[BACK_OFF], 1.0
                starts.append(alone)
        found = [_searched(held, start, _free(pool)) for start in starts]
        best, chosen = max(found, key=lambda pair: pair[0])
        scales = [(_loss(held, _scaled(chosen, scale)), scale) for scale in SCALES]
        loss, scale = min(scales)
        powers.copy_(_scaled(chosen, scale))
        report.append(
            {
                "given": float(given),
                "targets": float(sum(len(case.target_row) for case in mine)),
                "ndcg": best,
                "ndcg_of_likeliest": _gain(held, likeliest),
                "loss": loss,
                "loss_of_likeliest": _loss(held, likeliest),
            }
        )
    return report


def _climb(mixture: Mixture, data: Sequence[Case], config: TrainConfig) -> None:
    """To the greatest likelihood."""
    rng = np.random.default_rng(config.seed)
    optimizer = torch.optim.AdamW(mixture.pool.parameters(), lr=RATE, weight_decay=0.0)
    for _ in range(EPOCHS):
        for number in rng.permutation(len(data)).tolist():
            case = data[number]
            found = case.candidates.log_new(mixture)
            hit = found[torch.from_numpy(case.target_row), torch.from_numpy(case.target_column)]
            optimizer.zero_grad()
            (-hit.sum() / BATCH).backward()
            torch.nn.utils.clip_grad_norm_(mixture.pool.parameters(), config.gradient_norm)
            optimizer.step()


class _Held:
    """The logs that powers are applied to, made once."""

    def __init__(self, case: Case, back_off: Tensor) -> None:
        part = case.candidates
        self.case = case
        self.shares = log_shares(torch.from_numpy(part.shares))
        self.follow = log_follow(torch.from_numpy(part.follow), self.shares, back_off)
        self.logits = torch.from_numpy(part.logits)
        self.row, self.column = torch.from_numpy(case.target_row), torch.from_numpy(case.target_column)

    def pooled(self, powers: Tensor) -> Tensor:
        return self.case.candidates.without_own(multiplied(powers, self.logits, self.follow, self.shares))


def _gain(data: Sequence[_Held], powers: Tensor) -> float:
    """NDCG at CUT of the targets."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for held in data:
            pooled = held.pooled(powers)
            hit = pooled[held.row, held.column]
            best = torch.topk(pooled, min(CUT, pooled.shape[1]), dim=1).values
            rank = (best[held.row] > hit.unsqueeze(1)).sum(dim=1)
            total += float(torch.where(rank < CUT, 1 / torch.log2(rank + 2.0), 0.0).sum())
            count += len(hit)
    return total / max(count, 1)


def _loss(data: Sequence[_Held], powers: Tensor) -> float:
    """Mean negative log likelihood of the targets."""
    total, count = 0.0, 0
    with torch.inference_mode():
        for held in data:
            pooled = held.pooled(powers)
            total -= float((pooled[held.row, held.column] - torch.logsumexp(pooled, dim=1)[held.row]).sum())
            count += len(held.row)
    return total / max(count, 1)


def _free(pool: Pool) -> list[int]:
    """Places of the powers that are searched."""
    return [place for place in torch.nonzero(pool.used)[:, 0].tolist() if place != BACK_OFF]


def _searched(data: Sequence[_Held], start: Tensor, free: list[int]) -> tuple[float, Tensor]:
    """Best powers that steps of one power at a time lead to; those of the network and of what follows stay positive."""
    powers, best = start.clone(), _gain(data, start)
    for step in STEPS:
        size = step * max(float(powers.abs()[free].max()), 1e-3)
        for place in free:
            for sign in (1.0, -1.0):
                moved = powers.clone()
                moved[place] += sign * size
                if place < SHARES:
                    moved[place].clamp_(min=0.0)
                value = _gain(data, moved)
                if value > best * (1 + GAIN):
                    powers, best = moved, value
                    break
    return best, powers


def _scaled(powers: Tensor, scale: float) -> Tensor:
    """All powers times `scale`, the back-off as it is."""
    scaled = powers * scale
    scaled[BACK_OFF] = powers[BACK_OFF]
    return scaled
