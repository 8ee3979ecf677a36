"""Training of the network on a log, and the model that it is part of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import TrainingError
from streams.learning.training.material import Material
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.learned.gaps import gap_edges
from transfer.learned.model import LearnedModel
from transfer.training.config import TrainConfig
from transfer.training.examples import Examples, examples, gaps_of

if TYPE_CHECKING:
    from transfer.learned.network import TransferNetwork

Tell = Callable[[str], None]


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
    validation: I64 | None,
    interest: InterestConfig,
    config: TrainConfig,
    *,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> tuple[TransferNetwork, dict[str, Any]]:
    """The trained network and its report; without `validation` that of the last epoch. `on_epoch` may raise to stop.

    Raises:
        TrainingError: too little to train on.
    """
    import torch

    from transfer.learned.config import NetworkConfig
    from transfer.learned.network import TransferNetwork
    from transfer.training.batches import TrainingBatches
    from transfer.training.network_stage import train_network
    from transfer.training.objective import ItemTensors

    log, history = data.log, data.history
    part = np.zeros(len(history), np.int8)
    part[rows] = 1
    if validation is not None:
        part[validation] = 2
    of = part[data.row[found.row]]
    asked = np.diff(found.target_offsets) > 0
    train_at, judge_at = np.flatnonzero((of == 1) & asked), np.flatnonzero((of == 2) & asked)
    if not len(train_at) or (validation is not None and not len(judge_at)):
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
    catalogue = ItemTensors(
        torch.from_numpy(log.vectors),
        torch.from_numpy(ids),
        torch.from_numpy(history.item_scenario.astype(np.int64)),
        torch.from_numpy(compete),
        torch.from_numpy(np.sort(compete[frequent])),
    )
    names = np.asarray(data.names(history.scenarios), np.float32)
    batches = TrainingBatches(log, found, shape, ids, names)

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
        network,
        batches,
        catalogue,
        train_at,
        None if validation is None else judge_at,
        config,
        logs=logs,
        progress=bar,
        on_epoch=told,
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


def model_of(
    data: Material, network: TransferNetwork, interest: InterestConfig, rows: I64, rare: int
) -> LearnedModel:
    """The network with the items that it was trained with."""
    from transfer.learned.model import TrainedItems

    history = data.history
    count = np.bincount(history.item[rows][history.item[rows] >= 0], minlength=len(history.items))
    ids = _id_rows(count, rare)
    order = np.argsort(history.item_keys)
    there = order[np.bincount(data.log.item, minlength=len(history.items))[order] > 0]
    table = TrainedItems(
        history.item_keys[there], data.log.vectors[there].astype(np.float16).astype(np.float32), ids[there]
    )
    names = dict(zip(history.scenarios, np.asarray(data.names(history.scenarios), np.float32), strict=True))
    return LearnedModel(
        network, None, interest, table, names, "untold", encode_names=data.names, name_source=data.name_source
    )
