"""The methods of words: what a user has had, in words, against items in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.tuned.folder import save_words
from streams.errors import EvaluationError
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.learning.evaluation.cold_items import asked_of
from streams.learning.evaluation.methods.base import Setup
from streams.learning.evaluation.methods.words import FrozenWords, TunedWordsMethod
from streams.learning.evaluation.plan import Plan
from streams.learning.evaluation.run import evaluate
from streams.learning.history import History, load_history
from streams.learning.split import Split, SplitPlan
from streams.learning.words.run import WordsRun
from streams.learning.words.tune_encoder import tune_encoder
from streams.settings import Settings
from support.data.event_columns import NOW
from support.data.worded import write_worded_log
from support.fakes.tiny_model import save_tiny_model


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, Split, Settings]:
    folder = tmp_path_factory.mktemp("worded")
    events, items = write_worded_log(folder)
    history = load_history(open_logs([events], now=NOW + 1e9), open_catalogue([items]))
    base = str(save_tiny_model(folder / "m"))
    words = {
        "base": base, "batch": 16, "negatives": 8, "steps": 10, "latest": 3, "max_length": 48, "learning_rate": 0.01,
        "precision": "fp32", "validation_targets": 60,
    }  # fmt: skip
    encoder = {"model": base, "dim": 16, "max_length": 48, "precision": "fp32"}
    settings = Settings.model_validate({"encoder": encoder, "interest": {"dim": 16}, "words": words})
    return history, SplitPlan("time", 0.1, 0.2, force=True).of(history), settings


def test_both_methods_rank_by_words(log: tuple[History, Split, Settings]) -> None:
    """Better than chance by the frozen encoder, better still by the tuned one, which is trained once for each seed."""
    history, split, settings = log
    plan = Plan(["words-frozen", "words-tuned"], seeds=2, setup=Setup(settings=settings), force=True)
    assert [plan.runs(name) for name in plan.methods] == [1, 2]
    done = evaluate(history, split, plan)
    assert not done.failed
    frozen, tuned = (result.without_own for result in done.results)
    middle = len(history.items) / 2
    assert frozen.mean() < middle and tuned.mean() < frozen.mean() and len(tuned) == 2
    assert done.results[1].curves[0]


def test_a_user_without_words_is_told_nothing(log: tuple[History, Split, Settings]) -> None:
    """All scores of such a user are equal, so that what is popular stands in; items without a text come last."""
    history, split, settings = log
    method = FrozenWords(Setup(settings=settings))
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    first = split.queries(history, "validation", "open").take(slice(0, 1))
    nothing = type(first)(
        **{name: getattr(first, name) for name in first.__dataclass_fields__ if name != "seen"},
        seen=history.offsets[first.user],
    )
    assert not method.scores(nothing).any() and method.scores(first).any()


def test_a_folder_is_judged_if_it_has_not_learned_the_test(
    log: tuple[History, Split, Settings], tmp_path: Path
) -> None:
    """One that was tuned before it gives what it gave when it was tuned; one that knows later events is refused, and so is any
    where items are hidden, or a cross-encoder."""
    history, split, settings = log
    few = settings.words.model_copy(update={"steps": 1})
    tuned = tune_encoder(WordsRun.of_split(history, split), few)
    save_words(tmp_path / "words", tuned)
    setup = Setup(settings=settings, words=tmp_path / "words")
    plan = Plan(["words-tuned"], setup=setup, force=True)
    assert plan.runs("words-tuned") == 1
    method = TunedWordsMethod(setup)
    queries = split.queries(history, "test", "open").take(slice(0, 5))
    method.fit(history, split.train, split.queries(history, "validation", "open"))
    users = tuned.model.tower.encode(method._words.of_queries(queries))
    items = tuned.model.tower.encode(history.item_texts)
    np.testing.assert_allclose(method.scores(queries), users @ items.T, atol=1e-5)
    with pytest.raises(EvaluationError, match="hidden"):
        asked_of(history, split, Plan(["words-tuned"], setup=setup, cold_items=0.25, force=True))
    earlier = SplitPlan("time", 0.5, 0.2, force=True).of(history)
    with pytest.raises(EvaluationError, match="has learned from events"):
        evaluate(history, earlier, plan)
    save_words(tmp_path / "cross", tune_encoder(WordsRun.of_split(history, split), few, cross=True))
    method = TunedWordsMethod(Setup(settings=settings, words=tmp_path / "cross"))
    with pytest.raises(EvaluationError, match="cross-encoder"):
        method.fit(history, split.train, split.queries(history, "validation", "open"))
