"""Driftline itself: the analytic model as it serves without training, and the trained one with its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from encoders.item_encoder import ItemEncoder
from streams.errors import EvaluationError
from streams.learning.count_rows import count_rows
from streams.learning.evaluation.candidates import KnownItems
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.fallback import query_rows
from streams.learning.evaluation.methods.learned_rows import LearnedRows
from streams.learning.evaluation.methods.log_counts import LogCounts
from streams.learning.evaluation.methods.log_items import LogItems
from streams.learning.history import History
from streams.learning.queries import Queries
from streams.learning.training.requests_at import item_index, states_before
from streams.learning.training.train import MixtureData, prepare_mixture, weigh
from streams.learning.training.training_data import TrainingData, training_data
from streams.learning.training.training_run import TrainingRun
from streams.serving.analytic_ranker import AnalyticRanker
from streams.serving.aside_ranker import AsideRanker
from streams.serving.first_events import FirstEventsRanker
from streams.serving.index_popular import IndexPopular
from streams.serving.mixture_ranker import MixtureRanker
from streams.serving.popular import CountedPopular, rule_of
from streams.serving.ranker import ItemScores
from streams.workspace.scenario_names import name_lookup, names_for_training
from transfer.analytic.model import AnalyticTransfer
from transfer.arrays import F32, I64
from transfer.codes import NONE
from transfer.errors import ModelError
from transfer.learned.folder import counts_config_of, encoder_of, load_model, report_of
from transfer.learned.item_index import ItemIndex
from transfer.rows import positions_in
from transfer.state.packing import pack_states, unpack_states
from transfer.state.states import InterestStates, empty_states

MIXTURE_ALONE = dict.fromkeys(("use_again", "use_new", "use_next", "use_recent", "use_debuts"), True)
"""Settings that the network does not see."""


TRAINED = "trained"
"""In `Setup.shared`: the trained model, and base vectors (N, D) of the history's items."""


class _States:
    """States at queries, computed for all later moments of the log in one walk when the first of them is asked for."""

    def __init__(self, data: TrainingData, setup: Setup) -> None:
        self._data, self._interest = data, setup.settings.interest
        self._packed: dict[int, bytes] = {}

    def of(self, queries: Queries) -> InterestStates:
        """Right before each of the queries; without events where the user has none."""
        data = self._data
        wanted = data.to_log[queries.seen].tolist()
        if not set(wanted) <= self._packed.keys():
            later = data.history.basket_starts
            later = later[data.history.time[later] >= float(queries.time.min())]
            self._packed = states_before(data, _whole(data.history, later, queries), self._interest)
            (nothing,) = pack_states(empty_states(1, self._interest), self._interest)
            for row in wanted:
                self._packed.setdefault(row, nothing)
        return unpack_states([self._packed[row] for row in wanted], self._interest)


def _names(history: History, queries: Queries) -> list[str | None]:
    """The scenario that each of the queries names."""
    return [history.scenarios[code] if code >= 0 else None for code in queries.scenario.tolist()]


def _by_code(history: History, found: ItemScores) -> F32:
    """(Q, N) scores of the history's items."""
    result = np.zeros((len(found.scores), len(history.items)), np.float32)
    result[:, positions_in(history.item_keys, found.keys, np.argsort(history.item_keys))] = found.scores
    return result


def _whole(history: History, rows: I64, queries: Queries) -> Queries:
    """Queries at all these rows, for their states."""
    seen = np.unique(np.concatenate([rows, queries.seen]))
    seen = seen[seen < len(history)]
    return Queries(
        user=history.user[seen],
        time=history.time[seen],
        seen=seen,
        scenario=np.full(len(seen), NONE, np.int32),
        target_offsets=np.zeros(len(seen) + 1, np.int64),
        target_item=np.zeros(0, np.int32),
        target_row=np.zeros(0, np.int64),
    )


def _training_data(setup: Setup, history: History, rows: I64) -> TrainingData:
    content = setup.item_content(None) if setup.item_content is not None else None
    settings = setup.settings
    names = names_for_training(settings.encoder, settings.train.name_words, history.scenarios)
    return training_data(
        history, rows, content=content, names=names, fit=settings.fit, dim=settings.interest.dim
    )


