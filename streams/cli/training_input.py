"""Reading what a model is trained on, for `train` and `tune`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.console import console
from streams.cli.log_input import LogInput, encode_texts, read_history

if TYPE_CHECKING:
    from streams.learning.fit import ItemContent
    from streams.learning.split import Split, SplitPlan
    from streams.learning.training.training_run import TrainingRun
    from streams.settings import Settings


@dataclass(frozen=True, slots=True, eq=False)
class TrainingInput:
    """What a training works on, and what was read for it."""

    run: TrainingRun
    split: Split
    """its test part is left out of the run"""
    content: ItemContent | None
    """vectors of the items' texts"""
    encoder_is_new: bool
    """whether the item encoder was fitted for this training, on the run's rows alone"""


def read_training(
    given: LogInput,
    settings: Settings,
    encoder: Path | None,
    plan: SplitPlan,
    quiet: bool,
) -> TrainingInput:
    """The log, its item vectors and scenario names, and which of its rows are for what.

    encoder: what `driftline fit` wrote; without one it is fitted on the training rows. plan: its test part is left out.

    Raises:
        LogError, MappingError, EncoderError: log, catalogue or encoder can't be read.
        EvaluationError: a part of the plan's split is too small.
        TrainingError: too little to train on, and the plan does not force it.
    """
    from encoders.item_encoder import ItemEncoder
    from streams.learning.fit import fit_encoder
    from streams.learning.homes import with_homes_of
    from streams.learning.training.enough import check_enough
    from streams.learning.training.training_data import training_data
    from streams.learning.training.training_run import TrainingRun
    from streams.workspace.scenario_names import names_for_training

    fitted = ItemEncoder.load(encoder) if encoder else None
    history = read_history(given, settings, quiet)
    split = plan.of(history)
    if not plan.force:
        check_enough(history, split.train, split.validation)
    history = with_homes_of(history, split.before_test)
    content = encode_texts(history, settings, fitted.space if fitted else None, quiet)
    names = names_for_training(settings.encoder, settings.train.name_words, history.scenarios)
    if fitted is None:
        dim, left_out = settings.interest.dim, split.leaves_out
        fitted = fit_encoder(history, split.train, settings.fit, content=content, dim=dim, left_out=left_out)
    data = training_data(history, split.train, fitted, content, names).knowing(split.before_test)
    run = TrainingRun(
        data,
        split.train,
        split.validation,
        settings.interest,
        settings.counts,
        settings.train,
        split.progressive,
        split.leaves_out,
    )
    if run.encoder_saw_validation:
        console.print(
            "the item encoder has learned from the validation part, too: how far to trust each component looks better there "
            f"than it is; an encoder from `driftline fit --holdout-share {plan.test_share + plan.validation_share:g}` knows "
            "nothing of it",
            soft_wrap=True,
        )
    return TrainingInput(run, split, content, encoder is None)
