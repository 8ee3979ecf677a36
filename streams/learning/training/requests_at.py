"""What a model knows at moments of a history: states, counts as they were then, and both put together as requests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from streams.learning.count_rows import count_rows
from streams.learning.history import History
from streams.learning.known_since import known_since
from streams.learning.queries import Queries, given_queries, open_queries
from streams.learning.training.training_data import TrainingData
from streams.learning.training.training_run import TrainingRun
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.counts.counts import ItemCounts
from transfer.learned.item_index import ItemIndex
from transfer.learned.model import LearnedModel
from transfer.learned.requests import Requests, requests_of
from transfer.state.packing import unpack_states
from transfer.training.states_at import packed_states_at

REQUESTS_AT_A_TIME = 256


def item_index(model: LearnedModel, data: TrainingData, counts: ItemCounts) -> ItemIndex:
    """All items of the history, those with events as candidates."""
    history = data.history
    towers = model.towers(history.item_keys, data.log.vectors)
    candidates = np.flatnonzero(data.has_events)
    return ItemIndex(
        history.item_keys,
        towers,
        candidates,
        history.item_scenario,
        tuple(history.scenarios),
        counts,
        data.log.vectors,
    )


def states_before(data: TrainingData, queries: Queries, interest: InterestConfig) -> dict[int, bytes]:
    """Packed states at the queries, by row of the log (`data.to_log[queries.seen]`)."""
    return packed_states_at(data.log, interest, np.unique(data.to_log[queries.seen]))


def requests_at(
    data: TrainingData,
    queries: Queries,
    packed: dict[int, bytes],
    model: LearnedModel,
    index: ItemIndex,
    places: int,
) -> tuple[Requests, I64]:
    """Requests of the queries whose user has a state, and which of the queries they are."""
    at = data.to_log[queries.seen].tolist()
    known = np.array([number for number, row in enumerate(at) if row in packed], np.int64)
    states = unpack_states([packed[at[number]] for number in known.tolist()], model.interest)
    return requests_of(states, queries.scenario[known], model, index, places), known


@dataclass(frozen=True, slots=True, eq=False)
class RequestBlock:
    """Some queries of a time whose users have states, as requests, and the items as counts knew them then."""

    queries: Queries
    requests: Requests
    index: ItemIndex

    @property
    def target(self) -> I64:
        """(T,) codes"""
        return self.queries.target_item.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Later:
    """Rows to be predicted, and the items with counts of all that came before them."""

    rows: I64
    index: ItemIndex
    progressive: bool
    """what happened before a part is in its counts; else they stay"""
    below: int | None = None
    """only what users do with fewer earlier events is asked for; None: what all do"""
    states: dict[int, bytes] = field(default_factory=dict, repr=False)
    """packed, by row of the log; users without earlier events have none"""
    asked: set[int] = field(default_factory=set, repr=False)
    """rows whose states were looked for"""

    def remember(self, run: TrainingRun, counts: Sequence[int]) -> None:
        """Find the states of the queries that `request_blocks` will draw with these counts, in one walk over the log."""
        wanted = {
            row
            for count in counts
            for part in _drawn(run, self, count)
            for row in run.data.to_log[part.seen].tolist()
        }
        missing = np.array(sorted(wanted - self.asked), np.int64)
        if len(missing):
            self.asked.update(wanted)
            self.states.update(packed_states_at(run.data.log, run.interest, missing))


def last_part_of(run: TrainingRun, index: ItemIndex) -> Later | None:
    """The last `mixture_earlier_share` of the time of the training rows; None where there is none."""
    rows, history, share = run.rows, run.data.history, run.config.mixture_earlier_share
    time = history.time[rows]
    first, last = float(time[0]), float(time[-1])
    begin = int(np.searchsorted(time, last - share * (last - first)))
    part = np.sort(rows[begin:])
    if not share or not begin or not len(part):
        return None
    return Later(part, index.at(count_rows(history, rows[:begin], run.counts)), True)


def request_blocks(run: TrainingRun, later: Later, model: LearnedModel, count: int) -> Iterator[RequestBlock]:
    """About `count` queries, open ones and (where there are scenarios) ones that name one, in order of time.

    As in an evaluation, items that nobody had before a request don't compete, and are no targets: were they, the items of which
    nothing is counted would look likelier than they are. Where no target is left, all of them are asked for.
    """
    data, history, config = run.data, run.data.history, run.config
    since = known_since(history, None if later.progressive else run.rows)
    items = np.flatnonzero(data.has_events)
    later.remember(run, [count])
    sampled = _drawn(run, later, count)
    known = [part.of_targets(since[part.target_item] <= part.time[part.target_query]) for part in sampled]
    if any(map(len, known)):
        sampled = known
    else:
        since = np.full(len(since), -np.inf)
    times = history.time[later.rows]
    begin, end = float(times.min()), float(times.max())
    edges = np.linspace(begin, end, config.count_blocks + 1)[1:-1] if later.progressive else np.zeros(0)
    order = np.argsort(history.time, kind="stable")
    ordered = history.time[order]
    done = int(np.searchsorted(ordered, begin))
    index = later.index
    for first, last in zip([begin, *edges.tolist()], [*edges.tolist(), np.inf], strict=True):
        if later.progressive:
            upto = int(np.searchsorted(ordered, first))
            index = index.at(count_rows(history, order[done:upto], run.counts, index.counts))
            done = max(done, upto)
        chosen = [part.take(np.flatnonzero((part.time >= first) & (part.time < last))) for part in sampled]
        if not sum(map(len, chosen)):
            continue
        latest = max(float(part.time.max()) for part in chosen if len(part))
        index = index.among(items[since[items] <= latest])
        for part in chosen:
            for start in range(0, len(part), REQUESTS_AT_A_TIME):
                block = part.take(slice(start, start + REQUESTS_AT_A_TIME))
                requests, answered = requests_at(data, block, later.states, model, index, config.places)
                if len(answered):
                    yield RequestBlock(block.take(answered), requests, index)


def _drawn(run: TrainingRun, later: Later, count: int) -> list[Queries]:
    """About `count` queries: open ones, and as many that name a scenario where there are scenarios."""
    history, config = run.data.history, run.config
    queries = [open_queries(history, later.rows)]
    if config.use_slots and len(history.scenarios) > 1:
        queries.append(given_queries(history, later.rows))
    if later.below is not None:
        queries = [part.take(np.flatnonzero(_earlier(history, part) < later.below)) for part in queries]
    share = max(1, count // len(queries))
    return [part.sample(share, config.seed) for part in queries]


def _earlier(history: History, queries: Queries) -> I64:
    """(Q,) earlier events of each query's user."""
    return queries.seen - history.offsets[queries.user]
