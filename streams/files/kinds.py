"""Which kind of file it is, by its name and by its first bytes; and of those that can't be read, what to do with them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal

import msgspec

from streams.errors import LogError
from streams.files.location import Location
from streams.files.packed_file import open_bytes, packing
from streams.files.rows import FileKind

KINDS: Final[dict[str, FileKind]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".psv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
PACKED_SUFFIXES: Final = (".gz", ".gzip", ".bz2", ".zst", ".zstd")
_WORKBOOK: Final = "a workbook; save its sheet as CSV (UTF-8)"
_ARCHIVE: Final = "an archive; unpack it and name the files in it"
FOREIGN_SUFFIXES: Final = {
    ".xlsx": _WORKBOOK,
    ".xls": _WORKBOOK,
    ".ods": _WORKBOOK,
    ".avro": "an Avro file; convert it to Parquet",
    ".orc": "an ORC file; convert it to Parquet",
    ".zip": _ARCHIVE,
    ".tar": _ARCHIVE,
    ".tgz": _ARCHIVE,
    ".7z": _ARCHIVE,
    ".rar": _ARCHIVE,
    ".xz": "packed by xz; pack it by gzip or zstd instead",
    ".lz4": "packed by lz4; pack it by gzip or zstd instead",
    ".snappy": "packed by snappy; pack it by gzip or zstd instead",
    ".feather": "an Arrow file; convert it to Parquet",
    ".arrow": "an Arrow file; convert it to Parquet",
    ".db": "a database; export its table as CSV or JSON lines",
    ".sqlite": "a database; export its table as CSV or JSON lines",
}
_MAGIC: Final = (
    (b"PK\x03\x04", _ARCHIVE),
    (b"\xd0\xcf\x11\xe0", _WORKBOOK),
    (b"Obj\x01", FOREIGN_SUFFIXES[".avro"]),
    (b"ORC", FOREIGN_SUFFIXES[".orc"]),
    (b"ARROW1", FOREIGN_SUFFIXES[".arrow"]),
    (b"SQLite format 3\0", FOREIGN_SUFFIXES[".db"]),
    (b"PARE", "an encrypted Parquet file; write it without encryption"),
    (b"\xfd7zXZ\0", FOREIGN_SUFFIXES[".xz"]),
    (b"\x04\x22\x4d\x18", FOREIGN_SUFFIXES[".lz4"]),
    (b"\xff\x06\0\0sNaPpY", FOREIGN_SUFFIXES[".snappy"]),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
    (b"%PDF-", "a PDF document"),
)
HEAD_BYTES: Final = 1 << 16


def kind_by_name(name: str) -> FileKind | Literal["foreign", "unnamed", "other"]:
    """A kind; "foreign": holds data, but can't be read; "unnamed": no suffix tells; "other": no data, such as a README.

    >>> [kind_by_name(n) for n in ("a.csv.gz", "part-00000", "x.xlsx", "README.md")]
    ['csv', 'unnamed', 'foreign', 'other']
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    last = suffixes[-1] if suffixes else ""
    if last in KINDS:
        return KINDS[last]
    if last in FOREIGN_SUFFIXES:
        return "foreign"
    # "part-00000-0ce1.c000", "events.2026-11-01": no kind of file is called by numbers.
    return "other" if last[1:].isalpha() else "unnamed"


def kind_of(file: Location) -> FileKind | None:
    """The kind of a file that is to be read, None for one without a byte; its first bytes count before its name.

    Raises:
        LogError: it is of a kind that can't be read; says what to do.
        OSError, EOFError, zlib.error: as `open_bytes`.
    """
    with file.open_raw() as stream:
        raw = stream.read(10)
    if raw[:4] == b"PAR1":
        return "parquet"
    named = kind_by_name(file.name)
    if named == "parquet" and packing(raw) is None:
        return "parquet"  # cut short, or none; it will not open
    with open_bytes(file) as text:
        head = text.read(HEAD_BYTES)
    _refuse_foreign(file, raw, head)
    text_head = head.lstrip()
    if not text_head:
        return None if not head else _of_name(named) or "json"
    if named == "foreign":
        raise LogError(f"{file}: is {FOREIGN_SUFFIXES[PurePosixPath(file.name).suffix.lower()]}")
    kind = _of_name(named)
    if kind is None:
        kind = "json" if text_head[:1] in (b"{", b"[") else "csv"
    if kind == "json":
        _refuse_pretty(file, text_head, cut=len(head) == HEAD_BYTES)
    return kind


def _of_name(named: str) -> FileKind | None:
    return next((kind for kind in KINDS.values() if kind == named), None)


def _refuse_foreign(file: Location, raw: bytes, head: bytes) -> None:
    for start, what in _MAGIC:
        if raw.startswith(start) or head.startswith(start):
            if what is _ARCHIVE and (b"xl/" in head or b"[Content_Types].xml" in head):
                what = _WORKBOOK
            raise LogError(f"{file}: is {what}")
    if head[:4] == b"PAR1":
        raise LogError(f"{file}: is a packed Parquet file; unpack it (Parquet is compressed inside)")
    if head[257:262] == b"ustar":
        raise LogError(f"{file}: is {_ARCHIVE}")
    start_of_text = head.lstrip()[:200].lower()
    if start_of_text.startswith((b"<!doctype html", b"<html")):
        raise LogError(
            f"{file}: is a web page (HTML), maybe the answer to a download that failed; export it again"
        )
    if start_of_text.startswith(b"<?xml"):
        raise LogError(f"{file}: is XML; convert it to CSV or JSON lines")


def _refuse_pretty(file: Location, head: bytes, *, cut: bool) -> None:
    """A JSON array, or one object over several lines, as `json.dumps(indent=2)` writes it."""
    if head[:1] == b"[":
        raise LogError(
            f"{file}: is one JSON array; expected JSON lines, one object a line (jq -c '.[]' FILE)"
        )
    first, end, rest = head.partition(b"\n")
    if head[:1] != b"{" or not end or not rest.strip():
        return
    if first.strip() in (b"{", b"{}") or first.rstrip().endswith((b"{", b",", b"[")):
        try:
            msgspec.json.decode(first, type=msgspec.Raw)
        except (ValueError, RecursionError):
            raise LogError(
                f"{file}: is JSON with an object over several lines; expected JSON lines, one object a line (jq -c . FILE)"
            ) from None
