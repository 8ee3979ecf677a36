"""Items with pictures and sounds: what is usable is in their vectors, the rest is counted, nothing is encoded twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("torch")

from encoders.media_config import MediaConfig
from encoders.media_contents import open_media
from streams.events.event import ItemRow
from streams.files.catalogue_file import open_catalogue
from streams.files.catalogue_rows import CatalogueRows
from streams.ingest.catalogue_load import CatalogueLoaded, write_catalogue
from streams.ingest.catalogue_plan import plan_catalogue
from streams.ingest.intake import Intake, open_intake
from streams.settings import Settings
from support.data.media_files import picture, png_of_declared_size, sound, tone
from support.fakes.tiny_media_models import save_audio_model, save_image_model
from support.servers.daemon_process import driftline, program

ITEMS = 40


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "image": str(save_image_model("vit", folder / "vit")),
        "audio": str(save_audio_model("wavlm", folder / "wavlm")),
    }


class Shop:
    """A catalogue in a folder with pictures, and a store."""

    def __init__(self, folder: Path, models: dict[str, str]) -> None:
        self.folder = folder
        self.models = models
        (folder / "pictures").mkdir()
        for number in range(ITEMS):
            (folder / "pictures" / f"{number}.png").write_bytes(picture(number, (40, 40)))
        self.rows: list[dict[str, Any]] = [
            {"item_id": f"i{n}", "title": f"Thing of kind {n % 9}", "image": f"pictures/{n}.png"}
            for n in range(ITEMS)
        ]

    def settings(self, *modalities: str) -> Settings:
        encoder = {name: {"model": self.models[name], "batch": 8} for name in modalities}
        dims = {
            "encoder": {"dim": 32, "disk_cache": self.folder / "cache", **encoder},
            "interest": {"dim": 32},
        }
        return Settings.model_validate({**dims, "media": {"max_bytes": 100_000}})

    def open(self, *modalities: str, store: str = "store") -> Intake:
        return open_intake(str(self.folder / store), self.settings(*modalities), create=True)

    def load(self, *modalities: str, store: str = "store") -> CatalogueLoaded:
        path = self.folder / "items.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        settings = self.settings(*modalities)
        opened = open_catalogue([path], settings.item_description)
        with self.open(*modalities, store=store) as intake, CatalogueRows(opened) as rows:
            plan = plan_catalogue(rows, intake.store.items, intake.workspace.space, limits=settings.media)
            return write_catalogue(intake, rows, plan)

    def vectors(self, *modalities: str, store: str = "store") -> dict[str, np.ndarray]:
        with self.open(*modalities, store=store) as intake:
            pages = intake.store.items.scan(50, with_vectors=True)
            return {item.item_id: np.asarray(item.vector) for page in pages for item in page}

    def kept(self) -> int:
        """Raw vectors of pictures on disk."""
        folder = self.folder / "cache" / "vectors"
        fingerprint = open_media(self.settings("image").encoder, MediaConfig())["image"].encoder.fingerprint
        path = folder / f"{fingerprint}.vectors"
        if not path.is_file():
            return 0
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            try:
                return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
            except sqlite3.OperationalError:  # just being made
                return 0


@pytest.fixture
def shop(tmp_path: Path, models: dict[str, str]) -> Shop:
    return Shop(tmp_path, models)


def test_a_picture_is_part_of_its_items_vector(shop: Shop) -> None:
    """Items of one text and other pictures have other vectors; an item without one has its text's, bit by bit."""
    del shop.rows[9]["image"]
    shop.load("image")
    shop.load(store="texts")
    with_pictures, texts = shop.vectors("image"), shop.vectors(store="texts")
    np.testing.assert_array_equal(texts["i0"], texts["i18"])
    assert with_pictures["i0"] @ with_pictures["i18"] < 0.99
    np.testing.assert_array_equal(with_pictures["i9"], texts["i9"])


def test_a_missing_or_hostile_file_costs_its_modality_and_no_item(shop: Shop) -> None:
    """Every item is written; each result is counted where it belongs."""
    pictures = shop.folder / "pictures"
    (pictures / "1.png").unlink()
    (pictures / "2.png").write_bytes(picture(2, kind="JPEG")[:300])
    (pictures / "3.png").write_bytes(png_of_declared_size(90_000, 90_000))
    (pictures / "4.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (pictures / "5.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(200_000))
    (shop.folder.parent / f"{shop.folder.name}-secret.png").write_bytes(picture(99))
    (pictures / "6.png").unlink()
    (pictures / "6.png").symlink_to(shop.folder.parent / f"{shop.folder.name}-secret.png")
    shop.rows[7]["image"] = f"../{shop.folder.name}-secret.png"
    shop.rows[8]["image"] = "http://169.254.169.254/latest/meta-data"
    del shop.rows[9]["image"]
    shop.rows[10]["image"] = {"nested": {"x": 1}}
    done = shop.load("image")
    assert done.written == ITEMS
    assert done.media == {
        "image": Counter(
            ok=ITEMS - 10,
            absent=2,
            refused=3,
            not_found=1,
            broken=1,
            too_many_pixels=1,
            wrong_format=1,
            too_large=1,
        )
    }
    assert len(shop.vectors("image")) == ITEMS


