"""What users declare, as `recommend`, `explain` and `export` show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams.events.declaration import UserDeclaration
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.serving.explain import explain
from streams.serving.export import export_users
from streams.serving.recommend import Recommender
from streams.settings import Settings
from streams.workspace.workspace import Workspace, open_for_reading
from support.data.event_columns import NOW, columns_of, event
from support.fakes.small_model import save_small_model
from support.fakes.tiny_model import save_tiny_model
from transfer.config import TransferConfig
from transfer.learned.folder import load_model, save_model
from transfer.learned.mixture import DeclaredPowers
from transfer.state.declared import Declaration

TEXTS = ("red grapes", "motor oil", "green fruit", "bread", "milk", "oil bread", "red motor", "fruit milk")


def said(user: str, text: str, scenario: str = "") -> UserDeclaration:
    return UserDeclaration(user, Declaration(NOW - 100, scenario, text, "en"))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Ada only declared; Bob acted and declared; Eve took it back; Dan acted."""
    folder = tmp_path_factory.mktemp("serving")
    model = str(save_tiny_model(folder / "model", width=128, positions=128))
    settings = Settings.model_validate({"encoder": {"model": model, "dim": 6}, "interest": {"dim": 6}})
    with open_intake(str(folder / "s"), settings, create=True) as intake:
        intake.catalogue.fit([ItemRow(f"i{n}", text) for n, text in enumerate(TEXTS)])
        intake.catalogue.upsert(
            [ItemRow(f"i{n}", text, "", ("shop", "garage")[n % 2]) for n, text in enumerate(TEXTS)]
        )
        intake.ingest.apply(
            columns_of(
                [event("bob", "i4", at=float(n), scenario="shop") for n in range(8)]
                + [event("dan", "i3", at=9.0, scenario="shop")]
            )
        )
        assert intake.counts is not None
        intake.counts.write()
        intake.declaring.apply(
            [
                said("ada", "motor oil"),
                said("ada", "bread", "shop"),
                said("bob", "motor oil"),
                said("eve", "milk"),
            ]
        )
        intake.declaring.apply([UserDeclaration("eve", Declaration(NOW, withdrawn=True))])
    with open_for_reading(str(folder / "s"), settings) as opened:
        yield opened


def test_who_never_acted_gets_what_was_declared(workspace: Workspace) -> None:
    """The item of that very text first, with the text as its reason; in a scenario its own text counts."""
    answer = Recommender(workspace).answer("ada", 3, scenario="garage")
    assert not answer.known and answer.declared
    first = answer.items[0]
    assert (first.item_id, first.source) == ("i1", "declared")
    assert first.because is not None and first.because.declared == "motor oil"
    in_shop = Recommender(workspace).answer("ada", 4, scenario="shop").items[0]
    because = in_shop.because
    assert because is not None and (because.declared, because.scenario) == ("bread", "shop")
    everything = {item.item_id for item in Recommender(workspace).recommend("ada", 8)}
    assert everything == {f"i{n}" for n in range(8)}


def test_who_took_it_back_or_said_nothing_gets_what_is_popular(workspace: Workspace) -> None:
    """A deletion leaves nothing to go by, and neither does a user that nobody knows."""
    for user in ("eve", "nobody"):
        answer = Recommender(workspace).answer(user, 3)
        assert not answer.known and not answer.declared
        assert {item.source for item in answer.items} == {"popular"}


def test_beside_events_each_item_says_what_speaks_for_it(workspace: Workspace) -> None:
    """What was declared where that says more, else what was done; without a declaration nothing is said of one."""
    found = {item.item_id: item for item in Recommender(workspace).recommend("bob", 8, mode="new")}
    assert found["i1"].source == "declared" and found["i1"].because.declared == "motor oil"
    assert {item.source for item in found.values()} == {"declared", "new"}
    plain = Recommender(workspace).recommend("dan", 8)
    assert {item.source for item in plain} == {"new", "again"}
    assert not any(item.because and item.because.declared for item in plain)


