"""What a model knows at moments of a history: states, tables as they were then, and both put together as requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streams.evaluation.queries import Queries, given_queries, open_queries
from streams.history import History
from streams.material import Material
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.item_tables import ItemTables, empty_tables
from transfer.learned.model import LearnedModel
from transfer.learned.requests import Requests, requests_of
from transfer.learned.space import ItemSpace
from transfer.packing import unpack
from transfer.tables import tables_of_log
from transfer.tables_config import TablesConfig
from transfer.training.config import TrainConfig
from transfer.training.moments import moments

if TYPE_CHECKING:
    from transfer.training.mixture_stage import Judged

REQUESTS_AT_A_TIME = 256


def count_tables(
    history: History, rows: I64, config: TablesConfig, tables: ItemTables | None = None
) -> ItemTables:
    """`tables` with these rows of a history (in order of time) added."""
    if not len(rows):
        return tables or empty_tables(config)
    return tables_of_log(
        history.offsets,
        history.time,
        history.item,
        history.item_keys,
        history.scenario,
        tuple(history.scenarios),
        rows,
        config,
        tables,
    )


def item_space(model: LearnedModel, data: Material, tables: ItemTables) -> ItemSpace:
    """All items of the history, those with events as candidates."""
    history = data.history
    towers = model.towers(history.item_keys, data.log.vectors)
    candidates = np.flatnonzero(np.bincount(data.log.item, minlength=len(history.items)) > 0)
    return ItemSpace(
        history.item_keys, towers, candidates, history.item_scenario, tuple(history.scenarios), tables
    )


def states_before(data: Material, queries: Queries, interest: InterestConfig) -> dict[int, bytes]:
    """Packed states at the queries, by row of the log (`data.to_log[queries.seen]`)."""
    return moments(data.log, interest, np.unique(data.to_log[queries.seen]))


def requests_at(
    data: Material,
    queries: Queries,
    packed: dict[int, bytes],
    model: LearnedModel,
    space: ItemSpace,
    places: int,
) -> tuple[Requests, I64]:
    """Requests of the queries whose user has a state, and which of the queries they are."""
    at = data.to_log[queries.seen].tolist()
    known = np.array([number for number, row in enumerate(at) if row in packed], np.int64)
    states = unpack([packed[at[number]] for number in known.tolist()], model.interest)
    return requests_of(states, queries.scenario[known], model, space, places), known


def judged_earlier(
    data: Material,
    rows: I64,
    model: LearnedModel,
    space: ItemSpace,
    tables: TablesConfig,
    config: TrainConfig,
) -> Judged | None:
    """Evidence at the last part of the training rows (in order of time), with tables as they were then."""
    time = data.history.time[rows]
    first, last = float(time[0]), float(time[-1])
    begin = int(np.searchsorted(time, last - config.mixture_earlier_share * (last - first)))
    part = np.sort(rows[begin:])
    if not config.mixture_earlier_share or not begin or not len(part):
        return None
    queries = [open_queries(data.history, part)]
    if config.use_slots and len(data.history.scenarios) > 1:
        queries.append(given_queries(data.history, part))
    before = space.at(count_tables(data.history, rows[:begin], tables))
    return judged_at(data, queries, model, before, tables, config, progressive=True)


def judged_at(
    data: Material,
    queries: list[Queries],
    model: LearnedModel,
    space: ItemSpace,
    tables: TablesConfig,
    config: TrainConfig,
    progressive: bool,
) -> Judged | None:
    """Evidence at the queries of each task, in blocks of time; progressive: what happened before a block is in the tables.

    The tables of `space` hold all events before the first of the queries.
    """
    from transfer.training.mixture_stage import joined, judged

    history = data.history
    share = max(1, config.mixture_queries // len(queries))
    sampled = [part.sample(share, config.seed) for part in queries]
    every = np.unique(np.concatenate([data.to_log[part.seen] for part in sampled]))
    packed = moments(data.log, model.interest, every)
    begin, end = (
        min(float(part.time.min()) for part in queries),
        max(float(part.time.max()) for part in queries),
    )
    edges = np.linspace(begin, end, config.table_blocks + 1)[1:-1] if progressive else np.zeros(0)
    order = np.argsort(history.time, kind="stable")
    ordered = history.time[order]
    done = int(np.searchsorted(ordered, begin))
    parts = []
    for first, last in zip([begin, *edges.tolist()], [*edges.tolist(), np.inf], strict=True):
        if progressive:
            upto = int(np.searchsorted(ordered, first))
            space = space.at(count_tables(history, order[done:upto], tables, space.tables))
            done = max(done, upto)
        for part in sampled:
            inside = np.flatnonzero((part.time >= first) & (part.time < last))
            for start in range(0, len(inside), REQUESTS_AT_A_TIME):
                block = part.take(inside[start : start + REQUESTS_AT_A_TIME])
                requests, known = requests_at(data, block, packed, model, space, config.places)
                if len(known):
                    block = block.take(known)
                    parts.append(
                        judged(requests, block.target_offsets, block.target_item.astype(np.int64), space)
                    )
    return joined(parts) if parts else None
