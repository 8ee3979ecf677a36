"""Fitting an item encoder on a history, and a store that is made with it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from encoders.config import FitConfig
from encoders.errors import EncoderMismatch
from encoders.item_encoder import ItemEncoder
from encoders.unseen import unseen_vectors
from sinks.errors import StoreMismatch
from sinks.points import item_key
from streams.cli.commands import app
from streams.event_log.log import open_logs
from streams.events.event import ItemRow
from streams.files.catalogue_file import open_catalogue
from streams.ingest.intake import open_intake
from streams.ingest.outcome import APPLIED
from streams.learning.fit import fit_encoder, item_content, item_vectors, rows_before
from streams.learning.history import History, load_history
from streams.settings import Settings
from streams.workspace.workspace import open_existing, open_for_reading, open_workspace
from support.fakes.tiny_model import save_tiny_model
from support.servers.quick_folder import quick_folder

DIM = 16
COLOURS, FRUITS = ("red", "green"), ("grapes", "bread", "milk", "oil", "motor")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A log of users who stay within one colour, a catalogue whose texts tell the colour, and a tiny text model."""
    with quick_folder() as place:
        rng = np.random.default_rng(0)
        rows = [
            (f"u{user}", f"{COLOURS[user % 2]}-{rng.integers(40)}", 1000.0 * step + user, "click", "all")
            for user in range(120)
            for step in range(8)
        ]
        rows.sort(key=lambda row: row[2])
        names = ("user_id", "item_id", "timestamp", "action", "scenario")
        pq.write_table(
            pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), place / "log.parquet"
        )
        ids = [f"{colour}-{number}" for colour in COLOURS for number in range(50)]  # 40-49 are never met
        titles = [f"{item.split('-')[0]} {FRUITS[row % 5]} {row % 7}" for row, item in enumerate(ids)]
        pq.write_table(pa.table({"item_id": ids, "title": titles}), place / "items.parquet")
        save_tiny_model(place / "model")
        yield place


@pytest.fixture(scope="module")
def settings(folder: Path) -> Settings:
    """Of a small space."""
    return _settings(folder)


def _settings(folder: Path, fitted: Path | None = None) -> Settings:
    encoder = {"dim": DIM, "model": str(folder / "model"), "max_length": 32, "fitted": fitted}
    return Settings.load(flags={"encoder": encoder, "interest": {"dim": DIM}})


@pytest.fixture(scope="module")
def history(folder: Path) -> History:
    """The log and the catalogue in memory."""
    log = open_logs([folder / "log.parquet"], now=time.time())
    return load_history(log, open_catalogue([folder / "items.parquet"]))


@pytest.fixture(scope="module")
def encoder(folder: Path, history: History, settings: Settings) -> ItemEncoder:
    """Fitted on all of it, and in the folder "encoder"."""
    made = fit_encoder(history, content=item_content(history, settings.encoder), dim=DIM)
    made.save(folder / "encoder")
    return made


def _colour(history: History) -> np.ndarray:
    return np.array([item.startswith("red") for item in history.items])


def test_items_of_one_kind_lie_together(history: History, encoder: ItemEncoder, settings: Settings) -> None:
    """Items met by the same users are near each other, and so is an item that only its text is known of."""
    vectors = item_vectors(encoder, history, item_content(history, settings.encoder, encoder.space))
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    red = _colour(history)
    same = red[similarity.argmax(axis=1)] == red
    met = encoder.has_behaviour(history.item_keys)
    assert met.sum() == 80 and len(met) == 100
    assert same[met].all()
    assert same[~met].mean() > 0.7
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_events_that_may_not_be_used_have_no_influence(history: History) -> None:
    """A fit on the first part is the fit of a log that ends there: evaluation can't leak."""
    rows = rows_before(history, history.time.min() + 0.7 * np.ptp(history.time))
    assert 0 < len(rows) < len(history)
    part = fit_encoder(history, rows, dim=DIM)
    again = fit_encoder(history, np.random.default_rng(0).permutation(rows), dim=DIM)
    assert part.fingerprint == again.fingerprint != fit_encoder(history, dim=DIM).fingerprint
    assert part.counts.sum() <= len(rows)


def test_items_of_which_nothing_is_known_have_their_ids_vectors(history: History) -> None:
    """Without texts the rest has the stand-ins that a store gives, so that nothing changes when they are met."""
    encoder = fit_encoder(history, dim=DIM)
    vectors = item_vectors(encoder, history)
    bare = [row for row, known in enumerate(encoder.has_behaviour(history.item_keys)) if not known]
    assert np.array_equal(vectors[bare], unseen_vectors([history.items[row] for row in bare], DIM))


def test_a_basket_is_a_context(tmp_path: Path) -> None:
    """Where most events share their time with others, what was bought together counts, in whatever order."""
    rows = [(f"u{user}", f"{side}{item}", float(user % 3 * 900), "purchase", "all")
            for user in range(30) for side in ("ab"[user % 2],) for item in range(4)]  # fmt: skip
    names = ("user_id", "item_id", "timestamp", "action", "scenario")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), tmp_path / "log.parquet")
    history = load_history(open_logs([tmp_path / "log.parquet"], now=time.time()))
    encoder = fit_encoder(history, config=FitConfig(basket_window=0), dim=8)
    vectors = item_vectors(encoder, history)
    side = np.array([item[0] for item in history.items])
    similarity = vectors @ vectors.T
    assert similarity[side[:, None] == side].min() > similarity[side[:, None] != side].max()


