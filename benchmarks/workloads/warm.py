"""Item vectors in the store and in memory before the clock starts: what a model makes of texts is not measured here."""

from __future__ import annotations

import numpy as np

from sinks.points import ItemPoints, item_key
from streams.ingest.intake import Intake

AT_A_TIME = 2000


def warm_items(intake: Intake, item_ids: list[str]) -> None:
    """Give each item a random unit vector, as content that a catalogue has described."""
    rng = np.random.default_rng(0)
    for start in range(0, len(item_ids), AT_A_TIME):
        part = item_ids[start : start + AT_A_TIME]
        vectors = rng.standard_normal((len(part), intake.workspace.interest.dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        intake.store.items.write(
            ItemPoints(
                item_ids=part,
                vectors=vectors,
                titles=[""] * len(part),
                scenarios=[""] * len(part),
                contents=["benchmark"] * len(part),
            )
        )
        keys = np.array([item_key(item_id) for item_id in part], np.uint64)
        intake.workspace.space.cache(keys, vectors)
