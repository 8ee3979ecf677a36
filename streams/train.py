"""Training of a model on a log: states, network, tables and mixture, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import MissingExtra, TrainingError
from streams.evidence import Later, count_tables, item_space, last_part_of, parts_of
from streams.material import Material
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.learned.gaps import gap_edges
from transfer.learned.model import LearnedModel
from transfer.learned.space import ItemSpace
from transfer.tables_config import TablesConfig
from transfer.training.config import TrainConfig
from transfer.training.examples import Examples, examples, gaps_of

if TYPE_CHECKING:
    from transfer.learned.mixture import Mixture, MixtureConfig
    from transfer.learned.network import TransferNetwork
    from transfer.training.mixture_stage import Judged
    from transfer.training.pool_stage import Case

Tell = Callable[[str], None]


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


@dataclass(slots=True)
class Prepared:
    """A trained network, and what its mixture is fitted on."""

    model: LearnedModel
    space: ItemSpace
    """with tables as after the training rows"""
    later: Later
    """the validation rows"""
    counted: Mixture
    """its counted components"""
    cases: list[Case]
    """what its pool is fitted on"""
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
    """The network, counted components, and evidence for the pool; see `train`."""
    from transfer.training.mixture_stage import fit_counted
    from transfer.training.pool_stage import cases, pool_requests

    tell = tell or (lambda line: None)
    found = positions(data, interest, tell)
    network, report = network_of(
        data, found, rows, validation, interest, config, logs=logs, bar=bar, tell=tell
    )
    del found
    model = _model(data, network, interest, rows, config.rare)
    history = data.history
    counted = count_tables(history, rows, tables)
    tell(f"tables: {counted.pairs} transitions")
    space = item_space(model, data, counted)
    later = Later(validation, space, progressive)
    before = (
        last_part_of(data, rows, space, tables, config.mixture_earlier_share) if progressive else None
    ) or later
    judged = _judged(data, before, model, tables, config, None)
    mixture, curve = fit_counted(_mixture_config(model, tables, config), judged, config)
    del judged
    count = pool_requests(config, len(space.candidates))
    later.remember(data, interest, config, [count, config.mixture_queries])
    found_cases = [
        case
        for part in parts_of(data, later, model, tables, config, count)
        for case in cases(part.requests, part.queries.target_offsets, part.target, part.space, mixture)
    ]
    report |= {"events": len(rows), "until": float(history.time[validation].max()), "data": history.identity}
    report |= {"counted": curve}
    return Prepared(model, space, later, mixture, found_cases, report)


def weigh(
    ready: Prepared, data: Material, tables: TablesConfig, config: TrainConfig, tell: Tell | None = None
) -> TrainedModel:
    """The mixture on top of a trained network."""
    from transfer.learned.mixture import Mixture
    from transfer.training.mixture_stage import fit_mixture
    from transfer.training.pool_stage import fit_pool

    tell = tell or (lambda line: None)
    model = ready.model
    mixture = Mixture(_mixture_config(model, tables, config))
    mixture.load_state_dict(ready.counted.state_dict())
    report = ready.report | {"train": config.model_dump(mode="json")}
    if ready.cases:
        report["pool"] = fit_pool(mixture, ready.cases, config)
        for row in report["pool"]:
            tell(
                f"pool{' in a named scenario' if row['given'] else ''}: NDCG@20 {row['ndcg']:.4f} "
                f"(likeliest {row['ndcg_of_likeliest']:.4f}), loss {row['loss']:.4f} ({row['loss_of_likeliest']:.4f})"
            )
    report["mixture"] = fit_mixture(
        mixture, _judged(data, ready.later, model, tables, config, mixture), config
    )
    best = min(row["validation_loss"] for row in report["mixture"])
    tell(f"mixture: validation loss {best:.4f} after {len(report['mixture'])} epochs")
    trained = LearnedModel(
        model.network, mixture, model.interest, model.items, model.names, "untold", encode_names=data.names
    )
    return TrainedModel(trained, tables, data.encoder.fingerprint, report)


def _judged(
    data: Material,
    later: Later,
    model: LearnedModel,
    tables: TablesConfig,
    config: TrainConfig,
    mixture: Mixture | None,
) -> Judged:
    from transfer.training.mixture_stage import joined, judged

    found = [
        judged(part.requests, part.queries.target_offsets, part.target, part.space, mixture)
        for part in parts_of(data, later, model, tables, config, config.mixture_queries)
    ]
    if not found:
        raise TrainingError("the validation part holds no event of a known user; give a longer log")
    return joined(found)


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
    compete = np.flatnonzero(np.bincount(log.item, minlength=len(history.items)) > 0)
    frequent = np.argsort(-count[compete], kind="stable")[: config.samples // 2]
    catalogue = Catalogue(
        torch.from_numpy(log.vectors),
        torch.from_numpy(ids),
        torch.from_numpy(history.item_scenario.astype(np.int64)),
        torch.from_numpy(compete),
        torch.from_numpy(np.sort(compete[frequent])),
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


def _model(
    data: Material, network: TransferNetwork, interest: InterestConfig, rows: I64, rare: int
) -> LearnedModel:
    """The network with the items that it was trained with."""
    from transfer.learned.model import ItemTable

    history = data.history
    count = np.bincount(history.item[rows][history.item[rows] >= 0], minlength=len(history.items))
    ids = _id_rows(count, rare)
    order = np.argsort(history.item_keys)
    there = order[np.bincount(data.log.item, minlength=len(history.items))[order] > 0]
    table = ItemTable(
        history.item_keys[there], data.log.vectors[there].astype(np.float16).astype(np.float32), ids[there]
    )
    names = dict(zip(history.scenarios, np.asarray(data.names(history.scenarios), np.float32), strict=True))
    return LearnedModel(network, None, interest, table, names, "untold", encode_names=data.names)


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
