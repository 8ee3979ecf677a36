"""Events as the letters that they become."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streams.events.columns import EventColumns, factorise
from streams.letters.letter import letter_identity


def as_letters(events: EventColumns) -> EventColumns:
    """The same events, each as the letter that it is: a source of its own, at offset 0."""
    places = zip(events.source.tolist(), events.offset.tolist(), strict=True)
    source, sources = factorise(letter_identity(events.sources[code], offset) for code, offset in places)
    return replace(events, source=source, sources=sources, offset=np.zeros(len(events), np.int64))
