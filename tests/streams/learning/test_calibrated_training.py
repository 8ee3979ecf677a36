"""Training on logs with known answers: no component is ever below a guess, and noise is reported as noise."""

from __future__ import annotations

import numpy as np
import pytest

from streams.learning.count_rows import count_rows
from streams.learning.history import History
from streams.learning.training.folds import train_networks
from streams.learning.training.network import id_rows, positions_at
from streams.learning.training.network import positions as positions_of
from streams.learning.training.requests_at import item_index, request_blocks
from streams.learning.training.train import train
from streams.learning.training.training_data import training_data
from streams.learning.training.training_run import TrainingRun
from support.data.histories import history_of
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.learned.item_index import ItemIndex
from transfer.training.config import TrainConfig

USERS, ITEMS, EVENTS = 20, 16, 12


def history(kind: str) -> History:
    """Users in turn, a minute apart: items at random, each once in a random order, all the same, the next on a ring, or every
    second one new to everybody."""
    rng = np.random.default_rng(0)
    order, start = np.argsort(rng.random((USERS, ITEMS)), axis=1), rng.integers(ITEMS, size=USERS)
    rows = []
    for event in range(EVENTS):
        for user in rng.permutation(USERS).tolist():
            item = {
                "random": int(rng.integers(ITEMS)),
                "each once": int(order[user, event]),
                "one item": 0,
                "next": int((start[user] + event) % ITEMS),
                "fresh": len(rows) // 2 * 2 if event % 2 else int(rng.integers(max(len(rows), 1))) // 2 * 2,
            }[kind]
            rows.append((f"u{user}", f"i{item}", 60.0 * len(rows), f"s{item % 2}"))
    return history_of(rows)


def run_on(found: History, **settings: object) -> TrainingRun:
    """The last third of a log foretold by the rest."""
    row = np.arange(len(found))
    later = found.time >= np.quantile(found.time, 0.67)
    rows = row[~later][np.argsort(found.time[~later], kind="stable")]
    config = TrainConfig(width=8, epochs=1, mixture_epochs=3, count_blocks=4, threads=1)
    return TrainingRun(
        training_data(found, rows, dim=16),
        rows,
        row[later],
        InterestConfig(dim=16),
        CountsConfig(half_lives_s=(3600.0, float("inf"))),
        config.model_copy(update=settings),
    )


@pytest.mark.parametrize("kind", ["random", "each once", "one item", "next"])
def test_no_component_is_worse_than_a_guess(kind: str) -> None:
    """The pool's loss and the whole's are not above those of the uniform distribution; what is random is not reported as
    foreseen, and what is certain is."""
    said: list[str] = []
    report = train(run_on(history(kind)), tell=said.append).report
    for row in report.get("pool", []):
        assert row["loss"] <= row["loss_of_uniform"] + 1e-4
        chance = (1 / np.log2(np.arange(20) + 2)).sum() / np.exp(row["loss_of_uniform"])
        if kind == "random" and not row["given"]:
            assert row["ndcg"] < chance + 0.1
        if kind == "next":
            assert row["ndcg"] > 0.9 and row["loss"] < 0.2
    losses = [row["validation_loss"] for row in report["mixture"]]
    assert min(losses) <= report["uniform_loss"] + (0.1 if kind == "random" else 0)
    assert kind == "random" or not any("than a guess" in line for line in said)


def test_each_half_is_foreseen_by_a_network_that_has_not_learned_it() -> None:
    """Three networks go on from one, and all are different: two that each know one half of the validation part, its earlier or
    its later events, and one that serves and knows both."""
    run = run_on(history("next"))
    found = positions_of(run.data, run.interest)
    networks = train_networks(run, learn_on=True, tell=lambda line: None)
    (of_late, early), (of_early, late) = networks.halves
    time = run.data.history.time
    assert sorted([*early.tolist(), *late.tolist()]) == run.validation.tolist()
    assert time[early].max() < time[late].min()
    assert len(positions_at(run, found, early)) and len(positions_at(run, found, late))
    models = (networks.first, of_late, of_early, networks.served)
    towers = [model.towers(model.items.keys, model.items.vectors) for model in models]
    assert all(one is other or not np.allclose(one, other) for one in towers for other in towers)
    assert all((model.items.keys == networks.first.items.keys).all() for model in models)
    alone = train_networks(run, learn_on=False, tell=lambda line: None)
    assert alone.served is alone.first and alone.halves[0][1] is run.validation


def test_what_nobody_had_before_is_no_target_and_does_not_compete() -> None:
    """On a log in which every second event brings a new item: of what pool and gates are fitted on, each target was there
    before the request, and nothing competes that nobody had before the latest of them."""
    run = run_on(history("fresh"))
    log = run.data.history
    first = np.full(len(log.items), np.inf)
    np.minimum.at(first, log.item, log.time)
    (fold,) = train_networks(run, learn_on=False, tell=lambda line: None).folds(run, _index(run), True)
    targets, competing = 0, []
    for block in request_blocks(run, fold.later, fold.model, 10_000):
        times = block.queries.time[block.queries.target_query]
        assert (first[block.target] < times).all() and np.isin(block.target, block.index.candidates).all()
        assert (first[block.index.candidates] < times.max() + 3600).all()
        competing.append(len(block.index.candidates))
        targets += len(times)
    asked = log.time[run.validation]
    known = int((first[log.item[run.validation]] < asked).sum())
    assert targets == known < len(asked)
    assert min(competing) < max(competing) <= len(log.items)


def _index(run: TrainingRun) -> ItemIndex:
    model = train_networks(run, learn_on=False, tell=lambda line: None).first
    return item_index(model, run.data, count_rows(run.data.history, run.rows, run.counts))


def test_ids_stay_as_rows_are_added() -> None:
    """An item's row of the id table is the same after more events; later ones come behind."""
    run = run_on(history("random"), rare=3)
    some = TrainingRun(run.data, run.rows[:50], run.validation, run.interest, run.counts, run.config)
    before, after = id_rows(some), id_rows(run)
    known = before > 0
    assert 0 < known.sum() < (after > 0).sum()
    np.testing.assert_array_equal(before[known], after[known])
    assert (after[(after > 0) & ~known] > before.max()).all()
    assert sorted(after[after > 0].tolist()) == list(range(1, int(after.max()) + 1))
