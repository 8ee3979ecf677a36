"""When a daemon writes its counts: periodically, and once more before it ends."""

from __future__ import annotations

import asyncio

import structlog

from sinks.errors import StoreError
from streams.counts.counts import CountsBuffer
from transfer.errors import CountsFormatError

log = structlog.get_logger(__name__)


class CountsWriter:
    """Writes in a thread beside the lanes; a failure costs a later write, never an event."""

    def __init__(self, counts: CountsBuffer | None, every_s: float) -> None:
        self._counts = counts
        self._every_s = every_s

    async def run(self) -> None:
        """Write every `every_s` seconds, until cancelled.

        Raises:
            CountsFormatError: what is in the store can't be read; says how to fix it.
        """
        while self._counts is not None:
            await asyncio.sleep(self._every_s)
            await self._write(self._counts, last=False)

    async def finish(self, timeout_s: float) -> None:
        """Write what is left and release the slot."""
        if self._counts is None:
            return
        writing = asyncio.create_task(self._write(self._counts, last=True))
        await asyncio.wait({writing}, timeout=timeout_s)
        if not writing.done():
            log.warning("the latest counts were not written in time and are lost")
        elif writing.exception() is not None:
            log.warning("the latest counts are lost", error=str(writing.exception()))

    async def _write(self, counts: CountsBuffer, *, last: bool) -> None:
        try:
            await asyncio.to_thread(counts.finish if last else counts.write)
        except CountsFormatError:
            raise
        except StoreError as error:
            log.warning("counts not written", lost=last, error=str(error))
