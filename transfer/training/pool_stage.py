"""Fitting of the pool: the powers at which network, transitions and shares predict items that are new to a user best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from transfer.arrays import I64, Bool
from transfer.learned.item_index import ItemIndex
from transfer.learned.mixture import Mixture
from transfer.learned.pool import BACK_OFF, NEXT, SHARES, Pool
from transfer.learned.ranking import ScenarioCandidates, candidates_by_scenario, follow_shares
from transfer.learned.requests import Requests
from transfer.learned.temperatures import OWN, Ladder, likeliest_weights, log_mixture
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
AS_GOOD = 1e-3
"""Nats a target that a sharper set of rungs must gain."""
GUESS = 1e-6
"""Weight of all that is not uniform where nothing is better than that."""
WIDEST = 12
"""Rungs that are looked at, from one spread of the scores over all candidates being 1/8 on."""


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
    """Choose powers and temperatures for open requests and for those that name a scenario.

    The greatest likelihood is where the search begins, besides each share alone. It goes by NDCG: likelihood cares for the
    many items that are seldom taken, which no list of ten shows. (On groceries the likeliest pool ranked new items worse
    than the day's popular ones did.) So the powers are an order and no more; how likely an item at a place in it is, its
    temperatures say, which go by likelihood alone (`transfer.learned.temperatures`).
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
        powers.copy_(chosen)
        report.append(
            {
                "given": float(given),
                "targets": float(sum(len(searched.target_row) for searched in lists)),
                "ndcg": best,
                "ndcg_of_likeliest": _gain(lists, (each.pooled(likeliest) for each in lists)),
                **_warm(mixture, mine),
            }
        )
    return report


def _warm(mixture: Mixture, data: Sequence[Case]) -> dict[str, float]:
    """Scale the powers so that the rungs stand where the likelihood wants them, with the weights of the greatest one."""
    given = int(data[0].candidates.given)
    powers, heads, rungs = mixture.pool.powers.data[given], mixture.config.heads, mixture.config.rungs
    with torch.inference_mode():
        spread = max(float(np.mean([_spread(case.candidates.pooled(mixture)) for case in data])), 1e-6)
        wide = Ladder(heads, tuple(2.0**rung / 8 / spread for rung in range(WIDEST)))
        logs = torch.cat(
            [
                wide.log_parts(
                    case.candidates.pooled(mixture),
                    torch.from_numpy(case.target_row),
                    torch.from_numpy(case.target_column),
                )
                for case in data
            ]
        )
        tried = []
        for first in range(WIDEST - rungs + 1):
            window = [1 + head * WIDEST + first + rung for head in range(len(heads)) for rung in range(rungs)]
            part = logs[:, [0, *window]]
            weights = likeliest_weights(part)
            tried.append((-float(log_mixture(part, weights).mean()), first, weights))
    # The mildest of those that are as good as the best: of a few targets any score can be made sharp sense of.
    best, uniform = min(tried, key=lambda each: each[0])[0], -float(logs[:, 0].mean())
    enough = min(best + max(2 / len(logs), AS_GOOD), uniform)
    parts = mixture.config.ladder.size
    guess = torch.log(torch.tensor([1 - GUESS, *[GUESS / (parts - 1)] * (parts - 1)]))
    loss, first, weights = next((each for each in tried if each[0] <= enough), (uniform, 0, guess))
    scale = wide.multipliers[first]
    powers.copy_(_scaled(powers, scale))
    mixture.rungs.data[given] = weights
    sharpest = weights[rungs::rungs].exp().sum()
    return {
        "loss": loss,
        "loss_of_one_temperature": -float(logs[:, 1 : 1 + WIDEST].mean(dim=0).max()),
        "loss_of_uniform": uniform,
        "scale": scale,
        "first_rung": float(first),
        "at_the_edge": float(first == tried[-1][1] and sharpest > 0.5),
    }


def _spread(pooled: Tensor) -> float:
    """Mean standard deviation of scores over the candidates of a request."""
    competes = pooled > OWN / 2
    count = competes.sum(dim=1).clamp_min(1)
    kept = pooled.masked_fill(~competes, 0.0)
    mean = kept.sum(dim=1) / count
    square = ((kept - mean.unsqueeze(1)) ** 2 * competes).sum(dim=1) / count
    return float(square.sqrt().mean())


def _climb(mixture: Mixture, data: Sequence[Case], config: TrainConfig) -> None:
    """To the greatest likelihood."""
    rng = np.random.default_rng(config.seed)
    optimizer = torch.optim.AdamW(mixture.pool.parameters(), lr=RATE, weight_decay=0.0)
    for _ in range(EPOCHS):
        for number in rng.permutation(len(data)).tolist():
            case = data[number]
            found = torch.log_softmax(case.candidates.pooled(mixture), dim=1)
            hit = found[torch.from_numpy(case.target_row), torch.from_numpy(case.target_column)]
            optimizer.zero_grad()
            (-hit.sum() / BATCH).backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(mixture.pool.parameters(), config.gradient_norm)
            optimizer.step()


def _gain(data: Sequence[Shortlist], pooled: Iterable[Pooled]) -> float:
    """Mean NDCG of the targets; one list after the other, so that what is not kept costs no memory."""
    total, count = 0.0, 0
    for each, found in zip(data, pooled, strict=True):
        gain = each.gain(found)
        total, count = total + float(gain.sum()), count + len(gain)
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
