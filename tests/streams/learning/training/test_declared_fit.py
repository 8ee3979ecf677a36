"""What declared interests are worth, on logs with known answers: much where later titles tell, nothing where they don't."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from encoders.joined import ContentSpace
from encoders.whitening import Whitening
from streams.learning.fit import ItemContent
from streams.learning.history import History
from streams.learning.training.declared import fit_declared
from streams.learning.training.train import prepare_mixture, weigh
from streams.learning.training.training_data import training_data
from streams.learning.training.training_run import TrainingRun
from support.data.histories import history_of
from transfer.config import InterestConfig
from transfer.counts.config import CountsConfig
from transfer.learned.folder import load_model, save_model
from transfer.learned.mixture import DeclaredPowers
from transfer.training.config import TrainConfig

USERS, GROUPS, ITEMS = 40, 5, 60


def log(told: bool) -> History:
    """First things that everybody tries, then twelve of one group of items, a user's own; without `told` of any."""
    rng = np.random.default_rng(1)
    taste = rng.integers(GROUPS, size=USERS)
    rows = []
    for event in range(16):
        for user in rng.permutation(USERS).tolist():
            group = int(taste[user]) if told else int(rng.integers(GROUPS))
            item = int(rng.integers(ITEMS // GROUPS)) * GROUPS + group
            item = int(rng.integers(ITEMS)) if event < 9 else item
            rows.append((f"u{user}", f"i{item:03d}", 60.0 * len(rows), f"s{event % 2}"))
    return history_of(rows)


def content_of(found: History) -> ItemContent:
    """A text's vector is that of its item's group, and a little of its own."""
    rng = np.random.default_rng(2)
    vectors = 0.2 * rng.normal(size=(len(found.items), 16))
    for row, item in enumerate(found.items):
        vectors[row, int(item[1:]) % GROUPS] += 1.0
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return ItemContent(
        vectors, np.ones(len(vectors), np.bool_), ContentSpace.of_text(Whitening.projection(16, 16, "texts"))
    )


def run_of(found: History, content: ItemContent) -> TrainingRun:
    row = np.arange(len(found))
    later = found.time >= np.quantile(found.time, 0.6)
    rows = row[~later][np.argsort(found.time[~later], kind="stable")]
    return TrainingRun(
        training_data(found, rows, content=content, dim=16),
        rows,
        row[later],
        InterestConfig(dim=16),
        CountsConfig(half_lives_s=(3600.0, float("inf"))),
        TrainConfig(width=8, epochs=1, mixture_epochs=2, count_blocks=4, threads=1),
    )


@pytest.mark.parametrize("told", [True, False])
def test_the_power_is_what_later_titles_are_worth(told: bool, tmp_path) -> None:
    """Above 0 where they foretell, better for cold users and no worse for known ones; 0 where they tell nothing. Nothing but
    the power changes, and a model keeps it."""
    found = log(told)
    content = content_of(found)
    run = run_of(found, content)
    ready = prepare_mixture(run)
    done = weigh(ready, run.config)
    mixture = done.model.mixture
    assert mixture is not None and mixture.config.declared == DeclaredPowers()
    before = {name: value.clone() for name, value in mixture.state_dict().items()}
    report = fit_declared(run, [(fold.model, fold.later) for fold in ready.folds], content, mixture)
    assert all(torch.equal(value, before[name]) for name, value in mixture.state_dict().items())
    power = mixture.config.declared
    if told:
        assert power.open > 0 and report["worth"] >= 5, report
        cold, known = (report["mixture"][f"open, {kind}"] for kind in ("cold", "known"))
        assert cold["with"] > cold["without"] + 0.03 and known["with"] >= known["without"]
    else:
        assert (power.open, power.given, report["worth"]) == (0, 0, 5), report
    save_model(tmp_path / "m", done.model, run.counts, {}, "")
    loaded = load_model(tmp_path / "m")
    assert loaded.mixture is not None and loaded.mixture.config.declared == power
    assert ("declared" in (tmp_path / "m" / "model.json").read_text()) == told
