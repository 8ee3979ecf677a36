"""Whole fetches for any Faust app: one list of raw records per topic-partition and fetch; usable alone (docs/transport.md).

`consumer` is the app and its offsets, `fetching` takes from the client's buffer, `record_batches` and `unpacking` unpack within
bounds, and `record` is what an agent gets.
"""

from streams.transport.consumer import BatchApp

__all__ = ["BatchApp"]
