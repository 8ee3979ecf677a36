"""One ranker a model: what `evaluate` measures is what `recommend` shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from encoders.config import EncoderConfig
from sinks.config import StoreConfig
from sinks.open import open_store
from sinks.points import ItemPoints, item_key
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.learning.evaluation.methods.base import Method, Setup
from streams.learning.evaluation.methods.log_items import LogItems
from streams.learning.evaluation.methods.registry import build
from streams.learning.fit import fit_encoder
from streams.learning.history import History
from streams.learning.queries import Queries, given_queries, open_queries
from streams.serving.analytic_ranker import NEAREST, SAMPLE, AnalyticRanker, StoredItems
from streams.serving.model_ranker import ranker_of
from streams.serving.recommend import recommend
from streams.settings import Settings
from streams.workspace.workspace import Workspace
from support.data.event_columns import columns_of, event
from support.data.histories import Shopping, history_of
from support.fakes.small_model import save_small_model
from support.servers.quick_folder import quick_folder
from transfer.analytic.again import again_scores, repeat_share
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, U64
from transfer.config import InterestConfig, TransferConfig
from transfer.learned.folder import load_model, save_model
from transfer.rows import segment_sum
from transfer.state.states import InterestStates, empty_states, stack, take_users
from transfer.state.terms import EventTerms
from transfer.state.update import apply_events

DIM = 24
PLAIN = Settings(interest=InterestConfig(dim=DIM), encoder=EncoderConfig(dim=DIM))
ITEMS = 5500
OWN = {"none": 0, "one": 1, "few": 4, "many": 100}
"""Users who are asked for, and how many items they have; the store does not know the first."""
KS = (1, 10, 300)


def log() -> list[Shopping]:
    """A crowd that meets every item, two in one basket; then the users of `OWN`, who repeat; then one more event of each."""
    rng = np.random.default_rng(0)
    rows: list[Shopping] = []
    for item in range(ITEMS):
        user, at = f"c{item // 50}", 10.0 * (item // 2)
        rows.append((user, f"i{item}", at, f"s{item % 3}"))
    for user, count in OWN.items():
        own = rng.choice(ITEMS, count, replace=False)
        for number, item in enumerate([*own.tolist(), *rng.choice(own, count).tolist()]):
            rows.append((user, f"i{item}", 40_000.0 + 50 * number, f"s{item % 3}"))
    rows += [(user, f"i{number}", 80_000.0, f"s{number % 3}") for number, user in enumerate(OWN)]
    return rows


@dataclass(frozen=True)
class Shop:
    """The store as it was before each user's last event, and what an evaluation asks at that time."""

    workspace: Workspace
    method: Method
    history: History
    queries: dict[str | None, Queries]


