"""A static table on a real log, against the encoder that it was distilled from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from encoders.behaviour import behaviour_vectors
from encoders.config import EncoderConfig, FitConfig
from encoders.content import ContentEncoder
from encoders.prepare import item_text
from encoders.ridge import fit_ridge
from transfer.rows import group_starts

LOG = Path(__file__).parents[3] / "shared" / "data" / "completejourney"
ITEMS = 2400

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not LOG.exists(), reason="the real data are not beside the project"),
]


def test_the_map_into_behaviour_is_nearly_as_good_as_the_models(tmp_path: Path) -> None:
    """The 2,400 items met most: the held-out cosine of the table's map is .95 of MiniLM's at least."""
    events = pq.read_table(LOG / "events.parquet", columns=["user_id", "item_id", "timestamp"])
    names, item = np.unique(np.array(events["item_id"].to_pylist()), return_inverse=True)
    _, user = np.unique(np.array(events["user_id"].to_pylist()), return_inverse=True)
    time = events["timestamp"].to_numpy()
    catalogue = pq.read_table(LOG / "items.parquet", columns=["item_id", "title", "description"]).to_pydict()
    text = dict(
        zip(catalogue["item_id"], map(item_text, catalogue["title"], catalogue["description"]), strict=True)
    )
    worded = np.array([name in text for name in names.tolist()])
    chosen = np.argsort(-np.bincount(item) * worded, kind="stable")[:ITEMS]
    code = np.full(len(names), -1)
    code[chosen] = np.arange(ITEMS)
    rows = np.flatnonzero(code[item] >= 0)
    rows = rows[np.lexsort((time[rows], user[rows]))]
    starts = group_starts([user[rows], time[rows]])
    basket = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(rows)))
    behaviour = behaviour_vectors(
        code[item[rows]].astype(np.int32), basket, user[rows].astype(np.int32), ITEMS, 128, FitConfig()
    )
    texts = [text[name] for name in names[chosen].tolist()]
    cosine = {}
    for model in ("minilm", "static:minilm"):
        config = EncoderConfig(model=model, device="cpu", disk_cache=tmp_path)
        _, content = ContentEncoder(config).fit_encode(texts)
        weight = behaviour.counts / (behaviour.counts + np.float32(1.0))
        cosine[model] = fit_ridge(content, behaviour.vectors, weight).cosine
    print(cosine)
    assert cosine["static:minilm"] >= 0.95 * cosine["minilm"] > 0.05
