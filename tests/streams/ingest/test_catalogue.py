"""The catalogue writer: each content encoded once, also across restarts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sinks.points import WITHOUT_TEXT, item_key
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.settings import Settings

ROWS = [
    ItemRow("a", "Red grapes", "sweet", "fruit"),
    ItemRow("b", "Red grapes", "sweet", "fruit"),
    ItemRow("c", "Motor oil", "", "car"),
    ItemRow("d", "", "", "car"),
]


def test_identical_texts_are_encoded_once(tmp_path: Path) -> None:
    """Items that share a text share one pass through the model and one vector."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        counts = intake.catalogue.upsert(ROWS)
        assert (counts.items, counts.encoded) == (4, 2)
        a, b, _, d = intake.store.items.read([item_key(row.item_id) for row in ROWS], with_vectors=True)
        assert a is not None and b is not None and d is not None and a.vector is not None
        assert np.array_equal(a.vector, b.vector)
        assert d.content == WITHOUT_TEXT


def test_nothing_is_encoded_again_after_a_restart(tmp_path: Path) -> None:
    """The same catalogue again touches nothing; a new title with a known text reuses its vector."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        intake.catalogue.fit(ROWS)
        intake.catalogue.upsert(ROWS)
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        assert intake.catalogue.upsert(ROWS).unchanged == 4
        counts = intake.catalogue.upsert([ItemRow("e", "Motor oil", "", "garage")])
        assert (counts.encoded, counts.reused) == (0, 1)
        assert intake.workspace.content.encoded == 0


def test_only_what_changed_is_encoded(tmp_path: Path) -> None:
    """A changed description costs one text; a changed scenario none."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        intake.catalogue.upsert(ROWS)
        changed = [*ROWS[:2], ItemRow("c", "Motor oil", "5W-30", "car"), ItemRow("d", "", "", "garage")]
        counts = intake.catalogue.upsert(changed)
        assert (counts.unchanged, counts.encoded, counts.reused) == (2, 1, 1)


def test_the_whitening_is_fitted_once_and_then_frozen(tmp_path: Path) -> None:
    """Vectors of one store stay comparable: a second catalogue doesn't refit."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        assert intake.catalogue.fit(ROWS)
        fingerprint = intake.workspace.content.whitening.fingerprint
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        assert not intake.catalogue.fit([ItemRow("z", "Something else", "", "")])
        assert intake.workspace.content.whitening.fingerprint == fingerprint


def test_a_deleted_item_is_no_longer_recommended(tmp_path: Path) -> None:
    """A tombstone takes the item out of the store."""
    with open_intake(str(tmp_path / "s"), Settings(), create=True) as intake:
        intake.catalogue.upsert(ROWS)
        intake.catalogue.delete(["c"])
        assert intake.store.items.read([item_key("c")]) == [None]
        assert intake.store.items.count() == 3
