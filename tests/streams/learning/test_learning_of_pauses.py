"""What training makes of the pause before a request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.learning.history import History
from streams.learning.queries import open_queries
from streams.learning.training.requests_at import item_index, pauses_of, requests_at, states_before
from streams.learning.training.train import train
from streams.learning.training.training_data import training_data
from streams.learning.training.training_run import TrainingRun
from support.data.histories import Shopping, history_of
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.counts.counts import empty_counts
from transfer.learned.ranking import rank
from transfer.training.config import TrainConfig

DAY = 86400.0
USERS, VISITS, ITEMS = 30, 12, 60


def shopping(visit_gap_s: float) -> list[Shopping]:
    """Visits days apart, of two to five events on one item; every visit is about another item."""
    rng = np.random.default_rng(0)
    rows: list[Shopping] = []
    for user in range(USERS):
        items, at = rng.permutation(ITEMS)[:VISITS], rng.random() * DAY
        for item in items.tolist():
            at += visit_gap_s * (2 + 3 * rng.random())
            rows += [(f"u{user}", f"i{item}", at + 60.0 * event, "s") for event in range(rng.integers(2, 6))]
    return rows


def run_on(found: History) -> TrainingRun:
    later = found.time >= np.quantile(found.time, 0.6)
    rows = np.flatnonzero(~later)
    config = TrainConfig(
        width=8, epochs=1, mixture_epochs=12, mixture_rate=0.02, count_blocks=2, refit=False, threads=1
    )
    return TrainingRun(
        training_data(found, rows, dim=16),
        rows[np.argsort(found.time[rows], kind="stable")],
        np.flatnonzero(later),
        InterestConfig(dim=16),
        CountsConfig(half_lives_s=(DAY, float("inf"))),
        config,
    )


def test_a_model_learns_that_people_come_back_for_something_else() -> None:
    """Where a visit stays with its item and the next one is about another, own items get most of a request within the visit
    and little of one that comes days later; the same states say the one and the other."""
    found = history_of(shopping(DAY))
    run = run_on(found)
    model = train(run).model
    assert model.mixture is not None
    pauses = pauses_of(run)
    assert model.mixture.config.pauses == pauses and 2 * DAY < pauses.longest_s < 6 * DAY
    index = item_index(model, run.data, empty_counts(run.counts))
    queries = open_queries(found, run.validation)
    packed = states_before(run.data, queries, run.interest)
    latest = found.time[queries.seen - 1]
    own = {}
    for pause in (60.0, 3 * DAY):
        asked = replace(queries, time=latest + pause)
        requests, _ = requests_at(run.data, asked, packed, model, index, run.config.places, pauses)
        own[pause] = float(rank(requests, model.mixture, index).gates[:, 0].mean())
    assert own[60.0] > 0.8 and own[3 * DAY] < 0.4


def test_a_log_without_pauses_has_no_visits_to_tell_apart() -> None:
    """Where nobody is away for longer than the gap between visits, the time of a request is of no account."""
    assert pauses_of(run_on(history_of(shopping(300.0)))).longest_s == 0
