"""Sizes of the pages of a Parquet file, from their headers alone: how much reading some rows will unpack.

pyarrow tells of a column chunk how much it is in all, and unpacks page by page; a page of a small file may unpack to
gigabytes. Format: parquet.thrift in apache/parquet-format, in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

_HEADER_BYTES: Final = 1 << 12
_MAX_HEADER_BYTES: Final = 1 << 26
"""Headers hold the smallest and the largest value of their page."""
_DICTIONARY: Final = 2
_TYPE, _UNPACKED, _PACKED, _DATA, _DATA_2 = 1, 2, 3, 5, 8


class SeekableBytes(Protocol):
    """A file, or an object in a store, that is read at any position."""

    def seek(self, position: int, /) -> Any:
        """Go there."""

    def read(self, size: int, /) -> bytes:
        """So many bytes from there on, fewer at the end."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a column chunk."""

    values: int
    """number of values, as rows for columns that are not nested; 0 for a dictionary"""
    unpacked: int
    """bytes after unpacking"""


def pages_of(file: SeekableBytes, chunk: Any) -> Iterator[Page]:
    """The pages of a column chunk (`pyarrow.parquet.ColumnChunkMetaData`), in order.

    Raises:
        ValueError: what is there is no page header.
    """
    position = chunk.data_page_offset
    if chunk.has_dictionary_page and chunk.dictionary_page_offset:
        position = min(position, chunk.dictionary_page_offset)
    end = position + chunk.total_compressed_size
    values = 0
    while position < end and values < chunk.num_values:
        header, length = _header(file, position)
        try:
            unpacked, packed = header[_UNPACKED], header[_PACKED]
            data = header.get(_DATA) or header.get(_DATA_2) or {}
            page = Page(0 if header[_TYPE] == _DICTIONARY else data.get(1, 0), unpacked)
            numbers = (packed, unpacked, page.values)
        except (KeyError, AttributeError):
            raise ValueError("no page header") from None
        if not all(type(number) is int for number in numbers):
            raise ValueError("no page header")
        if min(numbers) < 0:
            raise ValueError("a page of a negative size")
        yield page
        values += page.values
        position += length + packed


def _header(file: SeekableBytes, position: int) -> tuple[dict[int, Any], int]:
    size = _HEADER_BYTES
    while True:
        file.seek(position)
        data = file.read(size)
        try:
            reader = _Compact(data)
            return reader.struct(), reader.at
        except IndexError:
            if len(data) < size or size >= _MAX_HEADER_BYTES:
                raise ValueError("a page header is cut") from None
            size *= 8


class _Compact:
    """Reads one struct of Thrift's compact protocol; IndexError where the data ends before it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > 8:
            raise ValueError("nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._number()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._varint())
        if kind == 12:
            return self.struct(depth + 1)
        raise ValueError(f"a page header holds a field of type {kind}")

    def _skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self._data):
            raise IndexError

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
