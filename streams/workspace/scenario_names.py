"""Vectors of scenario names that say what the names say: partly their words, partly a direction of each name's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from encoders.config import EncoderConfig
from encoders.content import ContentEncoder
from encoders.item_encoder import ItemEncoder
from encoders.opening import open_text_encoder
from encoders.protocols import Adaptable, Encoder
from encoders.unit import unit_rows
from transfer.arrays import F32
from transfer.errors import ModelError
from transfer.names import NameLookup, NameSource, hashed_names
from transfer.protocols import ItemReader, TransferModel

NameMaker = Callable[[ItemEncoder], tuple[NameLookup, NameSource]]
"""What gives names their vectors, once the item encoder is there."""
_BETWEEN = re.compile(r"[\W_]+")


class SpokenNames:
    """Names (n) to (n, D) float32 unit vectors: `words` of it what the name says, the rest a direction that it determines.

    Names that are alike then have vectors that are alike, so that a model has an opinion of scenarios that training has not
    seen; and "7" and "8", which mean the same to an encoder of text, still differ. Words go through the text encoder and,
    where the item encoder has a map from content to behaviour, through that: the name lies where items of such words lie.
    Nothing is loaded before a name has to be encoded. Thread-safe.

    Raises:
        WhiteningMismatch: the item encoder's map was learned on vectors of another text encoder.
    """

    def __init__(self, words: float, encoder: Encoder, config: EncoderConfig, fitted: ItemEncoder) -> None:
        self._words = words
        self._fitted = fitted
        self._own = hashed_names(fitted.dim)
        width = fitted.text_dim or fitted.dim
        self._content = ContentEncoder(config.model_copy(update={"dim": width}), fitted.whitening, encoder)

    def __call__(self, names: Sequence[str]) -> F32:
        """Encode.

        Raises:
            EncoderError: the text encoder can't be loaded.
        """
        vectors = self._own(names)
        spoken = [_BETWEEN.sub(" ", name).strip() for name in names]
        worded = np.flatnonzero([bool(text) for text in spoken])
        if len(worded):
            words = self._fitted.texts(self._content.encode([spoken[row] for row in worded.tolist()]))
            rest = np.float32(np.sqrt(1 - self._words**2))
            vectors[worded] = np.float32(self._words) * words + rest * vectors[worded]
        return unit_rows(vectors)


def names_for_training(config: EncoderConfig, words: float, scenarios: Sequence[str]) -> NameMaker:
    """As `train.name_words` wants them; a log of one scenario needs no words.

    Raises (the maker):
        EncoderConfigError: words are wanted, and there is no text encoder.
    """

    def make(fitted: ItemEncoder) -> tuple[NameLookup, NameSource]:
        if not words or len(scenarios) < 2:
            return hashed_names(fitted.dim), NameSource()
        encoder = open_text_encoder(config)
        return SpokenNames(words, encoder, config, fitted), NameSource(words, encoder.fingerprint)

    return make


def wants_words(model: TransferModel) -> bool:
    """Whether the model was trained with words of scenario names, and so needs encoders of text and items to serve."""
    return isinstance(model, ItemReader) and model.name_source.words > 0


def name_lookup(
    model: TransferModel, config: EncoderConfig, fitted: ItemEncoder | None, encoder: Encoder | None = None
) -> NameLookup | None:
    """What gives names that the model has not seen the kind of vectors that it was trained with; None: as it does by itself.

    `encoder` is that of `config`, if there is one already.

    Raises:
        ModelError: the settings name another text encoder than the model was trained with, or no item encoder.
    """
    if not isinstance(model, ItemReader) or not wants_words(model):
        return None
    if fitted is None:
        raise ModelError(
            "the model was trained with words of scenario names; set encoder.fitted to its item encoder"
        )
    encoder = encoder or open_text_encoder(config)
    if isinstance(encoder, Adaptable):
        encoder.adopt(model.name_source.text)
    if encoder.fingerprint != model.name_source.text:
        raise ModelError(
            f"the model was trained with names of scenarios by the text encoder {model.name_source.text[:12]}, the settings "
            f"name {encoder.fingerprint[:12]}; set [encoder] as it was, or train the model again"
        )
    return SpokenNames(model.name_source.words, encoder, config, fitted)
