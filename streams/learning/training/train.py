"""Training of a model on a log: states, network, counts and mixture, one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.errors import MissingExtra, TrainingError
from streams.learning.training.against import choose_against_share
from streams.learning.training.network import Tell, epoch_text, model_of, network_of, positions
from streams.learning.training.requests_at import (
    Later,
    count_rows,
    item_index,
    last_part_of,
    request_blocks,
)
from streams.learning.training.training_run import TrainingRun
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

    run: TrainingRun
    model: LearnedModel
    served: LearnedModel
    """the same or, refitted, one whose network has learned the validation part too"""
    index: ItemIndex
    """with counts as after the training rows"""
    later: Later
    """the validation rows"""
    counted: Mixture
    """its counted components"""
    foreseen: PoolCases
    """what its pool is fitted on"""
    report: dict[str, Any]


def train(
    run: TrainingRun,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> TrainedModel:
    """Train on the rows of the run, stop and weigh components by its validation rows.

    progressive: counts continue through the validation part, as the daemon's do; else they stay as after `rows`. Only then is
    the network refitted in the end (`TrainConfig.refit`): weights of the mixture are those found with the network that had not
    seen the validation part.

    Raises:
        TrainingError: too little to train on.
    """
    ready = prepare_mixture(run, progressive=progressive, logs=logs, bar=bar, tell=tell)
    return weigh(ready, run.config, tell)


def prepare_mixture(
    run: TrainingRun,
    *,
    progressive: bool = True,
    logs: Path | None = None,
    bar: bool = False,
    tell: Tell | None = None,
) -> MixtureData:
    """The network, counted components, and cases for the pool; see `train`."""
    from transfer.training.mixture_stage import fit_counted

    tell = tell or (lambda line: None)
    model, served, report = _networks(run, progressive, logs, bar, tell)
    history, config = run.data.history, run.config
    counted = count_rows(history, run.rows, run.counts)
    tell(f"counts: {counted.pairs} transitions")
    index = item_index(model, run.data, counted)
    later = Later(run.validation, index, progressive)
    before = (last_part_of(run, index) if progressive else None) or later
    judged = _judged(run, before, model, None)
    mixture, curve = fit_counted(_mixture_config(model, run.counts, config), judged, config)
    del judged
    later.remember(run, [config.pool_queries, config.mixture_queries])
    foreseen = _foreseen(run, later, model, mixture)
    until = float(history.time[run.validation].max())
    report |= {"events": len(run.rows), "until": until, "data": history.identity, "counted": curve}
    return MixtureData(run, model, served, index, later, mixture, foreseen, report)


def weigh(ready: MixtureData, config: TrainConfig, tell: Tell | None = None) -> TrainedModel:
    """The mixture on top of a trained network; `config` may leave out components that the network knows nothing of."""
    from transfer.learned.mixture import Mixture
    from transfer.training.mixture_stage import fit_mixture
    from transfer.training.pool_stage import fit_pool

    tell = tell or (lambda line: None)
    run, model = replace(ready.run, config=config), ready.model
    mixture = Mixture(_mixture_config(model, run.counts, config))
    mixture.load_state_dict(ready.counted.state_dict())
    report = ready.report | {"train": config.model_dump(mode="json")}
    if ready.foreseen.cases:
        report["pool"] = fit_pool(mixture, ready.foreseen, config)
        for row in report["pool"]:
            tell(
                f"pool{' in a named scenario' if row['given'] else ''}: NDCG@20 {row['ndcg']:.4f} "
                f"(likeliest {row['ndcg_of_likeliest']:.4f}), loss {row['loss']:.4f} ({row['loss_of_likeliest']:.4f})"
            )
    report["mixture"] = fit_mixture(mixture, _judged(run, ready.later, model, mixture), config)
    best = min(row["validation_loss"] for row in report["mixture"])
    tell(f"mixture: validation loss {best:.4f} after {len(report['mixture'])} epochs")
    served = ready.served
    report["against"] = choose_against_share(run, ready.later, model, mixture.eval())
    served.take_against(model.config.against_share)
    if report["against"]:
        tell(f"against: up to {model.config.against_share:.2f} of a query")
    trained = LearnedModel(
        served.network, mixture, served.interest, served.items, served.names, "untold", run.data.name_source
    )
    trained.bind(None, run.data.names)
    return TrainedModel(trained, run.counts, run.data.encoder.fingerprint, report)


def _networks(
    run: TrainingRun, progressive: bool, logs: Path | None, bar: bool, tell: Tell
) -> tuple[LearnedModel, LearnedModel, dict[str, Any]]:
    """The model to weigh components by, the one that serves, and the report of both trainings."""

    def told(row: dict[str, float]) -> None:
        tell(epoch_text(row))

    found = positions(run.data, run.interest, tell)
    network, report = network_of(run, found, logs=logs, bar=bar, on_epoch=told)
    model = model_of(run, network)
    if not (run.config.refit and progressive):
        return model, model, report
    tell("network: trained again, with the validation part")
    again = run.config.model_copy(update={"epochs": report["best_epoch"] + 1})
    every = replace(run, rows=np.union1d(run.rows, run.validation), config=again)
    network, refit = network_of(every, found, judged=False, bar=bar, on_epoch=told)
    report["refit"] = refit["network"]
    return model, model_of(every, network), report


def _foreseen(run: TrainingRun, later: Later, model: LearnedModel, mixture: Mixture) -> PoolCases:
    from transfer.training.pool_stage import cases, pool_cases

    found = (
        case
        for part in request_blocks(run, later, model, run.config.pool_queries)
        for case in cases(part.requests, part.queries.target_offsets, part.target, part.index, mixture)
    )
    return pool_cases(found, run.config, len(later.index.candidates))


def _judged(run: TrainingRun, later: Later, model: LearnedModel, mixture: Mixture | None) -> Judged:
    from transfer.training.mixture_stage import join_judged, judged

    found = [
        judged(part.requests, part.queries.target_offsets, part.target, part.index, mixture)
        for part in request_blocks(run, later, model, run.config.mixture_queries)
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
