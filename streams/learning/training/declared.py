"""What a declared interest is worth, fitted on stand-ins: no log holds what users declare.

The stand-in for what a user would say is the titles of a few items that the user took later than what is asked for: the unit
sum of their texts' vectors. They are no targets. Each user is asked of twice: as they are, and as if nothing were known of
them (cold). By NDCG@10 of items that are new to the user, cold users choose the power of the mixture, 0 where its gain may be
chance; known ones choose how it fades beside events, and c of the analytic model, its default where a gain may be chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streams.learning.fit import ItemContent
from streams.learning.queries import Queries
from streams.learning.training.declared_gains import Gains, best_value, target_gains
from streams.learning.training.network import Tell
from streams.learning.training.requests_at import Later, RequestBlock, request_blocks
from streams.learning.training.training_run import TrainingRun
from transfer.analytic.declared import with_declared
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, F64, I64
from transfer.codes import NONE, OPEN
from transfer.learned.model import LearnedModel
from transfer.rows import positions_in, segment_sum
from transfer.state.packing import unpack_states
from transfer.state.states import InterestStates, empty_states, take_users

if TYPE_CHECKING:
    from transfer.learned.mixture import Mixture
    from transfer.learned.ranking import ScenarioCandidates

POWERS: Final = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
FADES: Final = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
"""k that are tried, in events: of `transfer.learned.mixture.DeclaredPowers`."""
WORTHS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
"""c that are tried, in events."""
USUAL: Final = WORTHS.index(5.0)
WORDS: Final = 3
"""Titles of a stand-in, at most."""
REQUESTS: Final = 1500


@dataclass(frozen=True, slots=True, eq=False)
class StandIns:
    """Of the queries of a block that have one: the query, the user's state and what the user would say."""

    query: I64
    """(V,) which of the block's queries"""
    states: InterestStates
    said: F32
    """(V, D) unit vectors"""


