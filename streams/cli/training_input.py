"""Reading what a model is trained on, for `train` and `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streams.cli.log_input import LogInput, encode_texts, read_history

if TYPE_CHECKING:
    from streams.learning.training.training_run import TrainingRun
    from streams.settings import Settings


def read_training(
    given: LogInput,
    settings: Settings,
    encoder: Path | None,
    validation_share: float,
    holdout_share: float,
    quiet: bool,
) -> TrainingRun:
    """The log, its item vectors and scenario names, and which of its rows are for what.

    encoder: what `driftline fit` wrote; without one it is fitted on the training rows.

    Raises:
        LogError, MappingError, EncoderError: log, catalogue or encoder can't be read.
        TrainingError: too little to train on.
    """
    from encoders.item_encoder import ItemEncoder
    from streams.learning.training.training_data import split_rows, training_data
    from streams.learning.training.training_run import TrainingRun
    from streams.workspace.scenario_names import names_for_training

    fitted = ItemEncoder.load(encoder) if encoder else None
    history = read_history(given, settings, quiet)
    rows, validation = split_rows(history, validation_share, holdout_share)
    content = encode_texts(history, settings, fitted.whitening if fitted else None, quiet)
    names = names_for_training(settings.encoder, settings.train.name_words, history.scenarios)
    data = training_data(history, rows, fitted, content, names, fit=settings.fit, dim=settings.interest.dim)
    return TrainingRun(data, rows, validation, settings.interest, settings.counts, settings.train)
