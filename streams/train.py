"""Training of a model on a log: base vectors, states, network, tables and mixture, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.config import FitConfig
from encoders.item_encoder import ItemEncoder
from streams.columns import NONE
from streams.errors import MissingExtra, TrainingError
from streams.evaluation.queries import Queries, given_queries, open_queries
from streams.fit import ItemContent, fit_encoder, item_vectors
from streams.history import History
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.item_tables import ItemTables, empty_tables
from transfer.learned.batches import NameLookup
from transfer.learned.gaps import gap_edges
from transfer.learned.model import LearnedModel, hashed_names
from transfer.learned.requests import Requests, requests_of
from transfer.learned.space import ItemSpace
from transfer.packing import unpack
from transfer.rows import offsets_of
from transfer.tables import tables_of_log
from transfer.tables_config import TablesConfig
from transfer.training.config import TrainConfig
from transfer.training.examples import Examples, examples, gaps_of
from transfer.training.moments import moments
from transfer.training.walk import EventLog

if TYPE_CHECKING:
    from transfer.learned.mixture import MixtureConfig
    from transfer.learned.network import TransferNetwork
    from transfer.training.mixture_stage import Judged

Tell = Callable[[str], None]
REQUESTS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """A history as training takes it: events on items only, with base vectors."""

    history: History
    log: EventLog
    row: I64
    """(E',) row in the history of each event of the log"""
    to_log: I64
    """(E + 1,) number of log events before each row of the history"""
    encoder: ItemEncoder
    names: NameLookup


@dataclass(slots=True)
class TrainedModel:
    """A model, the settings of its tables, and what there is to say of its training."""

    model: LearnedModel
    tables: TablesConfig
    encoder: str
    report: dict[str, Any] = field(default_factory=dict)


def require_training() -> None:
    """Check that the extra is installed.

    Raises:
        MissingExtra: it isn't.
    """
    try:
        import lightning  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("training needs lightning: pip install 'driftline[train]'") from None


def parts_of(history: History, validation_share: float, holdout_share: float) -> tuple[I64, I64]:
    """Rows to train on, in order of time, and rows of the part of the time after them; the last `holdout_share` is left out.

    Raises:
        TrainingError: a part is empty.
    """
    first, last = float(history.time.min()), float(history.time.max())
    end = last - holdout_share * (last - first) if holdout_share else np.inf
    begin = (end if holdout_share else last) - validation_share * (last - first)
    rows = np.flatnonzero(history.time < begin)
    validation = np.flatnonzero((history.time >= begin) & (history.time < end))
    if not len(rows) or not len(validation):
        raise TrainingError("the log is too short to set a part of its time aside for validation")
    return rows[np.argsort(history.time[rows], kind="stable")], validation


def material(
    history: History,
    rows: I64,
    encoder: ItemEncoder | None = None,
    content: ItemContent | None = None,
    names: NameLookup | None = None,
    fit: FitConfig | None = None,
    dim: int = 128,
) -> Material:
    """Prepare a history; without an encoder one is fitted on the events `rows`.

    names: vectors of scenario names; by default the names' hashes give them.

    Raises:
        TrainingError: no event names an item.
    """
    worn = history.item != NONE
    row = np.flatnonzero(worn)
    if not len(row):
        raise TrainingError("no event of the log names an item; there is nothing to train on")
    encoder = encoder or fit_encoder(history, rows, fit, content=content, dim=dim)
    before = offsets_of(worn)
    log = EventLog(
        offsets=before[history.offsets],
        user=history.user[row],
        time=history.time[row],
        key=history.key[row],
        action=history.action[row],
        item=history.item[row],
        scenario=history.scenario[row],
        scenario_names=tuple(history.scenarios),
        item_keys=history.item_keys,
        vectors=item_vectors(encoder, history, content),
    )
    return Material(history, log, row, before, encoder, names or hashed_names(encoder.dim))


@dataclass(slots=True)
class Prepared:
    """A trained network, and what its mixture is fitted on."""

    model: LearnedModel
    space: ItemSpace
    """with tables as after the training rows"""
    judged: Judged
    earlier: Judged | None
    """of the last part of the training rows"""
    report: dict[str, Any]


def train(
    data: Material,
    rows: I64,
    validation: I64,
    interest: InterestConfig,
    tables: TablesConfig,
    config: TrainConfig,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> TrainedModel:
    """Train on history rows `rows`, stop and weigh components by rows `validation`, all of them later than a user's `rows`.

    progressive: tables go on through the validation part, as the daemon's do; else they stay as after `rows`.

    Raises:
        TrainingError: too little to train on.
    """
    ready = prepare(
        data,
        rows,
        validation,
        interest,
        tables,
        config,
        progressive=progressive,
        logs=logs,
        bar=bar,
        tell=tell,
    )
    return weigh(ready, data, tables, config, tell)


def prepare(
    data: Material,
    rows: I64,
    validation: I64,
    interest: InterestConfig,
    tables: TablesConfig,
    config: TrainConfig,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> Prepared:
    """The network, and evidence for the mixture; see `train`."""
    tell = tell or (lambda line: None)
    found = positions(data, interest, tell)
    network, report = network_of(
        data, found, rows, validation, interest, config, logs=logs, bar=bar, tell=tell
    )
    del found
    model = _model(data, network, interest, rows)
    history = data.history
    counted = count_tables(history, rows, tables)
    tell(f"tables: {counted.pairs} transitions")
    space = item_space(model, data, counted)
    queries = [open_queries(history, validation)]
    if config.use_slots and len(history.scenarios) > 1:
        queries.append(given_queries(history, validation))
    judged = _judged(data, queries, model, space, tables, config, progressive)
    if judged is None:
        raise TrainingError("the validation part holds no event of a known user; give a longer log")
    earlier = _earlier(data, rows, model, space, tables, config) if progressive else None
    report |= {"events": len(rows), "until": float(history.time[validation].max()), "data": history.identity}
    return Prepared(model, space, judged, earlier, report)


def weigh(
    ready: Prepared, data: Material, tables: TablesConfig, config: TrainConfig, tell: Tell | None = None
) -> TrainedModel:
    """The mixture on top of a trained network."""
    from transfer.training.mixture_stage import fit_mixture

    model = ready.model
    mixture, curve = fit_mixture(_mixture_config(model, tables, config), ready.judged, config, ready.earlier)
    if tell is not None:
        best = min(row["validation_loss"] for row in curve if row["with_network"])
        tell(f"mixture: validation loss {best:.4f} after {len(curve)} epochs")
    report = ready.report | {"mixture": curve, "train": config.model_dump(mode="json")}
    trained = LearnedModel(
        model.network, mixture, model.interest, model.items, model.names, "untold", encode_names=data.names
    )
    return TrainedModel(trained, tables, data.encoder.fingerprint, report)


def positions(data: Material, interest: InterestConfig, tell: Tell | None = None) -> Examples:
    """All positions of the log with their states, in one pass."""
    found = examples(data.log, interest)
    if tell is not None:
        tell(f"{len(found)} positions with their states")
    return found


def network_of(
    data: Material,
    found: Examples,
    rows: I64,
    validation: I64,
    interest: InterestConfig,
    config: TrainConfig,
    *,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> tuple[TransferNetwork, dict[str, Any]]:
    """The trained network and its report. `on_epoch` may raise to stop.

    Raises:
        TrainingError: too little to train on.
    """
    import torch

    from transfer.learned.config import NetworkConfig
    from transfer.learned.network import TransferNetwork
    from transfer.training.batches import Batches
    from transfer.training.network_stage import train_network
    from transfer.training.objective import Catalogue

    log, history = data.log, data.history
    part = np.zeros(len(history), np.int8)
    part[rows], part[validation] = 1, 2
    of = part[data.row[found.row]]
    asked = np.diff(found.target_offsets) > 0
    train_at, judge_at = np.flatnonzero((of == 1) & asked), np.flatnonzero((of == 2) & asked)
    if not len(train_at) or not len(judge_at):
        raise TrainingError(
            "the log is too short: no user comes back in the training and the validation part"
        )
    count = np.bincount(history.item[rows][history.item[rows] >= 0], minlength=len(history.items))
    ids = _id_rows(count, config.rare)
    shape = NetworkConfig(
        dim=interest.dim,
        horizons=len(interest.half_lives_s),
        actions=len(interest.action_weights),
        width=config.width,
        heads=config.heads,
        layers=config.layers,
        feed_forward=config.feed_forward,
        ring=min(config.ring, interest.ring),
        gap_edges_s=gap_edges(gaps_of(log)[part[data.row] == 1]),
        use_ring=config.use_ring,
        use_slots=config.use_slots and len(history.scenarios) > 1,
        use_emergence=config.use_emergence,
        transfer=config.transfer,
        dropout=config.dropout,
        id_dropout=config.id_dropout,
        event_dropout=config.event_dropout,
        scenario_dropout=config.scenario_dropout,
    )
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = TransferNetwork(shape, int(ids.max()))
    catalogue = Catalogue(
        torch.from_numpy(log.vectors),
        torch.from_numpy(ids),
        torch.from_numpy(history.item_scenario.astype(np.int64)),
        torch.from_numpy(np.flatnonzero(np.bincount(log.item, minlength=len(history.items)) > 0)),
    )
    names = np.asarray(data.names(history.scenarios), np.float32)
    batches = Batches(log, found, shape, ids, names)

    def told(row: dict[str, float]) -> None:
        if on_epoch is not None:
            on_epoch(row)
        if tell is None:
            return
        text = ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" for name, value in row.items() if name != "epoch"
        )
        tell(f"epoch {int(row['epoch'])}: {text}")

    done = train_network(
        network, batches, catalogue, train_at, judge_at, config, logs=logs, progress=bar, on_epoch=told
    )
    report = {
        "positions": len(train_at),
        "best_new": done.best,
        "best_epoch": done.epoch,
        "network": done.curve,
    }
    return done.network, report


def _id_rows(count: I64, rare: int) -> I64:
    """(N,) row of each item in the id table: 0 for items of fewer than `rare` events or none."""
    known = count >= max(rare, 1)
    ids = np.zeros(len(count), np.int64)
    ids[known] = np.arange(1, int(known.sum()) + 1)
    return ids


def _model(data: Material, network: TransferNetwork, interest: InterestConfig, rows: I64) -> LearnedModel:
    """The network with the items that it was trained with."""
    from transfer.learned.model import ItemTable

    history = data.history
    count = np.bincount(history.item[rows][history.item[rows] >= 0], minlength=len(history.items))
    config_rows = network.ids.weight.shape[0] - 1
    ids = _id_rows(count, _rarest(count, config_rows))
    order = np.argsort(history.item_keys)
    there = order[np.bincount(data.log.item, minlength=len(history.items))[order] > 0]
    table = ItemTable(
        history.item_keys[there], data.log.vectors[there].astype(np.float16).astype(np.float32), ids[there]
    )
    names = dict(zip(history.scenarios, np.asarray(data.names(history.scenarios), np.float32), strict=True))
    return LearnedModel(network, None, interest, table, names, "untold", encode_names=data.names)


def _rarest(count: I64, rows: int) -> int:
    """The least number of events of an item that has one of `rows` ids."""
    return int(np.sort(count)[::-1][rows - 1]) if rows else 1


def _mixture_config(model: LearnedModel, tables: TablesConfig, config: TrainConfig) -> MixtureConfig:
    from transfer.learned.requests import mixture_config

    return mixture_config(
        model.config.horizons,
        model.config.actions,
        len(tables.half_lives_s),
        config.places,
        hidden=config.mixture_hidden,
        use_again=config.use_again,
        use_new=config.use_new,
        use_next=config.use_next,
        use_recent=config.use_recent,
    )


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


def _earlier(
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
    return _judged(data, queries, model, before, tables, config, progressive=True)


def _judged(
    data: Material,
    queries: list[Queries],
    model: LearnedModel,
    space: ItemSpace,
    tables: TablesConfig,
    config: TrainConfig,
    progressive: bool,
) -> Judged | None:
    """Evidence at validation queries of each task, tables advancing in blocks of time."""
    from transfer.training.mixture_stage import joined, judged

    history = data.history
    share = max(1, config.mixture_queries // len(queries))
    sampled = [part.sample(share, config.seed) for part in queries]
    every = np.unique(np.concatenate([data.to_log[part.seen] for part in sampled]))
    packed = moments(data.log, model.interest, every)
    begin, end = (
        min(float(part.time.min()) for part in sampled),
        max(float(part.time.max()) for part in sampled),
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
