"""When a daemon writes its tables: now and then, and once more before it lets go of its partitions."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from sinks.errors import FenceRefused, StoreError
from streams.item_tables import TableCounts
from streams.lanes import Lanes
from transfer.errors import TablesFormatError

log = structlog.get_logger(__name__)


class TableWrites:
    """Writes in a thread beside the lanes; a failure costs a later write, never an event."""

    def __init__(self, counts: TableCounts | None, lanes: Lanes, every_s: float) -> None:
        self._counts = counts
        self._lanes = lanes
        self._every_s = every_s

    async def run(self) -> None:
        """Write every `every_s` seconds, until cancelled.

        Raises:
            TablesFormatError: what is in the store can't be read; says how to mend.
        """
        while self._counts is not None:
            await asyncio.sleep(self._every_s)
            await self._write(self._counts, self._lanes.slot(), last=False)

    async def finish(self, slot: Any, timeout_s: float) -> None:
        """Write what is left to a slot that `Lanes.slot` gave before the lanes were closed."""
        if self._counts is None:
            return
        writing = asyncio.create_task(self._write(self._counts, slot, last=True))
        await asyncio.wait({writing}, timeout=timeout_s)
        if not writing.done():
            log.warning("the tables were not written in time; their latest counts are lost")
        elif writing.exception() is not None:
            log.warning("the latest counts of the tables are lost", error=str(writing.exception()))

    async def _write(self, counts: TableCounts, slot: Any, *, last: bool) -> None:
        if slot is None:
            return  # kept until there is a lane
        number, fence = slot
        try:
            await asyncio.to_thread(counts.write, str(number), fence, join=not last)
        except FenceRefused:
            log.info("tables not written, the partition is another worker's", partition=number)
        except TablesFormatError:
            raise
        except StoreError as error:
            log.warning("tables not written", lost=last, error=str(error))
