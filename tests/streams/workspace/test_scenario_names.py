"""Names of scenarios: what they say, and each one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.behaviour import Behaviour
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.errors import EncoderConfigError
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace
from encoders.text import TextEncoder
from streams.workspace.scenario_names import SpokenNames, name_lookup, names_for_training
from support.fakes.learned import random_model
from support.fakes.tiny_model import save_tiny_model
from transfer.config import InterestConfig
from transfer.errors import ModelError
from transfer.names import NameSource, hashed_names

DIM = 16
TEXTS = [
    f"{colour} {thing}" for colour in ("red", "green") for thing in ("grapes", "bread", "milk", "oil")
] * 8


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EncoderConfig:
    return EncoderConfig(
        model=str(save_tiny_model(tmp_path_factory.mktemp("text") / "m")), dim=DIM, max_length=64
    )


def item_encoder(config: EncoderConfig | None) -> ItemEncoder:
    """Of 64 items; where there is a text encoder, behaviour follows from the texts."""
    rng = np.random.default_rng(0)
    keys = np.arange(1, len(TEXTS) + 1, dtype=np.uint64)
    counts = np.full(len(TEXTS), 9, np.float32)
    if config is None:
        vectors = rng.normal(size=(len(TEXTS), DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return fit_item_encoder(keys, Behaviour(vectors, counts), None, None, None, FitConfig())
    content = ContentEncoder(config)
    whitening, texts = content.fit_encode(TEXTS)
    turn = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32)
    known = np.ones(len(TEXTS), np.bool_)
    return fit_item_encoder(
        keys, Behaviour(texts @ turn, counts), texts, known, ContentSpace.of_text(whitening), FitConfig()
    )


@pytest.mark.parametrize("with_texts", [False, True])
def test_names_that_say_the_same_are_near_each_other(config: EncoderConfig, with_texts: bool) -> None:
    """Separators do not matter; the cosine of two names of the same words is about words squared, and they still differ."""
    fitted = item_encoder(config if with_texts else None)
    names = SpokenNames(0.8, TextEncoder(config), config, fitted)(
        ["red grapes", "red_grapes", "red/grapes", "", "--"]
    )
    assert names.dtype == np.float32 and names.shape == (5, DIM)
    np.testing.assert_allclose(np.linalg.norm(names, axis=1), 1.0, atol=1e-5)
    own = hashed_names(DIM)(["red grapes", "red_grapes", "red/grapes", "", "--"])
    np.testing.assert_allclose(names[3:], own[3:], atol=1e-6)  # no word in them
    alike = names[:3] @ names[:3].T
    unlike = own[:3] @ own[:3].T
    off = ~np.eye(3, dtype=bool)
    assert (alike[off] > unlike[off] + 0.2).all() and (alike[off] < 0.99).all()


def test_a_name_lies_where_items_of_its_words_lie(config: EncoderConfig) -> None:
    """Through the map from content to behaviour, which here is a rotation."""
    fitted = item_encoder(config)
    name = SpokenNames(0.95, TextEncoder(config), config, fitted)(["green_milk"])[0]
    near = np.argsort(-(fitted.behaviour @ name))[:8]
    assert {TEXTS[int(fitted.keys[row]) - 1] for row in near} == {"green milk"}


def test_training_takes_words_only_where_they_are_wanted(config: EncoderConfig) -> None:
    """Without words, or with one scenario, no text encoder is looked for; with words one must be there."""
    fitted = item_encoder(None)
    nowhere = EncoderConfig(model="nowhere", dim=DIM)
    for words, scenarios in ((0.0, ["a", "b"]), (0.7, ["all"])):
        lookup, source = names_for_training(nowhere, words, scenarios)(fitted)
        assert source == NameSource()
        np.testing.assert_array_equal(lookup(["a"]), hashed_names(DIM)(["a"]))
    with pytest.raises(EncoderConfigError, match="nowhere"):
        names_for_training(nowhere, 0.7, ["a", "b"])(fitted)
    _, source = names_for_training(config, 0.7, ["a", "b"])(fitted)
    assert source == NameSource(0.7, TextEncoder(config).fingerprint)


def test_a_model_serves_with_the_text_encoder_of_its_training(config: EncoderConfig, tmp_path: Path) -> None:
    """Another one is refused, and so is none; a model without words asks for nothing."""
    model = random_model(InterestConfig(dim=DIM))
    assert name_lookup(model, EncoderConfig(model="nowhere"), None) is None
    fitted = item_encoder(None)
    model.name_source = NameSource(0.7, TextEncoder(config).fingerprint)
    lookup = name_lookup(model, config, fitted)
    assert lookup is not None
    again = SpokenNames(0.7, TextEncoder(config), config, fitted)
    np.testing.assert_allclose(lookup(["red bread"]), again(["red bread"]), atol=1e-6)
    with pytest.raises(ModelError, match=r"encoder\.fitted"):
        name_lookup(model, config, None)
    other = EncoderConfig(model=str(save_tiny_model(tmp_path / "other", seed=8)), dim=DIM, max_length=64)
    with pytest.raises(ModelError, match="text encoder"):
        name_lookup(model, other, fitted)