def test_nothing_is_encoded_twice(shop: Shop) -> None:
    """Neither again, nor under another name, nor in another store with the same encoder."""
    shop.rows.append({"item_id": "same", "title": "Other words", "image": "pictures/3.png"})
    first = shop.load("image")
    assert first.media_encoded == ITEMS
    again = shop.load("image")
    assert (again.media_encoded, again.written) == (0, 0)
    shop.rows[3]["title"] = "New words for the same picture"
    renamed = shop.load("image")
    assert (renamed.media_encoded, renamed.written) == (0, 1)
    (shop.folder / "pictures" / "5.png").write_bytes(picture(500, (40, 40)))
    changed = shop.load("image")
    assert (changed.media_encoded, changed.written) == (1, 1)
    assert shop.load("image", store="another").media_encoded == 0
    assert shop.kept() == ITEMS + 1


def test_a_killed_load_goes_on_where_it_was(shop: Shop) -> None:
    """SIGKILL while pictures are encoded: the next run encodes the rest, and no picture twice."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(ITEMS):  # large enough that decoding takes a while
        noise = rng.integers(0, 255, (600, 600, 3), dtype=np.uint8)
        Image.fromarray(noise).save(shop.folder / "pictures" / f"{number}.png", compress_level=0)
    path = shop.folder / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in shop.rows))
    config = shop.folder / "driftline.toml"
    config.write_text(
        f'[encoder]\ndim = 32\ndisk_cache = "cache"\n[encoder.image]\nmodel = "{shop.models["image"]}"\nbatch = 1\n'
        f"[interest]\ndim = 32\n"
    )
    command = ("items", str(path), "--store", str(shop.folder / "store"), "--config", str(config), "--json")
    process = subprocess.Popen(
        [str(program()), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while shop.kept() < 4:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = shop.kept()
    assert 4 <= before < ITEMS
    done = driftline(*command)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["items"] == ITEMS
    assert counts["media"] == {"image": {"ok": ITEMS}}
    assert counts["media_encoded"] == ITEMS - before
    assert shop.kept() == ITEMS


def test_the_items_topic_brings_pictures_and_sounds(shop: Shop) -> None:
    """Data URIs and bytes; a path of the topic is refused. Few at first: the space is decided by what is there, and stays."""
    from base64 import b64encode

    from streams.events.decode_items import decode_items

    data = "data:image/png;base64," + b64encode(picture(1)).decode()
    records: list[Any] = [
        json.dumps({"item_id": "a", "title": "A", "image": data}).encode(),
        json.dumps({"item_id": "b", "title": "B", "image": "pictures/1.png"}).encode(),
        {"item_id": "c", "title": "C", "audio": sound(tone())},
        {"item_id": "d", "image": {"bytes": picture(2), "path": "x.png"}},
    ]
    settings = shop.settings("image", "audio")
    rows = decode_items(records, keys=[None] * 4, description=settings.item_description).rows
    with shop.open("image", "audio") as intake:
        counts = intake.catalogue.upsert(rows)
        assert counts.media["image"] == Counter(ok=2, refused=1, absent=1)
        assert counts.media["audio"] == Counter(ok=1, absent=3)
        metric = intake.metrics.registry.get_sample_value
        assert metric("driftline_media_total", {"modality": "image", "result": "refused"}) == 1
        assert intake.catalogue.upsert(rows).unchanged == 4
    with shop.open("image", "audio") as intake:
        assert intake.catalogue.upsert(rows).unchanged == 4
        assert intake.workspace.space.media_encoded == 0


def test_without_an_encoder_image_is_a_field_like_any(shop: Shop) -> None:
    """What was an attribute before stays one: nothing is read, nothing is counted."""
    done = shop.load()
    assert done.media == {}
    with shop.open() as intake:
        (page, *_) = intake.store.items.scan(50)
        assert page[0].attributes["image"].startswith("pictures/")
    row = ItemRow("x", "Title")
    assert row.image is None


def test_a_store_keeps_the_encoder_of_its_pictures(shop: Shop) -> None:
    """Another model's vectors are never mixed with it."""
    from encoders.errors import WhiteningMismatch

    shop.load("image")
    other = shop.folder / "other"
    save_image_model("vit", other)
    settings = other / "preprocessor_config.json"
    settings.write_text(settings.read_text().replace("0.5", "0.4"))
    shop.models = {**shop.models, "image": str(other)}
    with pytest.raises(WhiteningMismatch):
        shop.load("image")
