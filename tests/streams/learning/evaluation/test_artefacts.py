"""A model that is judged brings an item encoder: neither may have learned from the test part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from encoders.item_encoder import ItemEncoder
from streams.errors import EvaluationError
from streams.learning.evaluation.artefacts import check_artefacts
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.plan import Plan
from streams.learning.fit import fit_encoder
from streams.learning.split import By, Split, split_of
from streams.learning.training.training_data import training_data
from streams.learning.training.training_run import TrainingRun
from streams.settings import Settings
from support.data.histories import random_history
from support.fakes.learned import random_model
from transfer.arrays import I64
from transfer.counts.config import CountsConfig
from transfer.learned.folder import save_model

HISTORY = random_history(events=900)
SETTINGS = Settings.model_validate({"interest": {"dim": 8}, "encoder": {"dim": 8}})


def encoder_of(folder: Path, rows: I64, left_out: str = "") -> Path:
    """Fitted on these rows."""
    fit_encoder(HISTORY, rows, dim=8, left_out=left_out).save(folder)
    return folder


def model_of(folder: Path, encoder: Path, split: Split) -> Path:
    """A model of random weights whose folder says what one that was trained before the test, with this encoder, would say."""
    data = training_data(HISTORY, split.train, ItemEncoder.load(encoder))
    run = TrainingRun(
        data,
        split.train,
        split.validation,
        SETTINGS.interest,
        CountsConfig(),
        SETTINGS.train,
        True,
        split.leaves_out,
    )
    learned = run.learned
    report = {
        "until": None if learned is None else learned.until,
        "left_out": "" if learned is None else learned.left_out,
        "data": HISTORY.identity,
    }
    save_model(folder, random_model(SETTINGS.interest), CountsConfig(), report, data.encoder.fingerprint)
    return folder


def check(
    split: Split, model: Path, encoder: Path | None, force: bool = False, fitted: Path | None = None
) -> None:
    """As `evaluate` does."""
    settings = SETTINGS
    if fitted is not None:
        settings = SETTINGS.model_copy(
            update={"encoder": SETTINGS.encoder.model_copy(update={"fitted": fitted})}
        )
    setup = Setup(model=model, encoder=encoder, settings=settings)
    check_artefacts(HISTORY, split, Plan(["popularity", "driftline"], setup=setup, force=force))


@pytest.mark.parametrize("by", ["time", "events", "last"])
def test_what_has_not_seen_the_test_is_judged(tmp_path: Path, by: By) -> None:
    """Model and encoder of everything before the test pass; so does an encoder of the training part."""
    split = split_of(HISTORY, by, force=True)
    for number, rows in enumerate((split.before_test, split.train)):
        encoder = encoder_of(tmp_path / f"e{number}", rows, split.leaves_out)
        check(split, model_of(tmp_path / f"m{number}", encoder, split), encoder)


@pytest.mark.parametrize("by", ["time", "events", "last"])
def test_an_encoder_that_saw_the_test_is_refused(tmp_path: Path, by: By) -> None:
    """Whether it is named, or the settings name it; and a model that was trained with it, whichever encoder is named then."""
    split = split_of(HISTORY, by, force=True)
    seen = encoder_of(tmp_path / "seen", np.arange(len(HISTORY)))
    blind = encoder_of(tmp_path / "blind", split.before_test, split.leaves_out)
    model = model_of(tmp_path / "model", blind, split)
    for force in (False, True):
        with pytest.raises(EvaluationError, match=r"item encoder .*seen has learned from .*driftline fit"):
            check(split, model, seen, force)
        with pytest.raises(EvaluationError, match=r"item encoder .*seen"):
            check(split, model, None, force, fitted=seen)
        with pytest.raises(EvaluationError, match=r"the model .*tainted has learned from .*driftline train"):
            check(split, model_of(tmp_path / "tainted", seen, split), blind, force)


def test_a_part_of_another_cut_is_judged_by_its_time(tmp_path: Path) -> None:
    """What was made for a small test part is refused where a larger one is tested on; leave-one-out takes no cut in time."""
    small, large = (split_of(HISTORY, "time", share, force=True) for share in (0.05, 0.4))
    encoder = encoder_of(tmp_path / "encoder", small.before_test)
    model = model_of(tmp_path / "model", encoder, small)
    check(small, model, encoder)
    for split in (large, split_of(HISTORY, "last", force=True)):
        with pytest.raises(EvaluationError, match="has learned from events that it would be judged by"):
            check(split, model, encoder)


def test_a_folder_that_does_not_tell_is_refused_unless_forced(tmp_path: Path) -> None:
    """An encoder of an earlier release says nothing of its events; nor then does a model that is trained with it."""
    split = split_of(HISTORY, "time", force=True)
    encoder = encoder_of(tmp_path / "encoder", split.train)
    model = model_of(tmp_path / "model", encoder, split)
    about = json.loads((encoder / "item_encoder.json").read_text())
    before = about.pop("learned")
    assert before["until"] == HISTORY.time[split.train].max() and before["log"] == HISTORY.identity
    (encoder / "item_encoder.json").write_text(json.dumps(about))
    with pytest.raises(EvaluationError, match=r"doesn't tell until when .*--force"):
        check(split, model, encoder)
    check(split, model, encoder, force=True)
    untold = model_of(tmp_path / "untold", encoder, split)
    with pytest.raises(EvaluationError, match=r"the model .*untold doesn't tell"):
        check(split, untold, encoder_of(tmp_path / "other", split.train))
