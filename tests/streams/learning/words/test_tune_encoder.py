"""Tuning on a log: it learns what words tell, by the training part alone, and stops when it is told to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.tuned.config import WordsConfig
from encoders.tuned.models import BiEncoder
from streams.errors import TrainingError
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.learning.history import History, load_history
from streams.learning.split import Split, SplitPlan
from streams.learning.words.holdout import holdout_figures
from streams.learning.words.run import WordsRun
from streams.learning.words.tune_encoder import tune_encoder
from support.data.event_columns import NOW
from support.data.worded import write_worded_log
from support.fakes.tiny_model import save_tiny_model

SCALARS = {"loss", "bce", "precision", "recall", "f1", "auc", "ndcg@10"}


def read(folder: Path) -> tuple[History, Split]:
    events, items = write_worded_log(folder)
    history = load_history(open_logs([events], now=NOW + 1e9), open_catalogue([items]))
    return history, SplitPlan("time", 0.1, 0.2, force=True).of(history)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, Split]:
    return read(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> WordsConfig:
    base = save_tiny_model(tmp_path_factory.mktemp("base") / "m")
    return WordsConfig(
        base=str(base), rank=4, batch=16, negatives=8, micro_batch=8, steps=30, validate_every=10, patience=3,
        latest=3, max_length=48, learning_rate=0.01, precision="fp32", validation_targets=60,
    )  # fmt: skip


def test_tuning_learns_what_words_tell(
    log: tuple[History, Split], config: WordsConfig, tmp_path: Path
) -> None:
    """New items rank higher than by the base as it is, pairs are told apart better, and TensorBoard has every figure."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history, split = log
    tuned = tune_encoder(WordsRun.of_split(history, split), config, logs=tmp_path)
    first, best = tuned.report["looks"][0], tuned.report["best"]
    assert best["step"] > 0 and best["ndcg@10"] > first["ndcg@10"] + 0.1 and best["auc"] > first["auc"]
    assert tuned.learned.until == history.time[split.validation].max() < history.time[split.test].min()
    held_out = holdout_figures(tuned, history, split)
    assert held_out["auc"] > 0.8 and 0 < held_out["f1"] <= 1
    scalars = EventAccumulator(str(tmp_path)).Reload()
    assert {f"validation/{name}" for name in SCALARS} | {"train/loss"} <= set(scalars.Tags()["scalars"])
    assert len(scalars.Scalars("validation/ndcg@10")) == len(tuned.report["looks"])
    assert tuned.report["peak_mib"] > 0


def test_the_model_left_is_the_best_one(log: tuple[History, Split], config: WordsConfig) -> None:
    """A rate that ruins the base ends with the base as it was, after as many worse looks as patience says."""
    history, split = log
    ruined = config.model_copy(update={"learning_rate": 30.0, "validate_every": 1, "patience": 2})
    tuned = tune_encoder(WordsRun.of_split(history, split), ruined)
    looks = tuned.report["looks"]
    assert (tuned.report["stopped"], len(looks)) == ("patience", 3) and tuned.report["best"] == looks[0]
    assert all(not each.any() for name, each in tuned.adaptation.state().items() if "lora_B" in name)


def test_the_test_part_has_no_influence(log: tuple[History, Split], config: WordsConfig) -> None:
    """Two logs that differ in what is held out alone give the same model."""
    history, split = log
    item = history.item.copy()
    item[split.test] = item[split.test][::-1]
    few = config.model_copy(update={"steps": 2})
    found = [
        tune_encoder(WordsRun.of_split(each, split), few).adaptation.state()
        for each in (history, replace(history, item=item))
    ]
    assert set(found[0]) == set(found[1])
    for name, one in found[0].items():
        torch.testing.assert_close(one, found[1][name], atol=0, rtol=0)


def test_time_ends_a_training(log: tuple[History, Split], config: WordsConfig) -> None:
    """After the step under way; what is best so far is kept, with a look at what was reached."""
    history, split = log
    report = tune_encoder(WordsRun.of_split(history, split), config, max_seconds=0.0).report
    assert (report["stopped"], report["steps"], len(report["looks"])) == ("seconds", 1, 2)


def test_a_cross_encoder_learns_pairs(log: tuple[History, Split], config: WordsConfig) -> None:
    """Its cross-entropy falls below that of knowing the share of taken pairs alone."""
    history, split = log
    config = config.model_copy(update={"steps": 90, "validate_every": 30, "rank": 8, "micro_batch": 64})
    tuned = tune_encoder(WordsRun.of_split(history, split), config, cross=True)
    best = tuned.report["best"]
    assert not isinstance(tuned.model, BiEncoder)
    share = 60 / 204
    assert best["bce"] < -share * np.log(share) - (1 - share) * np.log(1 - share) - 0.03
    assert best["auc"] > 0.65
    assert set(SCALARS) <= set(best)


def test_a_log_without_texts_is_refused(log: tuple[History, Split], config: WordsConfig) -> None:
    """What is missing is named."""
    history, split = log
    with pytest.raises(TrainingError, match="--items"):
        tune_encoder(WordsRun.of_split(replace(history, item_texts=[""] * len(history.items)), split), config)


def test_a_user_gives_a_bounded_number_of_examples(log: tuple[History, Split]) -> None:
    """In each epoch, other ones each time."""
    from streams.learning.words.examples import word_examples
    from streams.learning.words.user_words import UserWords

    history, split = log
    examples = word_examples(history, split.train, UserWords(history, 3, 80))
    rng = np.random.default_rng(0)
    epochs = [examples.epoch(rng, 2) for _ in range(2)]
    for rows in epochs:
        assert np.bincount(examples.owner[rows]).max() == 2
    assert set(epochs[0].tolist()) != set(epochs[1].tolist())
