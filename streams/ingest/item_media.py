"""Where the pictures and sounds of catalogue rows are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from encoders.media import Modality
from encoders.media_config import MediaConfig
from encoders.media_source import LocatedMedia, MediaSource
from streams.events.event import ItemRow
from streams.workspace.vector_space import VectorSpace

LocatedByModality = Mapping[Modality, Sequence[LocatedMedia]]


@contextmanager
def located_media(
    rows: Sequence[ItemRow], space: VectorSpace, limits: MediaConfig
) -> Iterator[LocatedByModality]:
    """(N,) by modality that the space encodes; read through once, for their digests. What was downloaded lies until the end."""
    source = MediaSource(limits)
    try:
        yield {
            name: source.locate(name, [row.image if name == "image" else row.audio for row in rows])
            for name in space.modalities
        }
    finally:
        source.release()