class AnalyticMethod:
    """The analytic model's ranking. At the test, item vectors are of training and validation part, counts and states of all."""

    probabilities = True

    def __init__(self, setup: Setup) -> None:
        self.name = "analytic"
        self._setup = setup

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Fit item vectors; nothing else is learned."""
        settings = self._setup.settings
        self._history, self._rows = history, LearnedRows(rows, 1.0)
        self._known = KnownItems(history, rows, validation)
        self._model = AnalyticTransfer(settings.interest, settings.transfer)
        self._counts = LogCounts(history, rows, settings.counts)
        serving = settings.serving
        self._rule = rule_of(serving.popular_half_life_s, settings.counts, serving.popular_events)
        self.refit()

    def learn(self, rows: I64) -> None:
        """What is popular; the states follow by themselves."""
        self._counts.learn(rows)
        self._rows.add(rows)

    def refit(self) -> None:
        """Fit item vectors to all that was learned."""
        self._data = _training_data(self._setup, self._history, self._rows.taken())
        self._states = _States(self._data, self._setup)
        everything = LogItems(self._history, self._data.log.vectors)  # only what was counted is popular
        self._popular = CountedPopular(self._counts.get, everything, self._rule, most=None)

    def scores(self, queries: Queries) -> F32:
        """Probabilities of all items."""
        settings, history = self._setup.settings, self._data.history
        items = LogItems(history, self._data.log.vectors, self._known.at(queries))
        ranked = AnalyticRanker(self._model, settings.transfer, items)
        ranker = FirstEventsRanker(ranked, self._popular, self._rule)
        whole = AsideRanker(ranker, settings.interest.half_lives_s[-1], settings.serving)
        names = _names(history, queries)
        return _by_code(history, whole.score(self._states.of(queries), names, len(history.items)))


LEARNINGS = 3000
"""In how many parts, at most, counts learn a log as long as the whole: a day's shares are stale half a day later."""

ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "no-transfer": {"transfer": "none"},  # a scenario's interest is its own slot's alone
    # It borrows from all of the user's sums, not from other slots by attention.
    "blend": {"transfer": "blend"},
    "no-emergence": {"use_emergence": False},  # slots do not tell of the present against the past
    # In the network; item-to-item evidence still starts from the latest items.
    "no-ring": {"use_ring": False},
    "no-slots": {"use_slots": False},  # one interest for all scenarios
    "no-again": {"use_again": False},
    "no-trend": {"use_recent": False},  # shares of all time only
    "no-debuts": {"use_debuts": False},  # new items by shares of all events, not of users' first with an item
    "no-next": {"use_next": False},
    "no-new": {"use_new": False},  # counting alone
}
"""What each variant changes of `TrainConfig`."""


