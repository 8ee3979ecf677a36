"""Pictures and sounds in a catalogue's columns: paths beside the file, bytes, or both in a struct."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from encoders.media_reference import MediaReference
from streams.events.item_record import media_reference
from streams.files.location import Location
from streams.files.rows import Column
from streams.files.values import plain_type

_PARTS: Final = frozenset({"bytes", "path"})


def is_media_type(kind: pa.DataType) -> bool:
    """Texts, bytes, or a struct that has fields `bytes` and `path`, or one of them: the layout of image and audio data sets.

    >>> is_media_type(pa.struct([("bytes", pa.binary()), ("path", pa.string())])), is_media_type(pa.int64())
    (True, False)
    """
    kind = plain_type(kind)
    if pa.types.is_struct(kind):
        return not _PARTS.isdisjoint(kind.field(place).name for place in range(kind.num_fields))
    return bool(_is_bytes(kind) or pa.types.is_null(kind) or _is_string(kind))


def media_references(column: Column, folder: str, is_csv: bool) -> list[MediaReference | None]:
    """(B,) what each row says. folder: that paths are relative to. is_csv: its cells are bytes, and mean text."""
    if isinstance(column, list):
        return [_reference(value, folder, is_text=True) for value in column]
    is_text = is_csv or not _is_bytes(plain_type(column.type))
    return [_reference(value, folder, is_text) for value in column.to_pylist()]


def folder_of(path: Location | Path | str) -> str:
    """The folder of a file of this machine; "" for another one's, where nothing lies beside it."""
    if isinstance(path, Location):
        if path.filesystem is not None:
            return ""
        path = path.path
    return str(Path(path).absolute().parent)


def beside(reference: MediaReference | None, folder: str) -> MediaReference | None:
    """The same, of a record that lies in this folder."""
    return None if reference is None else MediaReference(reference.text, folder, reference.data)


def _reference(value: Any, folder: str, is_text: bool) -> MediaReference | None:
    if is_text and isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, Mapping):
        path = value.get("path")
        value = {
            **value,
            "path": path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path,
        }
    return media_reference(value, folder)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _is_string(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))
