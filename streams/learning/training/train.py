"""Training of a model on a log: states, network, counts and mixture, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.errors import MissingExtra, TrainingError
from streams.learning.count_rows import count_rows
from streams.learning.training.against import choose_against_share
from streams.learning.training.first_events import fit_popular
from streams.learning.training.folds import Fold, TrainedNetworks, train_networks
from streams.learning.training.network import Tell
from streams.learning.training.requests_at import (
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
    """Trained networks, and what their mixture is fitted on."""

    run: TrainingRun
    networks: TrainedNetworks
    index: ItemIndex
    """with counts as after the training rows"""
    folds: list[Fold]
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

    tell = tell or (lambda line: None)
    networks = train_networks(run, learn_on=run.config.refit and progressive, logs=logs, bar=bar, tell=tell)
    return mixture_data(run, networks, progressive, tell)


def mixture_data(run: TrainingRun, networks: TrainedNetworks, progressive: bool, tell: Tell) -> MixtureData:
    """Counted components, and cases for the pool, for networks that are there."""
    from transfer.training.mixture_stage import fit_counted

    history, config, model = run.data.history, run.config, networks.first
    counted = count_rows(history, run.rows, run.counts)
    tell(f"counts: {counted.pairs} transitions")
    index = item_index(model, run.data, counted)
    folds = networks.folds(run, index, progressive)
    before = last_part_of(run, index) if progressive else None
    judged = _judged(run, folds if before is None else [Fold(model, before)], None)
    mixture, curve = fit_counted(_mixture_config(model, run.counts, config), judged, config)
    del judged
    for fold in folds:
        share = _share(run, fold)
        fold.later.remember(run, [share(config.pool_queries), share(config.mixture_queries)])
    foreseen = _foreseen(run, folds, mixture)
    learned = run.learned
    report = networks.report | {
        "events": len(run.rows),
        "until": None if learned is None else learned.until,
        "left_out": "" if learned is None else learned.left_out,
        "data": history.identity,
        "counted": curve,
    }
    return MixtureData(run, networks, index, folds, mixture, foreseen, report)


def weigh(ready: MixtureData, config: TrainConfig, tell: Tell | None = None) -> TrainedModel:
    """The mixture on top of a trained network; `config` may leave out components that the network knows nothing of."""
    from transfer.learned.mixture import Mixture
    from transfer.training.mixture_stage import fit_mixture
    from transfer.training.pool_stage import fit_pool

    tell = tell or (lambda line: None)
    run, model = replace(ready.run, config=config), ready.networks.first
    mixture = Mixture(_mixture_config(model, run.counts, config))
    mixture.load_state_dict(ready.counted.state_dict())
    report = ready.report | {"train": config.model_dump(mode="json")}
    if ready.foreseen.cases:
        report["pool"] = fit_pool(mixture, ready.foreseen, config)
        for row in report["pool"]:
            tell(
                f"pool{' in a named scenario' if row['given'] else ''}: NDCG@20 {row['ndcg']:.4f} "
                f"(likeliest {row['ndcg_of_likeliest']:.4f}), loss {row['loss']:.4f} (at one temperature "
                f"{row['loss_of_one_temperature']:.4f}, uniform {row['loss_of_uniform']:.4f})"
            )
            if row["at_the_edge"]:
                tell("warning: the sharpest temperature that was tried is the likeliest one")
    judged = _judged(run, ready.folds, mixture)
    report["mixture"] = fit_mixture(mixture, judged, config)
    best = min(row["validation_loss"] for row in report["mixture"])
    report["uniform_loss"] = judged.uniform_loss
    tell(
        f"mixture: validation loss {best:.4f} (uniform {judged.uniform_loss:.4f}) after {len(report['mixture'])} epochs"
    )
    if best > judged.uniform_loss:
        tell(
            "warning: the mixture foresees the last of the validation part worse than a guess would; its probabilities "
            "can't be trusted, and a longer validation part may help (--validation-share)"
        )
    served, last = ready.networks.served, ready.folds[-1]
    report["popular"] = fit_popular(run, [(fold.model, fold.later) for fold in ready.folds], mixture.eval())
    report["against"] = choose_against_share(run, last.later, last.model, mixture.eval(), tell)
    served.take_against(last.model.config.against_share)
    if report["against"]:
        tell(f"against: up to {served.config.against_share:.2f} of a query")
    trained = LearnedModel(
        served.network, mixture, served.interest, served.items, served.names, "untold", run.data.name_source
    )
    trained.bind(None, run.data.names)
    return TrainedModel(trained, run.counts, run.data.encoder.fingerprint, report)


def _share(run: TrainingRun, fold: Fold) -> Callable[[int], int]:
    """The fold's part of a number of requests, by its events."""
    part = len(fold.later.rows) / max(len(run.validation), 1)
    return lambda count: max(1, round(count * min(part, 1.0)))


def _foreseen(run: TrainingRun, folds: list[Fold], mixture: Mixture) -> PoolCases:
    from transfer.training.pool_stage import cases, pool_cases

    found = (
        case
        for fold in folds
        for part in request_blocks(run, fold.later, fold.model, _share(run, fold)(run.config.pool_queries))
        for case in cases(part.requests, part.queries.target_offsets, part.target, part.index, mixture)
    )
    return pool_cases(found, run.config, len(folds[0].later.index.candidates))


def _judged(run: TrainingRun, folds: list[Fold], mixture: Mixture | None) -> Judged:
    from transfer.training.mixture_stage import join_judged, judged

    found = [
        judged(part.requests, part.queries.target_offsets, part.target, part.index, mixture)
        for fold in folds
        for part in request_blocks(run, fold.later, fold.model, _share(run, fold)(run.config.mixture_queries))
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
