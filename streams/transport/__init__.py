"""Whole fetches for any Faust app: one list of raw records per topic-partition and fetch; usable alone, see README."""

from streams.transport.consumer import BatchApp

__all__ = ["BatchApp"]
