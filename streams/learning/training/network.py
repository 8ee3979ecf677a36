"""Training of the network on a log, and the model that it is part of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import TrainingError
from streams.learning.training.training_data import TrainingData
from streams.learning.training.training_run import TrainingRun
from transfer.arrays import F32, I64, Bool
from transfer.config import InterestConfig
from transfer.learned.gaps import gap_edges
from transfer.learned.model import LearnedModel
from transfer.rows import group_starts
from transfer.training.examples import Examples, examples, gaps_of

if TYPE_CHECKING:
    from transfer.learned.config import NetworkConfig
    from transfer.learned.network import TransferNetwork
    from transfer.training.objective import ItemTensors

Tell = Callable[[str], None]
OnEpoch = Callable[[dict[str, float]], None]
"""Gets the measures of each epoch; may raise to stop."""


def positions(data: TrainingData, interest: InterestConfig, tell: Tell | None = None) -> Examples:
    """All positions of the log with their states, in one pass."""
    found = examples(data.log, interest)
    if tell is not None:
        tell(f"{len(found)} positions with their states")
    return found


def network_of(
    run: TrainingRun,
    found: Examples,
    *,
    judged: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    on_epoch: OnEpoch | None = None,
) -> tuple[TransferNetwork, dict[str, Any]]:
    """The network trained on `run.rows`, and its report.

    judged: the validation rows tell when to stop, and which epoch was best; else the network is that of the last epoch.

    Raises:
        TrainingError: too little to train on.
    """
    import torch

    from transfer.learned.network import TransferNetwork
    from transfer.training.batches import TrainingBatches
    from transfer.training.network_stage import TrainingSet, train_network

    data, config = run.data, run.config
    train_at, judge_at = _positions_of(run, found, judged)
    shape, ids = _shape(run), id_rows(run)
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    network = TransferNetwork(shape, int(ids.max()))
    batches = TrainingBatches(data.log, found, shape, ids, name_vectors(data))
    done = train_network(
        network,
        TrainingSet(batches, catalogue_of(run, ids), train_at, judge_at),
        config,
        logs=logs,
        progress=bar,
        on_epoch=on_epoch,
    )
    report = {
        "positions": len(train_at),
        "best_new": done.best,
        "best_epoch": done.epoch,
        "network": done.curve,
    }
    return done.network, report


def model_of(run: TrainingRun, network: TransferNetwork) -> LearnedModel:
    """The network with the items that it was trained with."""
    from transfer.learned.model import TrainedItems

    data, history = run.data, run.data.history
    order = np.argsort(history.item_keys)
    with_events = order[data.has_events[order]]
    table = TrainedItems(
        history.item_keys[with_events],
        data.log.vectors[with_events].astype(np.float16).astype(np.float32),
        id_rows(run)[with_events],
    )
    names = dict(zip(history.scenarios, name_vectors(data), strict=True))
    model = LearnedModel(network, None, run.interest, table, names, "untold", data.name_source)
    model.bind(None, data.names)
    return model


def epoch_text(row: dict[str, float]) -> str:
    """The measures of an epoch for people.

    >>> epoch_text({"epoch": 1.0, "loss": 0.5, "validation_new": 0.25})
    'epoch 1: loss 0.5000, validation new 0.2500'
    """
    text = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}" for name, value in row.items() if name != "epoch"
    )
    return f"epoch {int(row['epoch'])}: {text}"


def _positions_of(run: TrainingRun, found: Examples, judged: bool) -> tuple[I64, I64 | None]:
    """Positions with targets, among the training and the validation rows."""
    train_at = positions_at(run, found, run.rows)
    judge_at = positions_at(run, found, run.validation) if judged else None
    if not len(train_at) or (judge_at is not None and not len(judge_at)):
        raise TrainingError(
            "the log is too short: no user comes back in the training and the validation part"
        )
    return train_at, judge_at


def positions_at(run: TrainingRun, found: Examples, rows: I64) -> I64:
    """Positions with targets whose basket is of these rows of the history."""
    with_targets = np.diff(found.target_offsets) > 0
    return np.flatnonzero(_mask(run, rows)[run.data.row[found.row]] & with_targets)


def _shape(run: TrainingRun) -> NetworkConfig:
    from transfer.learned.config import NetworkConfig

    data, config, interest = run.data, run.config, run.interest
    return NetworkConfig(
        dim=interest.dim,
        horizons=len(interest.half_lives_s),
        actions=len(interest.action_weights),
        width=config.width,
        heads=config.heads,
        layers=config.layers,
        feed_forward=config.feed_forward,
        ring=min(config.ring, interest.ring),
        gap_edges_s=gap_edges(gaps_of(data.log)[_mask(run, run.rows)[data.row]]),
        use_ring=config.use_ring,
        use_slots=config.use_slots and len(data.history.scenarios) > 1,
        use_emergence=config.use_emergence,
        transfer=config.transfer,
        dropout=config.dropout,
        id_dropout=config.id_dropout,
        event_dropout=config.event_dropout,
        scenario_dropout=config.scenario_dropout,
    )


def catalogue_of(run: TrainingRun, ids: I64) -> ItemTensors:
    """The items that compete: those with events; the most frequent of the training rows are always sampled."""
    import torch

    from transfer.training.objective import ItemTensors

    data = run.data
    compete = np.flatnonzero(data.has_events)
    frequent = np.argsort(-_event_counts(run)[compete], kind="stable")[: run.config.samples // 2]
    return ItemTensors(
        torch.from_numpy(data.log.vectors),
        torch.from_numpy(ids),
        torch.from_numpy(data.history.item_scenario.astype(np.int64)),
        torch.from_numpy(compete),
        torch.from_numpy(np.sort(compete[frequent])),
    )


def id_rows(run: TrainingRun) -> I64:
    """(N,) row of each item in the id table: 0 for items of fewer than `rare` training events or none.

    In order of the event that made an item known: with later events further rows come, and those that were there stay.
    """
    history = run.data.history
    order = run.rows[np.argsort(history.time[run.rows], kind="stable")]
    item = history.item[order]
    item = item[item >= 0]
    by_item = np.argsort(item, kind="stable")
    starts = group_starts([item[by_item]])
    sizes = np.diff(np.append(starts, len(by_item)))
    rare = max(run.config.rare, 1)
    made_known = np.sort(by_item[starts[sizes >= rare] + rare - 1])
    ids = np.zeros(len(history.items), np.int64)
    ids[item[made_known]] = np.arange(1, len(made_known) + 1)
    return ids


def _event_counts(run: TrainingRun) -> I64:
    """(N,) training events of each item."""
    item = run.data.history.item[run.rows]
    return np.bincount(item[item >= 0], minlength=len(run.data.history.items))


def _mask(run: TrainingRun, rows: I64) -> Bool:
    """(E,) whether a row of the history is among `rows`."""
    mask = np.zeros(len(run.data.history), np.bool_)
    mask[rows] = True
    return mask


def name_vectors(data: TrainingData) -> F32:
    """(S, D) of the history's scenario names."""
    return np.asarray(data.names(data.history.scenarios), np.float32)
