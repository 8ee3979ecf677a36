"""Fitting of the pool: the powers at which network, transitions and shares predict items that are new to a user best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import F64, I64, Bool
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import Mixture
from transfer.learned.pool import BACK_OFF, NEXT, SHARES, Pool
from transfer.learned.ranking import ScenarioCandidates, candidates_by_scenario, follow_shares
from transfer.learned.requests import Requests
from transfer.rows import owners
from transfer.training.config import TrainConfig
from transfer.training.mixture_stage import targets_among
from transfer.training.shortlist import Pooled, Shortlist, join_shortlists, shortlist

BATCH = 64
RATE = 0.02
EPOCHS = 8
ELEMENTS = 80_000_000
"""Most pairs of a request and an item that are held: 12 bytes each."""
LISTED = 512
"""Requests of a shortlist, about."""
STEPS = (0.5, 0.2, 0.1)
"""Of the search, in parts of the largest power."""
GAIN = 1e-3
"""Part of the measure that a step must gain: less is chance."""
SCALES = tuple(2.0**power for power in np.linspace(-3, 3, 25).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Some requests of one scenario at one time, and T targets of theirs that are new to them."""

    candidates: ScenarioCandidates
    target_row: I64
    target_column: I64

    def some(self, kept: Bool) -> Case:
        """Some of the requests, kept (R,)."""
        part = self.candidates
        place = np.cumsum(kept) - 1
        own, target = kept[part.own_row], kept[self.target_row]
        candidates = replace(
            part,
            rows=part.rows[kept],
            logits=part.logits[kept],
            follow=part.follow[kept],
            own_row=place[part.own_row[own]],
            own_column=part.own_column[own],
        )
        return Case(candidates, place[self.target_row[target]], self.target_column[target])


@dataclass(frozen=True, slots=True)
class PoolCases:
    """What the pool is fitted on: all items for some requests, the likely ones for many."""

    cases: list[Case]
    shortlists: list[tuple[bool, Shortlist]]
    """and whether the requests name a scenario"""


def pool_cases(cases: Iterable[Case], config: TrainConfig, items: int) -> PoolCases:
    """As many requests with all `items` as memory allows, chosen at random, and a shortlist for each."""
    rng = np.random.default_rng(config.seed)
    share = ELEMENTS / max(config.pool_queries * items, 1)
    pool = PoolCases([], [])
    waiting: dict[bool, list[Shortlist]] = {False: [], True: []}
    for case in cases:
        part = case.candidates
        waiting[part.given].append(shortlist(part, case.target_row, case.target_column, rng))
        if sum(len(each.there) for each in waiting[part.given]) >= LISTED:
            pool.shortlists.append((part.given, join_shortlists(waiting[part.given])))
            waiting[part.given] = []
        kept = rng.random(len(part.rows)) < share
        if kept[case.target_row].any():
            pool.cases.append(case if kept.all() else case.some(kept))
    pool.shortlists.extend((given, join_shortlists(parts)) for given, parts in waiting.items() if parts)
    return pool


def cases(
    requests: Requests, target_offsets: I64, target: I64, index: ItemIndex, mixture: Mixture
) -> list[Case]:
    """What the pool is fitted on; places weigh as in `mixture`."""
    owner = owners(target_offsets)
    result = []
    with torch.inference_mode():
        weights = mixture(requests.mixture_input())
    for part in candidates_by_scenario(
        requests, follow_shares(requests, weights, index), index, mixture.config
    ):
        _, row, column = targets_among(part, owner, target)
        width = len(part.members)
        new = ~np.isin(row * width + column, part.own_row * width + part.own_column)
        if new.any():
            result.append(Case(part, row[new], column[new]))
    return result


