"""What a call has sent to the store: events that are left out later are in no count of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from encoders.config import EncoderConfig
from streams.ingest.intake import open_intake
from streams.ingest.tries import Tries
from streams.settings import Settings
from support.data.event_columns import columns_of, event
from transfer.config import InterestConfig

SETTINGS = Settings(interest=InterestConfig(dim=16), encoder=EncoderConfig(dim=16))


def test_what_was_left_out_stays_out_however_often_more_is(tmp_path: Path) -> None:
    """Two users are parked one after the other; of the four that were sent, the other two alone are counted."""
    columns = columns_of([event(f"u{n}", f"i{n}", at=100.0 + n) for n in range(4)])
    with open_intake(str(tmp_path / "s"), SETTINGS, create=True) as intake:
        prepared = intake.ingest.preparation.prepare(columns, [b""] * 4, [{} for _ in range(4)])
    tries = Tries(4)
    tries.note(np.arange(4), prepared)
    tries.leave_out(np.array([True, False, True, True]))
    tries.leave_out(np.array([False, True, True]))
    ((sent, counted),) = tries.parts(tries.sent(np.arange(2)))
    assert sent is prepared
    assert counted.tolist() == [False, False, True, True]
