"""What a sample of a log asks before anything is made of it: are these times meant in another unit?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np

from streams.errors import LogError
from streams.event_log.log import Log
from streams.event_log.rows import LogRows
from streams.events.likely_time import advice, commonest_form
from streams.events.times import TIME_FORMS, unscaled
from transfer.arrays import F64

SAMPLED_FILES: Final = 20
SAMPLED_ROWS: Final = 1000
"""Of each of these files, from its start on."""
_DAY: Final = 86400.0
_LATEST: Final = 253_402_300_799.0
"""The end of the year 9999, after which no date can be named."""


def ask(log: Log) -> None:
    """Look at the first rows of the log's files.

    Raises:
        LogError: most of their times lie before `events.earliest` or after tomorrow; says what to set.
    """
    for number in np.unique(np.linspace(0, len(log.files) - 1, SAMPLED_FILES).astype(int)).tolist():
        for rows in _first_rows(log, number):
            _ask_times(log, number, rows)


def _first_rows(log: Log, number: int) -> Iterator[LogRows]:
    if log.files[number].rows:
        for rows in log.readers[number].read(SAMPLED_ROWS, 0, SAMPLED_ROWS):
            yield rows
            return


def _ask_times(log: Log, number: int, rows: LogRows) -> None:
    description = log.description
    times = rows.time[np.isfinite(rows.time)]
    earliest = description.limits.earliest_s
    outside = (times < earliest) | (times > max(log.now + _DAY, log.now + description.max_future_s))
    if not len(times) or 2 * int(outside.sum()) <= len(times):
        return
    form = description.config.time
    numbers = [unscaled(time, form) for time in times[outside].tolist()]
    meant = commonest_form([number for number in numbers if number is not None], log.now)
    if meant is not None and meant != form:
        what = advice(meant)
    else:
        forms = ", ".join(form for form in TIME_FORMS if form != "auto")
        what = f"is that their unit? --time is one of {forms}; a log that is so old needs an earlier [events] earliest"
    raise LogError(
        f"{log.files[number].path}: its times lie {_around(times[outside], earliest, log.now)}; {what}"
    )


def _around(times: F64, earliest: float, now: float) -> str:
    middle = float(np.median(times))
    side = "before" if middle < earliest else "after"
    limit = datetime.fromtimestamp(earliest if middle < earliest else now + _DAY, UTC)
    if not 0 <= middle <= _LATEST:
        return f"{side} {limit:%Y-%m-%d}"
    return f"around {datetime.fromtimestamp(middle, UTC):%Y-%m-%d}, {side} {limit:%Y-%m-%d}"
