"""A store's vectors are of one precision, wherever it is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders import precision
from encoders.config import EncoderConfig
from encoders.errors import WhiteningMismatch
from encoders.text import TextEncoder
from sinks.points import item_key
from streams.cli.doctor import check_model
from streams.events.event import ItemRow
from streams.ingest.intake import open_intake
from streams.settings import Settings
from support.fakes.tiny_model import save_tiny_model
from transfer.config import InterestConfig

WITH_AMX, WITHOUT = "flags : fpu avx512_bf16 amx_bf16 amx_tile", "flags : fpu avx512f"
ROWS = [ItemRow(f"i{n}", f"red oil {n}", "", "") for n in range(20)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


def settings_of(model: Path, wanted: str = "auto") -> Settings:
    encoder = EncoderConfig.model_validate(
        {"model": str(model), "dim": 16, "max_length": 32, "device": "cpu", "precision": wanted}
    )
    return Settings(encoder=encoder, interest=InterestConfig(dim=16))


@pytest.mark.parametrize(
    ("made_on", "opened_on", "stays"), [(WITHOUT, WITH_AMX, "fp32"), (WITH_AMX, WITHOUT, "bf16")]
)
def test_a_store_goes_on_in_its_precision_on_another_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path, made_on: str, opened_on: str, stays: str
) -> None:
    """What auto was where the store was made holds where it is opened: nothing is encoded again, and new items join it."""
    store = str(tmp_path / "s")
    monkeypatch.setattr(precision, "_cpuinfo", lambda: made_on)
    with open_intake(store, settings_of(model), create=True) as intake:
        intake.catalogue.fit(ROWS)
        assert intake.catalogue.upsert(ROWS).encoded + intake.catalogue.upsert(ROWS).unchanged == 20
    monkeypatch.setattr(precision, "_cpuinfo", lambda: opened_on)
    with open_intake(store, settings_of(model), create=True) as intake:
        assert intake.catalogue.upsert(ROWS).unchanged == 20
        assert intake.catalogue.upsert([ItemRow("twin", "red oil 3", "", "")]).reused == 1
        encoder = intake.workspace.content.encoder
        assert isinstance(encoder, TextEncoder) and encoder.precision == stays
        found = intake.store.items.read([item_key("i3"), item_key("twin")], with_vectors=True)
        first, second = (record.vector for record in found if record is not None)
        assert first is not None and second is not None
        np.testing.assert_array_equal(first, second)
    told = check_model(store, settings_of(model))
    assert f", {stays} on cpu, 32 -> 16 dimensions" in told[0].found and told[0].ok
    assert told[1].ok is None and "would be faster" in told[1].found


def test_another_precision_on_purpose_says_what_to_set(tmp_path: Path, model: Path) -> None:
    """A store with items is never written to in another precision; the error names the setting that goes on."""
    store = str(tmp_path / "s")
    with open_intake(store, settings_of(model, "fp32"), create=True) as intake:
        intake.catalogue.fit(ROWS)
        intake.catalogue.upsert(ROWS)
    with pytest.raises(WhiteningMismatch, match=r"set encoder\.precision = 'fp32', or 'auto'"):
        open_intake(store, settings_of(model, "bf16"), create=True)
