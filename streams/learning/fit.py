"""Item vectors from a log and a catalogue: fitting an item encoder, and its vectors for all items of a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from encoders.behaviour import PRODUCTS, behaviour_vectors
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.errors import EncoderMismatch
from encoders.item_encoder import ItemEncoder, fit_item_encoder
from encoders.joined import ContentSpace, ModalityVectors, blended_contents
from encoders.learned_from import LearnedFrom
from encoders.media_config import MediaConfig
from encoders.unseen import unseen_vectors
from encoders.whitening import Whitening
from streams.errors import LogError
from streams.learning.history import History
from streams.learning.media_vectors import media_vectors
from transfer.arrays import F32, I64, Bool
from transfer.codes import NONE
from transfer.rows import group_starts


@dataclass(frozen=True, slots=True, eq=False)
class ItemContent:
    """Content vectors of a history's items."""

    vectors: F32
    """(N, D0) float32 unit rows, of items with a text alone their text's; zeros where an item has no content"""
    known: Bool
    """(N,) whether it has any"""
    space: ContentSpace
    """that they are made with"""
    joined: F32 | None = None
    """(N, width) rows of the space, where it has more than texts"""


def item_content(
    history: History,
    config: EncoderConfig,
    space: ContentSpace | None = None,
    progress: Callable[[int], None] | None = None,
    limits: MediaConfig | None = None,
) -> ItemContent | None:
    """Encode the texts, pictures and sounds of all items; None where no item has any. `progress` gets the number of texts done.

    The whitenings are fitted on these contents, unless a space is given: then the vectors fit an encoder that has it. limits:
    of pictures and sounds.

    Raises:
        EncoderError: a model can't be loaded, or a whitening belongs to another one.
    """
    whitening = None if space is None else space.whitenings.get("text")
    text = _text_content(history, config, whitening, progress)
    others = media_vectors(history.media or {}, config, space, limits or MediaConfig())
    if not others and (text is None or space is None or space.modalities == ("text",)):
        return text
    whitenings = {name: one.whitening for name, one in others.items()}
    shares = {name: one.share for name, one in others.items()}
    contents = {name: one.vectors for name, one in others.items()}
    if text is not None:
        whitenings["text"], shares["text"] = text.space.whitenings["text"], 1.0
        contents["text"] = ModalityVectors(text.vectors, text.known)
    space = space or ContentSpace(whitenings, shares)
    known = np.logical_or.reduce([content.present for content in contents.values()])
    joined = space.rows(contents, len(known))
    return ItemContent(blended_contents(contents, shares, config.dim), known, space, joined)


def _text_content(
    history: History,
    config: EncoderConfig,
    whitening: Whitening | None,
    progress: Callable[[int], None] | None,
) -> ItemContent | None:
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
    return ItemContent(vectors, known, ContentSpace.of_text(whitening))


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
        _rows_of(content),
        content.known if content is not None else None,
        content.space if content is not None else None,
        config,
    )
    until = float(history.time[chosen].max())
    return replace(encoder, learned=LearnedFrom(until, history.identity, left_out))


def _rows_of(content: ItemContent | None) -> F32 | None:
    """What a map is learned on."""
    if content is None:
        return None
    return content.vectors if content.joined is None else content.joined


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
        rows = content.vectors if encoder.joined is None else content.joined
        if rows is None:
            raise EncoderMismatch(
                "the item encoder was fitted with pictures or sounds of items; set [encoder.image] and [encoder.audio] as "
                "they were then"
            )
        vectors = encoder.vectors(history.item_keys, rows, content.known)
    rest = np.flatnonzero(~vectors.any(axis=1))
    vectors[rest] = unseen_vectors([history.items[item] for item in rest.tolist()], encoder.dim)
    return vectors
