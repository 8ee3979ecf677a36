"""What a store holds of counts keeps its names and its form: one that an earlier build wrote opens, and is added to."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from streams.counts.counts import CONFIG_BLOB, CountsBuffer, read_counts
from streams.ingest.intake import open_intake
from streams.metrics import Metrics
from streams.settings import Settings
from support.data.counted_events import SMALL, Step, assert_counts, sequences
from transfer.counts.config import CountsConfig
from transfer.counts.steps import steps_of

WRITTEN = [Step(0, 0.0, 1, 0), Step(0, 10.0, 2, 1)]
ADDED = [Step(1, 20.0, 1, 2)]
CONFIG = (
    '{"version": 2, "keep": true, "half_lives_s": [50.0, 400.0, "Infinity"], "pair_window": 2, "pair_events": 4, '
    '"pair_half_life_s": 300.0, "max_neighbours": 64, "max_pairs": 1000000, "max_counts": 200000}'
)
PACKED = bytes.fromhex(
    "444c495402000000de2eb650c834bf192d984c89bf697b6978016360000115072630cdc0c00ca5d1f98c50717e280de3c3d4818461622"
    "03afd4e9c3d034383bde2ac6a300d6283302e718587b76ff5dc7e6dbff18490be4bf17ba05a10f8608f4b1c264f1a0d514d0c89ec1798"
    "db1134c404562005c349f9f9d9c5e989b9a9c5b9a5c599c9003ea531c3"
)
"""`WRITTEN`, counted with these settings."""


def test_a_store_that_an_earlier_build_wrote_opens_and_is_added_to(tmp_path: Path) -> None:
    """Its blobs are found under the names that they have, are read, and agree with the same settings of today."""
    settings = Settings(counts=SMALL)
    with open_intake(str(tmp_path / "s"), settings, create=True) as intake:
        assert intake.store.blobs.get("tables/config") == CONFIG.encode()
        intake.store.blobs.put("tables/slots/0", b'{"generation":3,"parts":1,"n_bytes":138}')
        intake.store.blobs.put("tables/0/1/0", struct.pack("<Q", 3) + PACKED)
        assert_counts(read_counts(intake.store.blobs), [WRITTEN], SMALL)
    with open_intake(str(tmp_path / "s"), settings, create=False) as intake:
        mine = CountsBuffer(intake.store.blobs, intake.store.leases, SMALL, Metrics())
        steps = steps_of(sequences([], ADDED), SMALL)
        assert steps is not None
        mine.count(steps)
        mine.finish()
        assert_counts(read_counts(intake.store.blobs), [WRITTEN, ADDED], SMALL)
        assert intake.store.blobs.get("tables/0/1/0") == struct.pack("<Q", 3) + PACKED


def test_settings_keep_their_fingerprints() -> None:
    """Stored counts name the settings that they were counted with by these numbers."""
    assert CONFIG_BLOB == "tables/config"
    assert CountsConfig().fingerprint() == "f3e73a79c154edd5"
    assert SMALL.fingerprint() == "697b69bf894c982d"
    content = json.loads(CONFIG)
    assert content.pop("version") == 2
    assert CountsConfig.model_validate_json(json.dumps(content)) == SMALL