@pytest.fixture(scope="module", params=["analytic", "driftline"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    rows = log()
    history = history_of(rows)
    latest = history.time == history.time.max()
    earlier, later = np.flatnonzero(~latest), np.flatnonzero(latest)
    encoder = fit_encoder(history, earlier, PLAIN.fit, dim=DIM)
    folder: Path = tmp_path_factory.mktemp("model")
    encoder.save(folder / "encoder")
    settings = PLAIN.model_copy(
        update={"encoder": PLAIN.encoder.model_copy(update={"fitted": folder / "encoder"})}
    )
    if request.param == "driftline":
        small = load_model(save_small_model(folder / "small", PLAIN, [f"i{n}" for n in range(0, ITEMS, 2)]))
        save_model(folder / "m", small, PLAIN.counts, {"until": 0.0}, encoder.fingerprint)
        settings = settings.model_copy(update={"transfer": TransferConfig(model=folder / "m")})
    setup = Setup(settings=PLAIN, model=settings.transfer.model, encoder=folder / "encoder")
    method = build(request.param, setup)
    queries: dict[str | None, Queries] = {None: open_queries(history, later)}
    given = given_queries(history, later)
    for number in range(len(given)):
        queries[history.scenarios[given.scenario[number]]] = given.take(slice(number, number + 1))
    ordered = earlier[np.argsort(history.time[earlier], kind="stable")]
    method.fit(history, ordered, queries[None])
    with quick_folder() as place, open_intake(str(place / "s"), settings, create=True) as intake:
        intake.catalogue.upsert([ItemRow(f"i{n}", "", "", f"s{n % 3}") for n in range(ITEMS)])
        for begin in range(0, len(rows) - len(OWN), 1000):
            part = rows[begin : min(begin + 1000, len(rows) - len(OWN))]
            events = [event(user, item, at=at, scenario=scenario) for user, item, at, scenario in part]
            intake.ingest.apply(columns_of(events, offsets=range(begin, begin + len(part))))
        if intake.counts is not None:
            intake.counts.write()
        yield Shop(intake.workspace, method, history, queries)


@pytest.mark.parametrize("k", KS)
def test_an_evaluation_measures_what_is_recommended(shop: Shop, k: int) -> None:
    """Scores and order are the same, of more items than any bound, for users of no item, one, a few or many, whatever `k` is,
    with a scenario and without."""
    assert ITEMS > 5 * SAMPLE > NEAREST
    ranker = ranker_of(shop.workspace)
    code = {item: number for number, item in enumerate(shop.history.items)}
    for scenario, queries in shop.queries.items():
        measured = shop.method.scores(queries)
        if scenario is not None:
            measured[:, shop.history.item_scenario != shop.history.scenarios.index(scenario)] = 0
        for scores, user in zip(measured, queries.user.tolist(), strict=True):
            found = recommend(shop.workspace, shop.history.users[user], k, scenario, ranker=ranker)
            assert len(found) == k
            best = -np.sort(-scores)[:k]
            np.testing.assert_allclose([item.score for item in found], best, rtol=2e-3, atol=1e-7)
            by_item = [scores[code[item.item_id]] for item in found]
            np.testing.assert_allclose(by_item, best, rtol=2e-3, atol=1e-7)


MANY = 3000
CATALOGUE = [f"i{n}" for n in range(MANY)]
STRANGERS = [f"x{n}" for n in range(6)]
"""Items that no catalogue has any longer."""


@dataclass(frozen=True)
class Rankers:
    """The analytic ranking over one set of items, kept in a store and in memory."""

    stored: AnalyticRanker
    logged: AnalyticRanker
    states: InterestStates
    keys: U64
    vectors: F32


@pytest.fixture(scope="module")
def rankers() -> Iterator[Rankers]:
    """Users with nothing, with items that are in no catalogue, with those and others, and with more than the sample holds."""
    rng = np.random.default_rng(1)
    events = [(f"c{n // 50}", item, float(n), f"s{n % 3}") for n, item in enumerate(CATALOGUE)]
    history = history_of(
        [(user, item, at + twice, where) for user, item, at, where in events for twice in (0.0, 0.5)]
    )
    vectors = rng.normal(size=(MANY, DIM)).astype(np.float32)
    vectors += 2 * rng.normal(size=(20, DIM)).astype(np.float32)[rng.integers(0, 20, MANY)]  # some are alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    interest = InterestConfig(dim=DIM, own_items=1200)
    owned = [[], STRANGERS, [*STRANGERS, *CATALOGUE[:5]], CATALOGUE[:1500]]
    states = stack([state_of(items, vectors, interest) for items in owned])
    model, weights = AnalyticTransfer(interest), TransferConfig()
    with quick_folder() as place, open_store(str(place / "s"), StoreConfig(), DIM, create=True) as store:
        belongs = [f"s{n % 3}" for n in range(MANY)]
        store.items.write(ItemPoints(CATALOGUE, vectors, [""] * MANY, belongs, [""] * MANY))
        yield Rankers(
            AnalyticRanker(model, weights, StoredItems(store.items, DIM)),
            AnalyticRanker(model, weights, LogItems(history, vectors)),
            states,
            history.item_keys,
            vectors,
        )


def state_of(items: list[str], vectors: F32, interest: InterestConfig) -> InterestStates:
    """One user's, who met these items one after the other."""
    count = len(items)
    terms = EventTerms(
        user=np.zeros(count, np.int32),
        time=np.arange(count, dtype=np.float64),
        key=np.arange(1, count + 1, dtype=np.uint64),
        action=np.zeros(count, np.uint8),
        item=np.array([item_key(item) for item in items], np.uint64),
        scenario=np.zeros(count, np.int32),
        scenario_names=("s1",),
        vectors=vectors,
        vector=np.arange(count, dtype=np.int32),
    )
    return apply_events(empty_states(1, interest), terms, interest)[0]


@pytest.mark.parametrize("scenario", [None, "s2", "nowhere"])
@pytest.mark.parametrize("k", KS)
def test_a_store_ranks_as_the_items_in_memory_do(rankers: Rankers, k: int, scenario: str | None) -> None:
    """Whatever a user has, and whether the catalogue still has it; and several requests at once as one by one."""
    users = rankers.states.users
    together = rankers.stored.score(rankers.states, [scenario] * users, k)
    inside = rankers.logged.score(rankers.states, [scenario] * users, k)
    assert inside.keys.tolist() == rankers.keys.tolist()
    for user in range(users):
        alone = rankers.stored.score(take_users(rankers.states, np.array([user])), [scenario], k)
        expected = dict(zip(inside.keys.tolist(), inside.scores[user].tolist(), strict=True))
        for found, row in ((together, user), (alone, 0)):
            there = found.scores[row] > 0
            scores = found.scores[row][there]
            np.testing.assert_allclose(
                scores, [expected[key] for key in found.keys[there].tolist()], rtol=1e-4
            )
            best = -np.sort(-inside.scores[user])[:k]
            np.testing.assert_allclose(-np.sort(-scores)[:k], best[best > 0], rtol=1e-4)


def test_new_items_weigh_by_their_likelihood_among_all(rankers: Rankers) -> None:
    """What stands for the items that no search finds is right to a few per cent; so all scores sum to about 1."""
    totals = rankers.logged.score(rankers.states, [None] * rankers.states.users, 1).scores.sum(axis=1)
    gate = repeat_share(rankers.states)
    there = again_scores(rankers.states) * np.isin(rankers.states.own_item, rankers.keys)
    whole = 1 - gate + gate * segment_sum(there, rankers.states.own_offsets)
    assert totals.tolist() == pytest.approx(whole.tolist(), abs=0.07)
    assert whole[0] == pytest.approx(1 - gate[0]) and whole[-1] == pytest.approx(1)
