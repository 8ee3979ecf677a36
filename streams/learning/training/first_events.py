"""How far what is popular speaks beside a trained model for users of a few events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from streams.learning.training.popular_choice import choose_popular
from streams.learning.training.requests_at import Later, RequestBlock, request_blocks
from streams.learning.training.training_run import TrainingRun
from streams.serving.index_popular import IndexPopular
from transfer.arrays import F64, I64
from transfer.codes import OPEN
from transfer.learned.model import LearnedModel
from transfer.popular import FEW, PopularRule, blended, popular_part
from transfer.rows import positions_in

if TYPE_CHECKING:
    from transfer.learned.mixture import Mixture

EVENTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""k that are tried."""
CUT = 10
SURE = 2.0
"""Standard errors over users by which the best k has to be better than none."""
ENOUGH = 20
"""Users with a few events; fewer say nothing."""


def fit_popular(
    run: TrainingRun, parts: Sequence[tuple[LearnedModel, Later]], mixture: Mixture
) -> dict[str, object]:
    """Choose the shares that new visitors get and k of `PopularRule`; the mixture has them afterwards. Gives what was measured.

    parts: models that have not learned the rows that come after them, and these.
    """
    history = run.data.history
    known = np.union1d(run.rows, run.validation)
    choice = choose_popular(history, known[np.argsort(history.time[known], kind="stable")], run.counts)
    gains: dict[bool, list[F64]] = {False: [], True: []}
    users: dict[bool, list[I64]] = {False: [], True: []}
    for model, later in parts:
        few = replace(later, below=FEW, states={}, asked=set())
        for block in request_blocks(run, few, model, run.config.pool_queries // len(parts)):
            events = block.queries.seen - history.offsets[block.queries.user]
            found = _gains(block, events, mixture, choice.rule)
            given = block.requests.scenario != OPEN
            for named in (False, True):
                mine = given[block.queries.target_query] == named
                gains[named].append(found[mine])
                users[named].append(block.queries.user[block.queries.target_query][mine].astype(np.int64))
    best = {named: _best(gains[named], users[named]) for named in (False, True)}
    rule = choice.rule.model_copy(
        update={"events": EVENTS[best[False][0]], "events_given": EVENTS[best[True][0]]}
    )
    mixture.config = mixture.config.model_copy(update={"popular": rule})
    return {
        "rule": rule.model_dump(),
        "first_baskets": choice.asked,
        "shares": choice.gains,
        "events": list(EVENTS),
        "few_events": {name: best[named][1] for name, named in (("open", False), ("given", True))},
    }


def _gains(block: RequestBlock, events: I64, mixture: Mixture, rule: PopularRule) -> F64:
    """(T, K) NDCG@10 of the targets at each k; events (Q,): earlier ones of the requests' users."""
    from transfer.learned.ranking import rank

    requests, index = block.requests, block.index
    scores = rank(requests, mixture, index).scores
    popular = IndexPopular(index, rule)
    parts = np.stack([popular_part(events, k) for k in EVENTS], axis=1)
    gains = np.zeros((len(block.target), len(EVENTS)))
    offsets = block.queries.target_offsets
    order = np.argsort(index.keys)
    for row, code in enumerate(requests.scenario.tolist()):
        members = index.members(code)
        shares = np.zeros(len(index.keys))
        keys, values = popular.popular(None if code == OPEN else index.scenarios[code])
        shares[positions_in(index.keys, keys, order)] = values
        own = np.zeros(len(index.keys), np.bool_)
        own[requests.own[requests.own_offsets[row] : requests.own_offsets[row + 1]]] = True
        targets = slice(*offsets[row : row + 2].tolist())
        place = positions_in(members, block.target[targets])
        for column, part in enumerate(parts[row].tolist()):
            mine = scores[row, members].copy()
            blended(mine, shares[members], own[members], part)
            hit = mine[place]
            before = (mine[None, :] > hit[:, None]).sum(axis=1) + (
                (mine[None, :] == hit[:, None]).sum(axis=1) - 1
            ) / 2
            good = (place >= 0) & (hit > 0) & (before < CUT)
            gains[targets, column] = np.where(good, 1 / np.log2(before + 2), 0.0)
    return gains


def _best(gains: list[F64], users: list[I64]) -> tuple[int, list[float]]:
    """Which k has the best mean over targets, the first if that may be chance; and the means."""
    values = np.concatenate(gains) if gains else np.zeros((0, len(EVENTS)))
    if not len(values):
        return 0, []
    of_user, user = np.unique(np.concatenate(users), return_inverse=True)
    means = values.mean(axis=0)
    best = int(means.argmax())
    # As in a bootstrap over users: the sum of each user's differences.
    sums = np.bincount(user, values[:, best] - values[:, 0], minlength=len(of_user))
    error = float(sums.std()) * np.sqrt(len(sums)) / len(values)
    sure = len(of_user) >= ENOUGH and means[best] - means[0] > SURE * error
    return (best if sure else 0), means.round(5).tolist()
