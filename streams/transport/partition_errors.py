"""Which partitions can't be read, and which were read elsewhere than they should have been."""

from __future__ import annotations

from collections.abc import Callable

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.transport.fetching import Taken


class PartitionErrors:
    """The errors of one consumer's partitions, as its fetches bring them."""

    def __init__(self) -> None:
        self.unreadable: dict[TP, Exception] = {}
        """Why a partition can't be read at present; it is tried again every second."""
        self._out_of_range: dict[TP, int] = {}

    def note(self, taken: Taken, on_out_of_range: Callable[[TP, int, int], None] | None) -> None:
        """Take what a fetch says of errors. on_out_of_range: as of `streams.transport.BatchApp`."""
        for fetched_tp in taken.recovered:
            self.unreadable.pop(TP(fetched_tp.topic, fetched_tp.partition), None)
        for fetched_tp, error in taken.errors.items():
            self.unreadable[TP(fetched_tp.topic, fetched_tp.partition)] = error
        for fetched_tp, position in taken.out_of_range.items():
            self._out_of_range[TP(fetched_tp.topic, fetched_tp.partition)] = position
        for tp, was in list(self._out_of_range.items()):
            fetched_tp = driver.ensure_aiokafka_TP(tp)
            batch = taken.get(fetched_tp)
            now = batch[0].offset if batch else taken.positions.get(fetched_tp)
            if now is not None:
                del self._out_of_range[tp]
                if on_out_of_range is not None:
                    on_out_of_range(tp, was, now)

    def forget(self, tp: TP) -> None:
        """The partition is no longer ours."""
        self._out_of_range.pop(tp, None)
        self.unreadable.pop(tp, None)