def test_explain_lists_the_texts_and_their_share(workspace: Workspace) -> None:
    """Of a user without events too; c / (m + c) of the vector."""
    cold = explain(workspace, "ada")
    assert (cold.events, cold.declared_share, cold.updated_at) == (0, 1.0, NOW - 100)
    assert [(one.scenario, one.text, one.language) for one in cold.declared] == [
        ("", "motor oil", "en"),
        ("shop", "bread", "en"),
    ]
    warm = explain(workspace, "bob")
    assert 0.3 < warm.declared_share < 0.45 and warm.declared[0].similarity > 0.2
    assert json.dumps(cold.as_dict(), allow_nan=False)
    taken_back = explain(workspace, "eve")
    assert not taken_back.declared and taken_back.declared_share == 0.0
    assert explain(workspace, "dan").declared_share == 0.0


def test_an_export_shows_what_was_declared(workspace: Workspace, tmp_path: Path) -> None:
    """In each form; nothing of those who declared nothing."""
    expected = [("", "motor oil", "en", NOW - 100), ("shop", "bread", "en", NOW - 100)]

    def texts(told: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        return [(one["scenario"], one["text"], one["language"], one["timestamp"]) for one in told]

    for suffix in ("parquet", "jsonl", "csv"):
        out = tmp_path / f"users.{suffix}"
        assert export_users(workspace, out) == 4
        if suffix == "parquet":
            rows = pq.read_table(out).to_pylist()
        elif suffix == "jsonl":
            rows = [json.loads(line) for line in out.read_text().splitlines()]
        else:
            import csv

            rows = [{**row, "declared": json.loads(row["declared"])} for row in csv.DictReader(out.open())]
        found = {row["user_id"]: texts(row["declared"]) for row in rows}
        assert found["ada"] == expected and found["dan"] == found["eve"] == []


@pytest.mark.parametrize("power", [0.0, 40.0])
def test_a_trained_model_ranks_by_it_at_its_power(tmp_path: Path, power: float) -> None:
    """A user without events too: the text as the reason. At a power of 0, as in models of before, such users get what is
    popular."""
    model = str(save_tiny_model(tmp_path / "model", width=128, positions=128))
    plain = Settings.model_validate({"encoder": {"model": model, "dim": 24}, "interest": {"dim": 24}})
    first = save_small_model(tmp_path / "m0", plain, [f"i{n}" for n in range(8)])
    trained = load_model(first)
    assert trained.mixture is not None
    declared = DeclaredPowers(open=power, given=power, events=100.0 if power else 0.0)
    trained.mixture.config = trained.mixture.config.model_copy(update={"declared": declared})
    save_model(tmp_path / "m", trained, plain.counts, {})
    settings = plain.model_copy(update={"transfer": TransferConfig(model=tmp_path / "m")})
    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        intake.catalogue.upsert([ItemRow(f"i{n}", text, "", "shop") for n, text in enumerate(TEXTS)])
        intake.ingest.apply(
            columns_of([event("bob", f"i{n}", at=float(n), scenario="shop") for n in range(4)])
        )
        assert intake.counts is not None
        intake.counts.write()
        intake.declaring.apply([said("ada", "motor oil"), said("bob", "red motor", "shop")])
    with open_for_reading(str(tmp_path / "s"), settings) as opened:
        cold = Recommender(opened).answer("ada", 4)
        warm = Recommender(opened).recommend("bob", 8, scenario="shop")
        assert explain(opened, "ada").declared[0].text == "motor oil"
    told = {item.because.declared for item in (*cold.items, *warm) if item.because and item.because.declared}
    if power:
        assert cold.items[0].item_id == "i1" and cold.items[0].source == "declared"
        assert cold.declared and told == {"motor oil", "red motor"}
        by_text = {item.item_id for item in warm if item.source == "declared"}
        assert by_text and not by_text & {f"i{n}" for n in range(4)}
    else:
        assert not told and {item.source for item in cold.items} == {"popular"}
