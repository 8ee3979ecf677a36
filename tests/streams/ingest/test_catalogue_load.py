"""A catalogue into a store: what is planned is done, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sinks.points import PLACEHOLDER, item_key
from streams.errors import CatalogueRefused
from streams.files.catalogue_file import open_catalogue
from streams.files.catalogue_rows import CatalogueRows
from streams.ingest.catalogue_load import CatalogueLoaded, write_catalogue
from streams.ingest.catalogue_plan import CataloguePlan, plan_catalogue
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.data.event_columns import columns_of, event

SHOP = [
    {"item_id": f"i{n}", "title": f"Thing of kind {n % 30}", "scenario": f"s{n % 3}", "price": n}
    for n in range(100)
]


def rows_of(path: Path, rows: list[dict]) -> CatalogueRows:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return CatalogueRows(open_catalogue([path], allow_empty=True))


class Shop:
    """A store that is given one catalogue after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Intake:
        return open_intake(str(self.folder / "s"), Settings(), create=True)

    def plan(self, rows: list[dict], full: bool = False) -> CataloguePlan:
        with self.open() as intake, rows_of(self.folder / "i.jsonl", rows) as read:
            return plan_catalogue(read, intake.store.items, intake.workspace.space, full=full)

    def load(
        self, rows: list[dict], full: bool = False, on_text=None
    ) -> tuple[CataloguePlan, CatalogueLoaded]:
        with self.open() as intake, rows_of(self.folder / "i.jsonl", rows) as read:
            plan = plan_catalogue(read, intake.store.items, intake.workspace.space, full=full)
            return plan, write_catalogue(intake, read, plan, on_text)

    def items(self) -> dict:
        with self.open() as intake:
            return {
                item.item_id: item for page in intake.store.items.scan(50, with_vectors=True) for item in page
            }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_texts_are_counted_where_they_are_encoded(shop: Shop) -> None:
    """On a new store the fit of the whitening encodes them, once; what is told on the way adds up to what was planned."""
    steps: list[int] = []
    plan, done = shop.load(SHOP, on_text=steps.append)
    assert (plan.new, plan.to_encode) == (100, 30)
    assert (done.encoded, done.written, sum(steps)) == (30, 100, 30)


def test_what_did_not_change_is_not_written(shop: Shop) -> None:
    """The same catalogue again, or with a row twice, writes nothing."""
    shop.load(SHOP)
    plan, done = shop.load([*SHOP, *SHOP[:10]])
    assert not plan.changed.any() and done == CatalogueLoaded()


def test_attributes_alone_are_rewritten_without_encoding(shop: Shop) -> None:
    """A new price changes the payload: no text is encoded, no vector moves, and nothing else is written."""
    shop.load(SHOP)
    before = shop.items()
    cheaper = [row | ({"price": 0.5, "tags": ["sale"]} if n < 40 else {}) for n, row in enumerate(SHOP)]
    plan, done = shop.load(cheaper)
    assert (plan.payload_changed, plan.to_encode, int(plan.changed.sum())) == (40, 0, 40)
    assert (done.encoded, done.written, done.rewritten) == (0, 40, 40)
    after = shop.items()
    assert after["i3"].attributes == {"price": 0.5, "tags": ["sale"]} and after["i50"].attributes == {
        "price": 50
    }
    for item_id, item in after.items():
        assert np.array_equal(item.vector, before[item_id].vector)


def test_only_new_texts_are_encoded(shop: Shop) -> None:
    """A changed title costs its text once, however many items have it, and one that another item has costs nothing."""
    shop.load(SHOP)
    changed = [
        row | ({"title": "A new text"} if n < 5 else {"title": "Thing of kind 1"} if n < 7 else {})
        for n, row in enumerate(SHOP)
    ]
    plan, done = shop.load(changed)
    assert (plan.texts_changed, plan.to_encode, done.encoded) == (7, 1, 1)


def test_taking_texts_away_has_to_be_allowed(shop: Shop) -> None:
    """An item that loses its text is noticed before anything is written; one that never had any is not."""
    shop.load([*SHOP, {"item_id": "bare"}])
    emptied = [row | ({"title": ""} if n < 3 else {"price": -1}) for n, row in enumerate(SHOP)] + [
        {"item_id": "bare"}
    ]
    plan = shop.plan(emptied)
    assert plan.emptied == 3
    with pytest.raises(CatalogueRefused, match=r"3 items .* --allow-empty"):
        plan.check(allow_empty=False, agreed=True)
    plan.check(allow_empty=True, agreed=False)
    shop.load(emptied)
    assert shop.items()["i0"].title == "" and shop.plan(emptied).emptied == 0


def test_a_whole_catalogue_removes_what_it_lacks(shop: Shop) -> None:
    """Items of an earlier catalogue go; placeholders of the log and items whose rows are wrong stay."""
    shop.load(SHOP)
    with shop.open() as intake:
        intake.ingest.apply(columns_of([event("ada", "i1"), event("ada", "of the log")]))
    part = [*SHOP[:60], {"item_id": "i60", "title": ["wrong"]}]
    assert not len(shop.plan(part).removed)
    plan, done = shop.load(part, full=True)
    assert (len(plan.removed), plan.stored, done.removed) == (39, 100, 39)
    left = shop.items()
    assert set(left) == {*(f"i{n}" for n in range(61)), "of the log"}
    assert left["of the log"].content == PLACEHOLDER
    assert not len(shop.plan(part, full=True).removed)


def test_removing_most_has_to_be_agreed_on(shop: Shop) -> None:
    """Half of the catalogue may go; more is refused with the numbers, before anything is written."""
    shop.load(SHOP)
    shop.plan(SHOP[:50], full=True).check(allow_empty=False, agreed=False)
    plan = shop.plan(SHOP[:49], full=True)
    with pytest.raises(CatalogueRefused, match=r"51 of 100 items.* --yes"):
        plan.check(allow_empty=False, agreed=False)
    plan.check(allow_empty=False, agreed=True)


def test_a_whole_catalogue_with_rows_that_name_no_item_is_refused(shop: Shop) -> None:
    """What it lacks can't be said then."""
    with pytest.raises(CatalogueRefused, match="no item id"):
        shop.plan([*SHOP, {"title": "nobody's"}], full=True)


def test_nothing_is_removed_before_all_is_written(shop: Shop) -> None:
    """A run that is stopped in the middle has removed nothing; the next one finishes."""
    shop.load(SHOP)

    class Stopped(Exception):
        pass

    def stop(_: int) -> None:
        raise Stopped

    new = [*SHOP[:60], {"item_id": "new", "title": "Never seen before"}]
    with pytest.raises(Stopped):
        shop.load(new, full=True, on_text=stop)
    assert len(shop.items()) == 100
    plan, done = shop.load(new, full=True)
    assert (done.removed, plan.new, done.encoded) == (40, 1, 1)
    assert set(shop.items()) == {*(f"i{n}" for n in range(60)), "new"}


def test_what_became_a_placeholder_since_is_not_removed(shop: Shop) -> None:
    """Between the plan and the removal an item may be deleted by its topic and met by an event again."""
    shop.load(SHOP)
    with shop.open() as intake, rows_of(shop.folder / "i.jsonl", SHOP[:90]) as read:
        plan = plan_catalogue(read, intake.store.items, intake.workspace.space, full=True)
        intake.catalogue.delete(["i95"])
        intake.ingest.apply(columns_of([event("ada", "i95")]))
        assert write_catalogue(intake, read, plan).removed == 9
        (kept,) = intake.store.items.read([item_key("i95")])
        assert kept is not None and kept.content == PLACEHOLDER
