"""Item vectors from a log and a catalogue with pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("torch")
from PIL import Image

from encoders.config import FitConfig
from encoders.item_encoder import ItemEncoder
from encoders.unit import unit_rows
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.ingest.catalogue import CatalogueWriter
from streams.ingest.intake import open_intake
from streams.learning.fit import fit_encoder, item_content, item_vectors
from streams.learning.history import History, load_history
from streams.settings import Settings
from support.data.event_columns import NOW, event
from support.fakes.tiny_media_models import save_image_model

KINDS, EACH = 3, 40
NEW = EACH - 8
"""Of each kind the items from here on have no events."""
COLOURS = ((200, 30, 30), (30, 200, 30), (30, 30, 200))


def settings_of(folder: Path) -> Settings:
    encoder = {"dim": 16, "disk_cache": folder / "cache", "image": {"model": str(folder / "vit")}}
    return Settings.model_validate({"encoder": encoder, "interest": {"dim": 16}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users who keep to one kind of item; what kind it is only the picture tells, by its colour."""
    folder = tmp_path_factory.mktemp("shop")
    save_image_model("vit", folder / "vit")
    rng = np.random.default_rng(0)
    lines = []
    for kind in range(KINDS):
        for number in range(EACH):
            noisy = np.array(COLOURS[kind]) + rng.integers(-25, 25, (32, 32, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{kind}-{number}.png")
            lines.append({"item_id": f"{kind}-{number}", "image": f"{kind}-{number}.png"})
    lines[5]["image"] = "gone.png"
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = []
    for user in range(90):
        for place, number in enumerate(rng.integers(0, NEW, 12).tolist()):
            events.append(event(f"u{user}", f"{user % KINDS}-{number}", at=1000.0 * user + 10.0 * place))
    (folder / "events.jsonl").write_text(
        "".join(json.dumps({**row, "action": "click"}) + "\n" for row in events)
    )
    return folder


def history_in(shop: Path) -> History:
    catalogue = open_catalogue([shop / "items.jsonl"], settings_of(shop).item_description)
    return load_history(open_logs([shop / "events.jsonl"], now=NOW + 1e9), catalogue)


def test_a_picture_says_where_a_new_item_belongs(shop: Path, tmp_path: Path) -> None:
    """Items without an event lie near those of their colour, by the map; saved, it is of format 2; and a store of the same
    settings gives the very same vectors."""
    settings, history = settings_of(shop), history_in(shop)
    content = item_content(history, settings.encoder, limits=settings.media)
    assert content is not None
    assert content.known.sum() == len(history.items) - 1
    encoder = fit_encoder(history, config=FitConfig(), content=content, dim=16)
    assert encoder.joined is not None
    assert encoder.joined.cosines[("image",)] > 0.5
    vectors = item_vectors(encoder, history, content)
    kind = np.array([int(item[0]) for item in history.items])
    met = encoder.has_behaviour(history.item_keys)
    centres = unit_rows(np.stack([vectors[met & (kind == one)].mean(axis=0) for one in range(KINDS)]))
    nearest = (vectors[~met] @ centres.T).argmax(axis=1)
    assert (nearest == kind[~met]).mean() > 0.9

    encoder.save(tmp_path / "encoder")
    loaded = ItemEncoder.load(tmp_path / "encoder")
    again = item_content(history, settings.encoder, loaded.space, limits=settings.media)
    np.testing.assert_allclose(item_vectors(loaded, history, again), vectors, atol=1e-6)
    fitted = settings.encoder.model_copy(update={"fitted": tmp_path / "encoder"})
    with open_intake(
        str(tmp_path / "store"), settings.model_copy(update={"encoder": fitted}), create=True
    ) as intake:
        writer: CatalogueWriter = intake.catalogue
        rows = [
            row
            for batch in open_catalogue([shop / "items.jsonl"], settings.item_description)
            for row in batch.rows
        ]
        counts = writer.upsert(rows)
        assert counts.media["image"] == {"ok": len(rows) - 1, "not_found": 1}
        assert intake.workspace.space.media_encoded == 0
        stored = {
            item.item_id: item.vector
            for page in intake.store.items.scan(50, with_vectors=True)
            for item in page
        }
    code = {item: row for row, item in enumerate(history.items)}
    ours = np.stack([vectors[code[item]] for item in stored])
    theirs = np.stack([np.asarray(vector) for vector in stored.values()])
    has_any = np.array([code[item] for item in stored])
    is_stand_in = ~(encoder.has_behaviour(history.item_keys) | content.known)[has_any]
    np.testing.assert_allclose(theirs[~is_stand_in], ours[~is_stand_in], atol=1e-5)


def test_without_an_image_encoder_pictures_are_nothing_to_learn_from(shop: Path) -> None:
    """A catalogue of pictures alone has no content then."""
    settings = Settings()
    catalogue = open_catalogue([shop / "items.jsonl"], settings.item_description, allow_empty=True)
    history = load_history(open_logs([shop / "events.jsonl"], now=NOW + 1e9), catalogue)
    assert history.media is None
    assert item_content(history, settings.encoder) is None
