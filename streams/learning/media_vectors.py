"""Content vectors of the pictures and sounds of a history's items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from encoders.config import EncoderConfig
from encoders.joined import ContentSpace, ModalityVectors
from encoders.media import MEDIA, Media, MediaUnusable, Modality
from encoders.media_config import MediaConfig
from encoders.media_content import LEAST_TO_FIT
from encoders.media_contents import open_media
from encoders.media_reference import MediaReference
from encoders.media_source import MediaSource
from encoders.whitening import Whitening

notes = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class MediaVectors:
    """One modality of N items."""

    vectors: ModalityVectors
    whitening: Whitening
    share: float


def media_vectors(
    named: Mapping[str, Sequence[MediaReference | None]],
    config: EncoderConfig,
    space: ContentSpace | None,
    limits: MediaConfig,
) -> dict[Modality, MediaVectors]:
    """Encode the pictures and sounds that N items name, each once; of modalities that are encoded and that an item has.

    The whitenings are fitted on them, unless a space is given.

    Raises:
        EncoderError: a model can't be loaded, or a whitening belongs to another one.
    """
    wanted = [name for name in MEDIA if name in named and (space is None or name in space.whitenings)]
    if not wanted or not config.media:
        return {}
    opened = open_media(config, limits)
    found: dict[Modality, MediaVectors] = {}
    source = MediaSource(limits)
    try:
        for name in wanted:
            if name not in opened:
                continue
            content = opened[name]
            located = source.locate(name, named[name])
            rows = [row for row, one in enumerate(located) if isinstance(one, Media)]
            media = [one for one in located if isinstance(one, Media)]
            if space is not None:
                content.use(space.whitenings[name])
            elif len({one.digest for one in media}) >= LEAST_TO_FIT:
                content.fit(media)
            done = content.encode(media)
            vectors = np.zeros((len(located), content.dim), np.float32)
            present = np.zeros(len(located), np.bool_)
            vectors[rows] = done.vectors
            present[rows] = [result == "ok" for result in done.results]
            unusable = sum(isinstance(one, MediaUnusable) for one in located)
            unusable += sum(result != "ok" for result in done.results)
            notes.info("encoded", modality=name, usable=int(present.sum()), unusable=unusable)
            found[name] = MediaVectors(ModalityVectors(vectors, present), content.whitening, content.share)
    finally:
        source.release()
    return found