def fit_pool(mixture: Mixture, data: PoolCases, config: TrainConfig) -> list[dict[str, float]]:
    """Choose the powers for open requests and for those that name a scenario.

    The greatest likelihood is where the search begins, besides each share alone. It goes by NDCG: likelihood cares for the
    many items that are seldom taken, which no list of ten shows. (On groceries the likeliest pool ranked new items worse
    than the day's popular ones did.) In the end all powers are scaled to the greatest likelihood, so that the mixture's gates
    can trust the probabilities.
    """
    pool = mixture.pool
    report = []
    for given in (False, True):
        mine = [case for case in data.cases if case.candidates.given == given]
        lists = [searched for named, searched in data.shortlists if named == given]
        if not mine:
            continue
        _climb(mixture, mine, config)
        powers = pool.powers.data[int(given)]
        likeliest = powers * pool.used
        likeliest[: NEXT + 1].clamp_(min=0.0)
        starts = [likeliest]
        for power in _free(pool):
            if power >= SHARES:
                alone = torch.zeros_like(likeliest)
                alone[BACK_OFF], alone[power] = likeliest[BACK_OFF], 1.0
                starts.append(alone)
        searched = [_searched(lists, start, _free(pool)) for start in starts]
        best, chosen = max(searched, key=lambda pair: pair[0])
        likeliest_loss = float(_losses(mixture, mine, (1.0,))[0])
        powers.copy_(chosen)
        losses = _losses(mixture, mine, SCALES)
        scale = SCALES[int(losses.argmin())]
        powers.copy_(_scaled(chosen, scale))
        report.append(
            {
                "given": float(given),
                "targets": float(sum(len(searched.target_row) for searched in lists)),
                "ndcg": best,
                "ndcg_of_likeliest": _gain(lists, (each.pooled(likeliest) for each in lists)),
                "loss": float(losses.min()),
                "loss_of_likeliest": likeliest_loss,
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


def _gain(data: Sequence[Shortlist], pooled: Iterable[Pooled]) -> float:
    """Mean NDCG of the targets; one list after the other, so that what is not kept costs no memory."""
    total, count = 0.0, 0
    for each, found in zip(data, pooled, strict=True):
        gain = each.gain(found)
        total, count = total + float(gain.sum()), count + len(gain)
    return total / max(count, 1)


def _losses(mixture: Mixture, data: Sequence[Case], scales: Sequence[float]) -> F64:
    """Mean negative log likelihood of the targets, were all powers times each of the scales."""
    total, count = np.zeros(len(scales)), 0
    with torch.inference_mode():
        for case in data:
            pooled = case.candidates.pooled(mixture)
            hit = pooled[case.target_row, case.target_column]
            for number, scale in enumerate(scales):
                rest = torch.logsumexp(pooled * scale, dim=1)[case.target_row]
                total[number] += float((rest - hit * scale).sum())
            count += len(case.target_row)
    return total / max(count, 1)


def _free(pool: Pool) -> list[int]:
    """Numbers of the powers that are searched."""
    return [power for power in torch.nonzero(pool.used)[:, 0].tolist() if power != BACK_OFF]


def _searched(data: Sequence[Shortlist], start: Tensor, free: list[int]) -> tuple[float, Tensor]:
    """Best powers that steps of one power at a time lead to; those of the network and of what follows stay positive."""
    powers, back_off = start.clone(), start[BACK_OFF]
    pooled = [each.pooled(powers) for each in data]
    best = _gain(data, pooled)
    for step in STEPS:
        size = step * max(float(powers.abs()[free].max()), 1e-3)
        for power in free:
            for sign in (1.0, -1.0):
                by = sign * size
                if power < SHARES:
                    by = max(by, -float(powers[power]))
                trial = (
                    each.moved(found, power, by, back_off) for each, found in zip(data, pooled, strict=True)
                )
                value = _gain(data, trial)
                if value > best * (1 + GAIN):
                    best = value
                    powers[power] += by
                    pooled = [
                        each.moved(found, power, by, back_off)
                        for each, found in zip(data, pooled, strict=True)
                    ]
                    break
    return best, powers


def _scaled(powers: Tensor, scale: float) -> Tensor:
    """All powers times `scale`, the back-off as it is."""
    scaled = powers * scale
    scaled[BACK_OFF] = powers[BACK_OFF]
    return scaled
