"""Texts to vectors by an encoder and by a causal language model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.errors import EncoderConfigError
from encoders.tuned.base_model import base_files, load_base
from encoders.tuned.tower import TextTower
from support.fakes.tiny_causal import save_tiny_causal
from support.fakes.tiny_model import save_tiny_model

SAVE = {"mean": save_tiny_model, "last": save_tiny_causal}


@pytest.fixture(scope="module", params=list(SAVE))
def tower(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TextTower:
    folder = SAVE[request.param](tmp_path_factory.mktemp("base") / request.param)
    base = load_base(base_files(str(folder)))
    assert base.pooling == request.param
    return TextTower(base, 12)


def test_a_text_has_one_vector_whatever_stands_beside_it(tower: TextTower) -> None:
    """Padding, order and repeats change nothing; rows are of unit length."""
    texts = ["red", "a rather long text of grapes", "oil", "red"]
    together = tower.encode(texts)
    alone = np.concatenate([tower.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_array_equal(together[0], together[3])
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_long_text_is_cut(tower: TextTower) -> None:
    """To max_length tokens; what comes after them does not matter."""
    ids = tower.tokens(["red grapes " * 9, "red grapes " * 30])
    assert [len(one) for one in ids] == [12, 12] and ids[0] == ids[1]


def test_a_pair_is_one_reading(tower: TextTower) -> None:
    """Of two texts, in their order, within max_length tokens; the second text is heard also after a long first one."""
    assert max(map(len, tower.tokens(["red " * 30], ["oil"]))) <= 12
    same, other, turned = (
        tower.encode([one], [two]) for one, two in (("red", "oil"), ("red", "milk"), ("oil", "red"))
    )
    assert np.abs(same - other).max() > 1e-3 and np.abs(same - turned).max() > 1e-3
    long = tower.encode(["red " * 30, "red " * 30], ["oil", "milk"])
    assert np.abs(long[0] - long[1]).max() > 1e-3


def test_more_tokens_than_the_base_takes_are_refused(tmp_path: Path) -> None:
    """Before anything is trained."""
    base = load_base(base_files(str(save_tiny_model(tmp_path / "m"))))
    with pytest.raises(EncoderConfigError, match="max_length 65 > 64"):
        TextTower(base, 65)


def test_passes_in_bf16_are_near(tower: TextTower) -> None:
    """Autocast changes the passes, not the weights, and vectors by rounding alone."""
    texts = ["red grapes", "motor oil"]
    exact = tower.encode(texts)
    tower._autocast = True
    near = tower.encode(texts)
    tower._autocast = False
    assert next(tower.network.parameters()).dtype == torch.float32
    assert 0 < np.abs(exact - near).max() < 0.1
