"""A text encoder distilled into a table of word pieces: a text is then a sum of rows.

Each piece of the vocabulary is encoded alone, the dimensions are reduced to those of most variance, and frequent pieces weigh
less, by their rank in the vocabulary, which is about that of their frequency (Zipf): the recipe of Model2Vec (Tulkens & van
Dongen 2024, https://github.com/MinishLab/model2vec).
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from encoders.arrays import F32
from encoders.text import TextEncoder

WIDTH: Final = 256
_AT_A_TIME: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class PieceTable:
    """What a static encoder works with."""

    rows: F32
    """(V, WIDTH or the model's own width if that is less) float32, weights included; zeros for special and unknown pieces"""
    tokenizer: str
    """JSON of the `tokenizers` library"""


def distil(source: TextEncoder) -> PieceTable:
    """The table of an encoder, which best runs in fp32, so that every machine makes the same; seconds of work.

    Raises:
        EncoderError: the model can't be loaded.
    """
    tokenizer = source.tokenizer
    size = tokenizer.get_vocab_size()
    before, after = _ends(tokenizer)
    meaningless = _meaningless(tokenizer)
    pieces = np.array([piece for piece in range(size) if piece not in meaningless], np.int64)
    alone = np.empty((len(pieces), source.raw_dim), np.float32)
    for start in range(0, len(pieces), _AT_A_TIME):
        part = pieces[start : start + _AT_A_TIME]
        alone[start : start + len(part)] = source.encode_ids(
            [[*before, piece, *after] for piece in part.tolist()]
        )
    rows = np.zeros((size, min(WIDTH, source.raw_dim)), np.float32)
    rows[pieces] = _reduced(alone, rows.shape[1]) * np.log1p(pieces)[:, None].astype(np.float32)
    return PieceTable(rows, tokenizer.to_str())


def _reduced(vectors: F32, width: int) -> F32:
    """Centred, and the `width` directions of most variance, their signs pinned."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred.astype(np.float64))
    chosen = directions[:, ::-1][:, :width]
    largest = np.abs(chosen).argmax(axis=0)
    chosen = chosen * np.sign(chosen[largest, np.arange(chosen.shape[1])])
    return np.asarray(centred @ chosen.astype(np.float32), np.float32)


def _ends(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Special pieces that the model expects before and after a text."""
    probe = tokenizer.encode("a")
    own = [place for place, special in enumerate(probe.special_tokens_mask) if not special]
    if not own:
        return probe.ids, []
    return probe.ids[: own[0]], probe.ids[own[-1] + 1 :]


def _meaningless(tokenizer: Any) -> set[int]:
    """Special pieces, and the one that stands for what the vocabulary lacks."""
    state = json.loads(tokenizer.to_str())
    found = {token["id"] for token in state.get("added_tokens", []) if token.get("special")}
    unknown = state.get("model", {}).get("unk_token")
    if unknown is not None and (piece := tokenizer.token_to_id(unknown)) is not None:
        found.add(piece)
    return found