def test_a_store_has_the_vectors_of_the_fit(
    folder: Path, tmp_path: Path, history: History, encoder: ItemEncoder, settings: Settings
) -> None:
    """Catalogue, events on items that no catalogue knows, and texts all speak the language of the encoder."""
    expected = dict(
        zip(history.items, item_vectors(encoder, history, item_content(history, settings.encoder, encoder.space)),
            strict=True)
    )  # fmt: skip
    rows = [row for batch in open_catalogue([folder / "items.parquet"]) for row in batch.rows]
    with open_intake(str(tmp_path / "s"), _settings(folder, folder / "encoder"), create=True) as intake:
        assert not intake.catalogue.fit(rows)  # the encoder brings its whitening
        intake.catalogue.upsert(rows[10:])
        keys, vectors = intake.ingest.preparation._items.vectors([rows[0].item_id, "never-heard-of"])
        assert np.allclose(vectors[0], encoder.behaviour[encoder.keys == keys[0]], atol=1e-6)
        assert np.array_equal(vectors[1:], unseen_vectors(["never-heard-of"], DIM))
        stored = intake.store.items.read([item_key(row.item_id) for row in rows[10:]], with_vectors=True)
        for row, record in zip(rows[10:], stored, strict=True):
            assert record is not None and record.vector is not None
            assert np.allclose(record.vector, expected[row.item_id], atol=1e-4)
        log = open_logs([folder / "log.parquet"], now=time.time())
        columns = next(iter(log)).columns
        assert intake.ingest.apply(columns).count(APPLIED) == len(columns)


def test_a_catalogue_that_is_loaded_again_costs_nothing(
    folder: Path, tmp_path: Path, encoder: ItemEncoder
) -> None:
    """Items of one text have vectors of their own, near each other; the text is encoded once, and not after a restart."""
    settings = _settings(folder, folder / "encoder")
    rows = [ItemRow(item, "red grapes", "", "") for item in ("red-1", "red-2", "new-1", "new-2")]
    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        assert intake.catalogue.upsert(rows).encoded == 1
        records = intake.store.items.read([item_key(row.item_id) for row in rows], with_vectors=True)
        assert len({record.content for record in records if record is not None}) == 4
    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        assert intake.catalogue.upsert(rows).unchanged == 4
        moved = intake.catalogue.upsert([ItemRow("new-1", "red grapes", "", "elsewhere")])
        assert (moved.reused, intake.workspace.content.encoded) == (1, 0)


def test_a_store_keeps_to_its_encoder(
    folder: Path, tmp_path: Path, history: History, encoder: ItemEncoder
) -> None:
    """Another encoder, none, or one for a store that was made without: refused, with what to set."""
    with_one, without = _settings(folder, folder / "encoder"), _settings(folder)
    fit_encoder(history, config=FitConfig(seed=1), dim=DIM).save(tmp_path / "other")
    store = str(tmp_path / "s")
    open_workspace(store, with_one, create=True).close()
    for open_again in (lambda s: open_workspace(store, s, create=True), lambda s: open_existing(store, s)):
        with pytest.raises(StoreMismatch, match=encoder.fingerprint[:12]):
            open_again(without)
        with pytest.raises(StoreMismatch, match=encoder.fingerprint[:12]):
            open_again(_settings(folder, tmp_path / "other"))
        open_again(with_one).close()
    with open_for_reading(store, without) as workspace:
        assert workspace.fitted is None
    with open_for_reading(store, with_one) as workspace:
        assert workspace.fitted is not None
    open_workspace(str(tmp_path / "plain"), without, create=True).close()
    with pytest.raises(StoreMismatch, match=r"leave encoder\.fitted out"):
        open_workspace(str(tmp_path / "plain"), with_one, create=True)


def test_an_encoder_of_another_dimension_is_refused(folder: Path, tmp_path: Path, history: History) -> None:
    """The error names the setting, and no store is begun with wrong vectors."""
    fit_encoder(history, dim=8).save(tmp_path / "narrow")
    with pytest.raises(EncoderMismatch, match=r"interest\.dim"):
        open_workspace(str(tmp_path / "s"), _settings(folder, tmp_path / "narrow"), create=True)


def test_the_command_line(folder: Path, tmp_path: Path) -> None:
    """`driftline fit` writes an encoder and says what it knows; `replay` uses it by configuration."""
    config = tmp_path / "d.toml"
    config.write_text(
        f'[encoder]\ndim = {DIM}\nmax_length = 32\nmodel = "{folder / "model"}"\n[interest]\ndim = {DIM}\n[fit]\nwindow = 2\n'
        '[events]\nearliest = "1970-01-01"\n'
    )
    log, items, out = (
        str(path) for path in (folder / "log.parquet", folder / "items.parquet", tmp_path / "e")
    )
    runner = CliRunner()
    result = runner.invoke(
        app,
        [
            "fit",
            log,
            "--items",
            items,
            "--out",
            out,
            "--until",
            "1970-01-01T01:30",
            "--json",
            "--config",
            str(config),
        ],
    )
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (
        summary["events"] == 120 * 6 and summary["with_behaviour"] > 60 and summary["held_out_cosine"] > 0.2
    )
    assert ItemEncoder.load(tmp_path / "e").fingerprint == summary["fingerprint"]
    assert ItemEncoder.load(tmp_path / "e").config.window == 2
    config.write_text(config.read_text().replace("[encoder]", f'[encoder]\nfitted = "{out}"'))
    store = str(tmp_path / "s")
    result = runner.invoke(
        app, ["replay", log, "--items", items, "--store", store, "--json", "--config", str(config)]
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["applied"] == 960
    wrong = runner.invoke(app, ["fit", log, "--out", out, "--until", "yesterday"])
    assert wrong.exit_code == 2
