"""Item vectors from a log and a catalogue: fitting an item encoder, and its vectors for all items of a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from encoders.behaviour import PRODUCTS, behaviour_vectors
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.learned_from import LearnedFrom
from encoders.unseen import unseen_vectors
from encoders.whitening import Whitening
from streams.errors import LogError
from streams.learning.history import History
from transfer.arrays import F32, I64, Bool
from transfer.codes import NONE
from transfer.rows import group_starts


@dataclass(frozen=True, slots=True, eq=False)
class ItemContent:
    """Content vectors of a history's items."""

    vectors: F32
    """(N, D0) float32 unit rows; zeros where an item has no text"""
    known: Bool
    """(N,) whether it has one"""
    whitening: Whitening
    """that they are made with"""


def item_content(
    history: History,
    config: EncoderConfig,
    whitening: Whitening | None = None,
    progress: Callable[[int], None] | None = None,
) -> ItemContent | None:
    """Encode the texts of all items; None where no item has one. `progress` gets the number of texts done.

    The whitening is fitted on these texts, unless one is given: then the vectors fit an encoder that has it.

    Raises:
        EncoderError: the model can't be loaded, or the whitening belongs to another one.
    """
    known = np.array([bool(text.strip()) for text in history.item_texts], np.bool_)
    if not known.any():
        return None
    content = ContentEncoder(config, whitening)
    texts = [text for text, is_known in zip(history.item_texts, known.tolist(), strict=True) if is_known]
    if whitening is None:
        whitening, found = content.fit_encode(texts, progress)
    else:
        found = content.encode(texts, progress, keep=True)
    vectors = np.zeros((len(known), config.dim), np.float32)
    vectors[known] = found
    return ItemContent(vectors, known, whitening)


def fit_encoder(
    history: History,
    rows: I64 | None = None,
    config: FitConfig | None = None,
    progress: Callable[[int], None] | None = None,
    content: ItemContent | None = None,
    dim: int = 128,
    left_out: str = "",
) -> ItemEncoder:
    """Fit an item encoder of `dim` dimensions on the events `rows` of a history (all of them where None), in any order.

    `content` (`item_content`) gives the map for items without behaviour. `progress` is called for each pass of the
    decomposition. No event outside `rows` has any influence. left_out: as in `LearnedFrom`.

    Raises:
        LogError: no event among them names an item.
    """
    config = config or FitConfig()
    chosen = np.arange(len(history), dtype=np.int64) if rows is None else np.sort(rows)
    chosen = chosen[history.item[chosen] != NONE]
    if not len(chosen):
        raise LogError("no event of the log names an item; item vectors can't be fitted on it")
    user, item = history.user[chosen], history.item[chosen]
    starts = group_starts([user, history.time[chosen]])
    basket = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(chosen)))
    behaviour = behaviour_vectors(item, basket, user, len(history.items), dim, config, progress)
    encoder = fit_item_encoder(
        history.item_keys,
        behaviour,
        content.vectors if content is not None else None,
        content.known if content is not None else None,
        content.whitening if content is not None else None,
        config,
    )
    until = float(history.time[chosen].max())
    return replace(encoder, learned=LearnedFrom(until, history.identity, left_out))


def rows_before(history: History, until: float) -> I64:
    """Rows of the events before `until` (unix seconds).

    Raises:
        LogError: there are none.
    """
    rows = np.flatnonzero(history.time < until)
    if not len(rows):
        first = float(history.time.min())
        raise LogError(
            f"the log has no event before {until:.0f} (it begins at {first:.0f}); nothing to fit on"
        )
    return rows


def fit_passes() -> int:
    """How often `fit_encoder` calls its `progress`."""
    return PRODUCTS


def item_vectors(encoder: ItemEncoder, history: History, content: ItemContent | None = None) -> F32:
    """(N, D) float32 unit rows of all items of a history: the encoder's, and `unseen_vectors` for the rest.

    Raises:
        EncoderMismatch: the content has another width than the encoder takes.
    """
    if content is None:
        nothing = np.zeros((len(history.items), 0), np.float32)
        vectors = encoder.vectors(history.item_keys, nothing, np.zeros(len(history.items), np.bool_))
    else:
        vectors = encoder.vectors(history.item_keys, content.vectors, content.known)
    rest = np.flatnonzero(~vectors.any(axis=1))
    vectors[rest] = unseen_vectors([history.items[item] for item in rest.tolist()], encoder.dim)
    return vectors
