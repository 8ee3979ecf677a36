"""Each distinct text of a catalogue goes through the model once, however large it is, and whichever command is first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from encoders.config import EncoderConfig
from encoders.progress import OnProgress
from encoders.text import TextEncoder
from streams.event_log.log import open_logs
from streams.files.catalogue_file import open_catalogue
from streams.files.catalogue_rows import CatalogueRows
from streams.ingest import catalogue, catalogue_load
from streams.ingest.catalogue_load import write_catalogue
from streams.ingest.catalogue_plan import plan_catalogue
from streams.ingest.intake import open_intake
from streams.learning.fit import fit_encoder, item_content
from streams.learning.history import load_history
from streams.settings import Settings
from support.data.profiled import NOW, row, write_log
from support.fakes.tiny_model import save_tiny_model
from transfer.config import InterestConfig

TEXTS, FITTED_ON = 600, 50
ROWS = [
    {"item_id": f"i{copy}-{n}", "title": f"red oil {n}"} for copy in range(3) for n in range(TEXTS)
]  # each text three times, far apart


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often the model was asked for each text; fits take few texts."""
    counts: Counter[str] = Counter()
    plain = TextEncoder.encode

    def counted(self: TextEncoder, texts: Sequence[str], progress: OnProgress | None = None) -> np.ndarray:
        counts.update(texts)
        return plain(self, texts, progress)

    monkeypatch.setattr(TextEncoder, "encode", counted)
    for module in (catalogue, catalogue_load):
        monkeypatch.setattr(module, "FIT_TEXTS", FITTED_ON)
    monkeypatch.setattr(catalogue, "ROWS_AT_A_TIME", 100)
    yield counts


def settings_of(folder: Path, **changes: object) -> Settings:
    """Caches for a few texts alone."""
    encoder = EncoderConfig.model_validate(
        {"model": str(save_tiny_model(folder / "model")), "dim": 16, "max_length": 32, "text_cache": 20,
         "cache_rows": 30, "device": "cpu", **changes}
    )  # fmt: skip
    return Settings(encoder=encoder, interest=InterestConfig(dim=16))


def load(folder: Path, settings: Settings, store: str) -> None:
    """As `driftline items` does."""
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    with (
        open_intake(str(folder / store), settings, create=True) as intake,
        CatalogueRows(open_catalogue([path])) as rows,
    ):
        plan = plan_catalogue(rows, intake.store.items, intake.workspace.space)
        assert write_catalogue(intake, rows, plan).written == len(ROWS)


@pytest.mark.parametrize("disk_cache_mb", [0, 64])
def test_a_catalogue_above_every_cache_is_encoded_once(
    encoded: Counter[str], tmp_path: Path, disk_cache_mb: int
) -> None:
    """600 texts, 50 of which the whitening is fitted on, 20 in memory: each of them once, also with nothing on disk."""
    load(tmp_path, settings_of(tmp_path, disk_cache_mb=disk_cache_mb), "store")
    assert len(encoded) == TEXTS and set(encoded.values()) == {1}


def test_fitting_items_first_spares_the_store_the_model(encoded: Counter[str], tmp_path: Path) -> None:
    """`fit` and then `items`, which makes a vector for every item: still once."""
    settings = settings_of(tmp_path, disk_cache=tmp_path / "cache")
    log = write_log(
        tmp_path / "log.parquet",
        [row(user, user % 7, user + 60.0 * n) for user in range(9) for n in range(9)],
    )
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in ROWS))
    history = load_history(open_logs([log], now=NOW), open_catalogue([tmp_path / "items.jsonl"]))
    content = item_content(history, settings.encoder)
    fit_encoder(history, content=content, dim=16).save(tmp_path / "fitted")
    assert len(encoded) == TEXTS and set(encoded.values()) == {1}
    fitted = settings_of(tmp_path, disk_cache=tmp_path / "cache", fitted=tmp_path / "fitted")
    load(tmp_path, fitted, "store")
    assert set(encoded.values()) == {1}