def fit_declared(
    run: TrainingRun,
    parts: list[tuple[LearnedModel, Later]],
    content: ItemContent,
    mixture: Mixture,
    tell: Tell | None = None,
) -> dict[str, Any]:
    """Choose the powers of `mixture`, which has them afterwards, and c; gives what was measured.

    parts: models that have not learned the rows that come after them, and these. content: of the history's items.
    """
    from transfer.learned.mixture import DeclaredPowers

    kinds = [(named, cold) for named in (False, True) for cold in (False, True)]
    pooled = {kind: Gains() for kind in kinds}
    analytic = {cold: Gains() for cold in (False, True)}
    words = np.zeros((len(content.vectors), run.data.encoder.dim), np.float32)
    worded = content.vectors.any(axis=1)
    words[worded] = run.data.encoder.texts(content.vectors[worded])
    model = AnalyticTransfer(run.interest)
    for learned, later in parts:
        for block in request_blocks(run, later, learned, REQUESTS // len(parts)):
            stand_ins = _stand_ins(run, block, words, later)
            if not len(stand_ins.query):
                continue
            for cold in (False, True):
                _of_mixture(
                    block,
                    stand_ins,
                    learned,
                    mixture,
                    {named: pooled[named, cold] for named in (False, True)},
                    cold,
                )
                _of_analytic(run, block, stand_ins, model, analytic[cold], cold)
    chosen = {named: best_value(pooled[named, True], range(len(POWERS)), 0) for named in (False, True)}
    # Of each power the fades stand side by side; open requests choose for both.
    at = chosen[False] * len(FADES)
    fade = best_value(pooled[False, False], range(at, at + len(FADES)), at) - at if chosen[False] else 0
    powers = {named: POWERS[place] for named, place in chosen.items()}
    mixture.config = mixture.config.model_copy(
        update={"declared": DeclaredPowers(open=powers[False], given=powers[True], events=FADES[fade])}
    )
    worth = WORTHS[best_value(analytic[False], range(1, len(WORTHS)), USUAL)]
    report = {
        "stand_in": f"titles of up to {WORDS} later items",
        "power": {"open": powers[False], "given": powers[True]},
        "fade_events": FADES[fade],
        "powers": list(POWERS),
        "mixture": {
            f"{'given' if named else 'open'}, {'cold' if cold else 'known'}": _with_and_without(
                pooled[named, cold].means(), chosen[named] if cold else chosen[named] * len(FADES) + fade
            )
            for named, cold in kinds
        },
        "cold_by_power": {"open": pooled[False, True].means(), "given": pooled[True, True].means()},
        "worth": worth,
        "worths": list(WORTHS),
        "analytic": {"known": analytic[False].means(), "cold": analytic[True].means()},
    }
    if tell is not None:
        _tell(report, tell)
    return report


def _tell(report: Mapping[str, Any], tell: Tell) -> None:
    power = report["power"]
    tell(
        f"declared interests, on stand-ins ({report['stand_in']}): power {power['open']:g}, in a named scenario "
        f"{power['given']:g}, fading beside {report['fade_events']:g} events; for the analytic model transfer.declared = "
        f"{report['worth']:g}"
    )
    for name, means in report["mixture"].items():
        if means is not None:
            tell(
                f"  NDCG@10 of new items, {name}: {means['with']:.4f} with them, {means['without']:.4f} without"
            )


def _stand_ins(run: TrainingRun, block: RequestBlock, words: F32, later: Later) -> StandIns:
    """What users of the block would have said: of the items that they take after the query's basket, none of it."""
    history, queries = run.data.history, block.queries
    rng = np.random.default_rng(run.config.seed)
    inside = np.zeros(len(history), np.bool_)
    inside[later.rows] = True
    kept, said = [], []
    for query in range(len(queries)):
        user = int(queries.user[query])
        rows = np.arange(int(queries.seen[query]), int(history.offsets[user + 1]))
        rows = rows[inside[rows] & (history.time[rows] > queries.time[query])]
        targets = queries.target_item[queries.target_offsets[query] : queries.target_offsets[query + 1]]
        items = np.setdiff1d(history.item[rows], [NONE, *targets.tolist()])
        items = items[words[items].any(axis=1)]
        if len(items):
            chosen = rng.permutation(items)[:WORDS]
            total = words[chosen].sum(axis=0)
            length = float(np.linalg.norm(total))
            if length > 1e-6:
                kept.append(query)
                said.append(total / length)
    chosen_queries = np.array(kept, np.int64)
    at = run.data.to_log[queries.seen[chosen_queries]].tolist()
    states = unpack_states([later.states[row] for row in at], run.interest)
    return StandIns(chosen_queries, states, np.array(said, np.float32).reshape(len(kept), words.shape[1]))


def _of_mixture(
    block: RequestBlock,
    stand_ins: StandIns,
    model: LearnedModel,
    mixture: Mixture,
    gains: Mapping[bool, Gains],
    cold: bool,
) -> None:
    """Add the gains of the pool's order at each power."""
    import torch

    from transfer.learned.ranking import candidates_by_scenario, follow_shares
    from transfer.learned.requests import requests_of

    queries, index = block.queries.take(stand_ins.query), block.index
    states = empty_states(len(queries), model.interest) if cold else stand_ins.states
    requests = requests_of(states, queries.scenario, model, index, mixture.config.places)
    requests = replace(requests, declared=stand_ins.said)
    beside = states.n_events.astype(np.float64)
    with torch.inference_mode():
        weights = mixture(requests.mixture_input())
        for group in candidates_by_scenario(
            requests, follow_shares(requests, weights, index), index, mixture.config
        ):
            pooled = replace(group, declared=None).pooled(mixture).numpy()
            said = group.declared if group.declared is not None else np.zeros_like(pooled)
            row, column, users = _targets(queries, group)
            fades = [np.ones(len(pooled))] if cold else [_part(fade, beside[group.rows]) for fade in FADES]
            found = np.stack(
                [
                    target_gains(pooled + power * said * left.astype(np.float32)[:, None], row, column)
                    for power in POWERS
                    for left in fades
                ],
                axis=1,
            )
            gains[group.given].add(found, users)


def _targets(queries: Queries, group: ScenarioCandidates) -> tuple[I64, I64, I64]:
    """Rows and columns of the group's targets that are new to their users, and the users."""
    rows, columns, users = [], [], []
    width = len(group.members)
    own = set((group.own_row * width + group.own_column).tolist())
    for row, query in enumerate(group.rows.tolist()):
        targets = queries.target_item[queries.target_offsets[query] : queries.target_offsets[query + 1]]
        for column in positions_in(group.members, targets.astype(np.int64)).tolist():
            if column != NONE and row * width + column not in own:
                rows.append(row)
                columns.append(column)
                users.append(int(queries.user[query]))
    return np.array(rows, np.int64), np.array(columns, np.int64), np.array(users, np.int64)


def _of_analytic(
    run: TrainingRun,
    block: RequestBlock,
    stand_ins: StandIns,
    model: AnalyticTransfer,
    gains: Gains,
    cold: bool,
) -> None:
    """Add the gains of the order by cosine to the fused vector at each c, of open requests."""
    open_ = np.flatnonzero(block.queries.scenario[stand_ins.query] == OPEN)
    if not len(open_):
        return
    queries, index = block.queries.take(stand_ins.query[open_]), block.index
    states = empty_states(len(open_), run.interest) if cold else take_users(stand_ins.states, open_)
    said = stand_ins.said[open_].astype(np.float64)
    fused = model(states).fused.astype(np.float64)
    mass = segment_sum(states.masses(run.interest.action_weights)[:, -1], states.scenario_offsets)
    vectors = run.data.log.vectors[index.candidates]
    history, apart = run.data.history, np.zeros((len(queries), len(vectors)), np.float32)
    row, column, users = [], [], []
    for query, user in enumerate(queries.user.tolist()):
        targets = queries.target_item[queries.target_offsets[query] : queries.target_offsets[query + 1]]
        earlier = history.item[int(history.offsets[user]) : int(queries.seen[query])]
        if not cold:  # what the user knows already is no answer
            known = positions_in(index.candidates, np.unique(earlier[earlier != NONE]).astype(np.int64))
            apart[query, known[known != NONE]] = -np.inf
        for at in positions_in(index.candidates, targets.astype(np.int64)).tolist():
            if at != NONE and np.isfinite(apart[query, at]):
                row.append(query)
                column.append(at)
                users.append(user)
    if not row:
        return
    places = np.array(row, np.int64), np.array(column, np.int64)
    found = []
    for worth in WORTHS:
        scores = (with_declared(fused.copy(), mass, said, worth) @ vectors.T).astype(np.float32)
        found.append(target_gains(scores + apart, *places))
    gains.add(np.stack(found, axis=1), np.array(users, np.int64))


def _part(fade: float, events: F64) -> F64:
    from transfer.learned.mixture import DeclaredPowers

    return DeclaredPowers(events=fade).part(events)


def _with_and_without(means: list[float], chosen: int) -> dict[str, float] | None:
    return {"with": means[chosen], "without": means[0]} if means else None