class LearnedMethod:
    """The learned model, whole or as one of `ABLATIONS`, with one setting for all slices. At the test its network has learned
    training and validation part, item vectors are of the training part; counts and states follow all that happens."""

    probabilities = True

    def __init__(self, setup: Setup, variant: str = "") -> None:
        self.name = f"driftline-{variant}" if variant else "driftline"
        self.without = ABLATIONS[variant]
        self._setup = setup
        self.curve: list[tuple[float, float]] = []

    def fit(self, history: History, rows: I64, validation: Queries) -> None:
        """Train on `rows`, stop and weigh by `validation`; or take the model of the setup.

        Raises:
            EvaluationError: that model has seen what it would be judged by, or does not fit the settings.
        """
        setup, settings = self._setup, self._setup.settings
        shared = setup.shared
        if setup.model is not None:
            self._load(history, rows)
            self._known = KnownItems(history, rows, validation)
            return
        if "data" not in shared:
            may_know = np.concatenate([rows, query_rows(history, validation)])
            shared["data"] = _training_data(setup, history, rows).knowing(may_know)
        self._data = data = shared["data"]
        config = settings.train.model_copy(update={**self.without, "seed": setup.seed})
        # What is prepared has all components, whichever variant asks for it first.
        whole = config.model_copy(update=MIXTURE_ALONE)
        key = ("network", whole.model_dump_json())
        ready: MixtureData | None = shared.get(key)
        if ready is None:
            judging = query_rows(history, validation)
            run = TrainingRun(data, rows, judging, settings.interest, settings.counts, whole)
            later = float(validation.time.min()) >= float(history.time[rows].max())
            ready = prepare_mixture(run, progressive=later, tell=setup.progress)
            if set(self.without) <= set(MIXTURE_ALONE):  # another method may want it; gigabytes on a long log
                shared[key] = ready
        done = weigh(ready, config, setup.progress)
        self._model, self._counts = done.model, settings.counts
        self._index: ItemIndex = item_index(done.model, data, ready.index.counts)
        # Of the items that come while it is judged, too.
        done.model.bind(LogItems(history, data.log.vectors).lookup, data.names)
        self._known = KnownItems(history, rows, validation)
        self.curve = [(row["epoch"], row["validation_new"]) for row in done.report["network"]]
        if "states" not in shared:
            shared["states"] = _States(data, setup)
        self._states: _States = shared["states"]
        self._waiting: list[I64] = []
        self._leave()

    def _load(self, history: History, rows: I64) -> None:
        setup, settings = self._setup, self._setup.settings
        assert setup.model is not None
        if self.without:
            raise EvaluationError(f"{self.name} is trained for the evaluation; --model gives driftline alone")
        self._model, report = load_model(setup.model), report_of(setup.model)
        if (
            self._model.mixture is None
            or self._model.interest.fingerprint() != settings.interest.fingerprint()
        ):
            raise EvaluationError(
                f"the model {setup.model} was trained with other interest settings; give the same --config"
            )
        try:
            self._model.read_states_of(settings.interest)
        except ModelError as error:
            raise EvaluationError(str(error)) from None
        folder = setup.encoder_folder
        if folder is None:
            raise EvaluationError(
                f"the model {setup.model} was trained with an encoder that is not in its folder; give --encoder, or name it "
                "as encoder.fitted in the settings"
            )
        encoder = ItemEncoder.load(folder)
        if encoder.fingerprint != encoder_of(setup.model):
            raise EvaluationError(
                f"the model {setup.model} was trained with another item encoder; give --encoder"
            )
        content = setup.item_content(encoder.space) if setup.item_content is not None else None
        self._data = training_data(history, rows, encoder, content)
        items = LogItems(history, self._data.log.vectors)
        self._model.bind(items.lookup, name_lookup(self._model, settings.encoder, encoder))
        self._counts = counts_config_of(setup.model)
        counted = count_rows(history, rows, self._counts)
        self._index = item_index(self._model, self._data, counted)
        self.curve = [(row["epoch"], row["validation_new"]) for row in report.get("network", [])]
        self._states = _States(self._data, setup)
        self._waiting = []
        self._leave()

    def _leave(self) -> None:
        """The model itself for the report, of the first seed."""
        if not self.without:
            self._setup.shared.setdefault(TRAINED, (self._model, self._data.log.vectors))

    def learn(self, rows: I64) -> None:
        """Counts continue; many events at a time, since merging costs about as much however few they are."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= self._batch():
            rows = np.concatenate(self._waiting)
            counted = count_rows(self._data.history, rows, self._counts, self._index.counts)
            self._index = self._index.at(counted)
            self._waiting = []

    def scores(self, queries: Queries) -> F32:
        """The mixture over all items; what is popular for users without a state."""
        compete = self._known.at(queries)
        if len(compete) != len(self._index.candidates):
            self._index = self._index.among(compete)
        assert self._model.mixture is not None
        settings, mixture = self._setup.settings, self._model.mixture
        rule = mixture.config.popular
        ranker = FirstEventsRanker(
            MixtureRanker(self._model, mixture, self._index), IndexPopular(self._index, rule), rule
        )
        whole = AsideRanker(ranker, settings.interest.half_lives_s[-1], settings.serving)
        history = self._data.history
        names = _names(history, queries)
        return _by_code(history, whole.score(self._states.of(queries), names, len(history.items)))

    def _batch(self) -> int:
        return max(200, len(self._data.log) // LEARNINGS)
