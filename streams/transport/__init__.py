"""Whole fetches for any Faust app: one list of raw records per topic-partition and fetch; usable alone (docs/transport.md).

`app` is the app; `consumer` hands over and commits, by what `offset_marks` says; `fetching` takes from the client's buffer;
`record_batches` and `unpacking` unpack within bounds; `record` is what an agent gets.
"""

from streams.transport.app import BatchApp

__all__ = ["BatchApp"]
