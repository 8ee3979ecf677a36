"""Training of a model on a log: states, network, counts and mixture, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import MissingExtra, TrainingError
from streams.learning.training.material import Material
from streams.learning.training.network import Tell, model_of, network_of, positions
from streams.learning.training.requests_at import (
    Later,
    count_rows,
    item_space,
    last_part_of,
    request_blocks,
)
from transfer.arrays import I64
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.learned.item_index import ItemIndex
from transfer.learned.model import LearnedModel
from transfer.training.config import TrainConfig

if TYPE_CHECKING:
    from transfer.learned.mixture import Mixture, MixtureConfig
    from transfer.training.mixture_stage import Judged
    from transfer.training.pool_stage import PoolCases


@dataclass(slots=True)
class TrainedModel:
    """A model, the settings of its counts, and what there is to say of its training."""

    model: LearnedModel
    counts: CountsConfig
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
class MixtureData:
    """A trained network, and what its mixture is fitted on."""

    model: LearnedModel
    served: LearnedModel
    """the same or, refitted, one whose network has learned the validation part too"""
    space: ItemIndex
    """with counts as after the training rows"""
    later: Later
    """the validation rows"""
    counted: Mixture
    """its counted components"""
    foreseen: PoolCases
    """what its pool is fitted on"""
    report: dict[str, Any]


def train(
    data: Material,
    rows: I64,
    validation: I64,
    interest: InterestConfig,
    counts: CountsConfig,
    config: TrainConfig,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> TrainedModel:
    """Train on history rows `rows`, stop and weigh components by rows `validation`, all of them later than a user's `rows`.

    progressive: counts go on through the validation part, as the daemon's do; else they stay as after `rows`. Only then is
    the network refitted in the end (`TrainConfig.refit`): weights of the mixture are those found with the network that had not
    seen the validation part.

    Raises:
        TrainingError: too little to train on.
    """
    ready = prepare_mixture(
        data,
        rows,
        validation,
        interest,
        counts,
        config,
        progressive=progressive,
        logs=logs,
        bar=bar,
        tell=tell,
    )
    return weigh(ready, data, counts, config, tell)


def prepare_mixture(
    data: Material,
    rows: I64,
    validation: I64,
    interest: InterestConfig,
    counts: CountsConfig,
    config: TrainConfig,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> MixtureData:
    """The network, counted components, and evidence for the pool; see `train`."""
    from transfer.training.mixture_stage import fit_counted
    from transfer.training.pool_stage import cases, evidence

    tell = tell or (lambda line: None)
    found = positions(data, interest, tell)
    network, report = network_of(
        data, found, rows, validation, interest, config, logs=logs, bar=bar, tell=tell
    )
    model = served = model_of(data, network, interest, rows, config.rare)
    if config.refit and progressive:
        tell("network: anew, with the validation part")
        again = config.model_copy(update={"epochs": report["best_epoch"] + 1})
        every = np.union1d(rows, validation)
        network, refit = network_of(data, found, every, None, interest, again, bar=bar, tell=tell)
        served = model_of(data, network, interest, every, config.rare)
        report["refit"] = refit["network"]
    del found
    history = data.history
    counted = count_rows(history, rows, counts)
    tell(f"counts: {counted.pairs} transitions")
    space = item_space(model, data, counted)
    later = Later(validation, space, progressive)
    before = (
        last_part_of(data, rows, space, counts, config.mixture_earlier_share) if progressive else None
    ) or later
    judged = _judged(data, before, model, counts, config, None)
    mixture, curve = fit_counted(_mixture_config(model, counts, config), judged, config)
    del judged
    later.remember(data, interest, config, [config.pool_queries, config.mixture_queries])
    found_cases = (
        case
        for part in request_blocks(data, later, model, counts, config, config.pool_queries)
        for case in cases(part.requests, part.queries.target_offsets, part.target, part.space, mixture)
    )
    foreseen = evidence(found_cases, config, len(space.candidates))
    report |= {"events": len(rows), "until": float(history.time[validation].max()), "data": history.identity}
    report |= {"counted": curve}
    return MixtureData(model, served, space, later, mixture, foreseen, report)


def weigh(
    ready: MixtureData, data: Material, counts: CountsConfig, config: TrainConfig, tell: Tell | None = None
) -> TrainedModel:
    """The mixture on top of a trained network."""
    from transfer.learned.mixture import Mixture
    from transfer.training.mixture_stage import fit_mixture
    from transfer.training.pool_stage import fit_pool

    tell = tell or (lambda line: None)
    model = ready.model
    mixture = Mixture(_mixture_config(model, counts, config))
    mixture.load_state_dict(ready.counted.state_dict())
    report = ready.report | {"train": config.model_dump(mode="json")}
    if ready.foreseen.cases:
        report["pool"] = fit_pool(mixture, ready.foreseen, config)
        for row in report["pool"]:
            tell(
                f"pool{' in a named scenario' if row['given'] else ''}: NDCG@20 {row['ndcg']:.4f} "
                f"(likeliest {row['ndcg_of_likeliest']:.4f}), loss {row['loss']:.4f} ({row['loss_of_likeliest']:.4f})"
            )
    report["mixture"] = fit_mixture(
        mixture, _judged(data, ready.later, model, counts, config, mixture), config
    )
    best = min(row["validation_loss"] for row in report["mixture"])
    tell(f"mixture: validation loss {best:.4f} after {len(report['mixture'])} epochs")
    served = ready.served
    trained = LearnedModel(
        served.network,
        mixture,
        served.interest,
        served.items,
        served.names,
        "untold",
        encode_names=data.names,
        name_source=data.name_source,
    )
    return TrainedModel(trained, counts, data.encoder.fingerprint, report)


def _judged(
    data: Material,
    later: Later,
    model: LearnedModel,
    counts: CountsConfig,
    config: TrainConfig,
    mixture: Mixture | None,
) -> Judged:
    from transfer.training.mixture_stage import join_judged, judged

    found = [
        judged(part.requests, part.queries.target_offsets, part.target, part.space, mixture)
        for part in request_blocks(data, later, model, counts, config, config.mixture_queries)
    ]
    if not found:
        raise TrainingError("the validation part holds no event of a known user; give a longer log")
    return join_judged(found)


def _mixture_config(model: LearnedModel, counts: CountsConfig, config: TrainConfig) -> MixtureConfig:
    from transfer.learned.requests import mixture_config

    return mixture_config(
        model.config.horizons,
        model.config.actions,
        len(counts.half_lives_s),
        config.places,
        hidden=config.mixture_hidden,
        use_again=config.use_again,
        use_new=config.use_new,
        use_next=config.use_next,
        use_recent=config.use_recent,
        use_debuts=config.use_debuts,
    )
