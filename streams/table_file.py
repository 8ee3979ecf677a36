"""Parquet, CSV and JSON-lines files as batches of columns, checked whole before the first batch.

What is checked before anything is read, so that a file cut short is refused while nothing was written:

- Parquet: its index is at the end, so a cut file does not open.
- CSV: the whole file is parsed once; a row of another length, an open quote at the end, or a last line
  without its line end is an error that names the row. The last is strict: such a file may be whole, but a
  value cut in half can't be told from a whole one.
- JSON lines: the lines are counted and the last one is decoded. A broken line in the middle is no sign of
  a cut file: it becomes one rejected row, as it would in a topic.
- .gz: read to its end, which verifies its checksum.

For CSV and JSON lines that is a second pass over the file, which also tells the number of rows.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
import pyarrow as pa
import xxhash

from streams.errors import LogError
from streams.event import Reason
from streams.json_reasons import undecodable

Kind = Literal["parquet", "csv", "json"]
Column: TypeAlias = Any
"""A `pyarrow.Array` or a list of decoded JSON values; pyarrow has no types for mypy."""

KINDS: Final[dict[str, Kind]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
}
_SCANNED_LINES: Final = 1000
_BLOCK: Final = 1 << 22
_CSV_ROW: Final = re.compile(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)")
_decode_json = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file that was checked.

    Attributes:
        columns: names of its columns; of JSON lines the names in the first 1000 lines.
        types: Arrow type of each column where the file tells (Parquet).
        rows: number of rows.
    """

    path: Path
    kind: Kind
    columns: tuple[str, ...]
    types: dict[str, pa.DataType]
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some consecutive rows of a file: one column a wanted name, and the rows that could not be decoded."""

    columns: dict[str, Column]
    count: int
    broken: dict[int, tuple[Reason, str]] = field(default_factory=dict)


def inspect_file(path: Path) -> TableFile:
    """Check the structure of the whole file.

    Raises:
        LogError: names the file, and the row or line that is wrong.
    """
    if not path.exists():
        raise LogError(f"{path}: no such file")
    if path.is_dir():
        raise LogError(f"{path}: is a folder; name its files")
    if path.stat().st_size == 0:
        raise LogError(f"{path}: is empty (0 bytes); was it cut short?")
    kind = _kind(path)
    try:
        if kind == "parquet":
            return _inspect_parquet(path)
        return _inspect_csv(path) if kind == "csv" else _inspect_json(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LogError(f"{path}: the compressed file is cut short or damaged ({error})") from None
    except OSError as error:
        raise LogError(f"{path}: can't be read ({error.strerror or error})") from None


def read_file(file: TableFile, names: Sequence[str], batch_rows: int) -> Iterator[Rows]:
    """The named columns, at most `batch_rows` rows at a time, in the file's order."""
    reader = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}[file.kind]
    try:
        yield from reader(file, list(dict.fromkeys(names)), batch_rows)
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{file.path}: is damaged ({str(error).splitlines()[0][:200]})") from None


def fingerprint(paths: Sequence[Path]) -> str:
    """Hex identity of the bytes of these files in this order: XXH3-128, streamed."""
    whole = xxhash.xxh3_128()
    for path in paths:
        one = xxhash.xxh3_128()
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                one.update(block)
        whole.update(one.digest())  # digests are of one length, so where a file ends is part of the identity
    return whole.hexdigest()


def _kind(path: Path) -> Kind:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    name = suffixes[-2 if packed else -1] if len(suffixes) > packed else ""
    kind = KINDS.get(name)
    if kind is None or (packed and kind == "parquet"):
        raise LogError(
            f"{path}: unknown kind of file; expected .parquet, .csv, .jsonl, .ndjson or .json (.gz)"
        )
    return kind


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path, "rb") if _zipped(path) else path.open("rb")


def _open_native(path: Path) -> pa.NativeFile:
    """For pyarrow, which reads ahead in a thread: from a Python file it would need the interpreter there, and a process that
    ends meanwhile, say because a column is missing, is aborted instead."""
    return pa.input_stream(str(path), compression="gzip" if _zipped(path) else None)


def _zipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _inspect_parquet(path: Path) -> TableFile:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            types = dict(zip(schema.names, schema.types, strict=True))
            return TableFile(path, "parquet", tuple(schema.names), types, file.metadata.num_rows)
    except pa.ArrowException:
        raise LogError(
            f"{path}: is no complete Parquet file; it was cut short or is of another kind"
        ) from None


def _read_parquet(file: TableFile, names: list[str], batch_rows: int) -> Iterator[Rows]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
        for batch in parquet.iter_batches(batch_size=batch_rows, columns=names):
            yield Rows({name: batch.column(name) for name in names}, batch.num_rows)


def _inspect_csv(path: Path) -> TableFile:
    quotes, last = 0, b""
    with _open(path) as stream:
        while block := stream.read(_BLOCK):
            quotes += block.count(b'"')
            last = block[-1:]
    try:
        with _open_native(path) as stream, _csv_reader(stream, []) as reader:
            names = tuple(reader.schema.names)
        with _open_native(path) as stream, _csv_reader(stream, [names[0]]) as reader:
            rows = sum(batch.num_rows for batch in reader)
    except pa.ArrowException as error:
        raise LogError(f"{path}: {_csv_error(error)}") from None
    if quotes % 2:
        raise LogError(f"{path}: a quote is opened and never closed; the file is cut short or damaged")
    if last not in (b"\n", b"\r"):
        raise LogError(
            f"{path}: row {rows + 1} (the header is row 1), the last, has no line end, so that its last column "
            f"{names[-1]!r} may be cut; if the file is whole, end it with a line end"
        )
    return TableFile(path, "csv", names, {}, rows)


def _csv_error(error: Exception) -> str:
    """Without pyarrow's quotation of the row, which may hold personal data."""
    text = str(error)
    found = _CSV_ROW.search(text)
    if found:
        row, expected, got = found.groups()
        return (
            f"{f'row {row} (the header is row 1)' if row else 'a row'} has {got} columns, "
            f"expected {expected}; the file is cut short or damaged there"
        )
    if "straddl" in text:
        return f"a row is longer than {_BLOCK >> 20} MiB; is a quote opened and never closed?"
    return text.splitlines()[0].removeprefix("CSV parse error: ")[:200]


def _csv_reader(stream: pa.NativeFile, names: list[str]) -> Any:
    """A reader of these columns as bytes ("007" stays an id; bytes that are no UTF-8 cost a row, not the
    file), or of all columns, with guessed types, for no names."""
    import pyarrow.csv as csv

    return csv.open_csv(
        stream,
        # Without threads its errors tell the row.
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=names,
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )


def _read_csv(file: TableFile, names: list[str], batch_rows: int) -> Iterator[Rows]:
    with _open_native(file.path) as stream, _csv_reader(stream, names) as reader:
        for block in reader:
            for start in range(0, block.num_rows, batch_rows):
                batch = block.slice(start, batch_rows)
                yield Rows({name: batch.column(name) for name in names}, batch.num_rows)


def _inspect_json(path: Path) -> TableFile:
    names: dict[str, None] = {}
    rows, last, last_line = 0, b"", 0
    with _open(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.isspace():
                continue
            if not rows and line.lstrip().startswith(b"["):
                raise LogError(f"{path}: is one JSON array; expected JSON lines, one object a line")
            if rows < _SCANNED_LINES:
                names.update(dict.fromkeys(_names_of(line)))
            rows, last, last_line = rows + 1, line, number
    if not rows:
        raise LogError(f"{path}: has only blank lines")
    try:
        _decode_json(last)
    except RecursionError:
        pass  # a whole value, for all that can be seen; the reader rejects the row
    except ValueError:
        raise LogError(
            f"{path}: line {last_line}, the last, is no complete JSON; was it cut short?"
        ) from None
    return TableFile(path, "json", tuple(names), {}, rows)


def _names_of(line: bytes) -> list[str]:
    try:
        value = _decode_json(line)
    except (ValueError, RecursionError):
        return []
    return list(value) if isinstance(value, dict) else []


def _read_json(file: TableFile, names: list[str], batch_rows: int) -> Iterator[Rows]:
    attributes = [f"column_{i}" for i in range(len(names))]  # any name is fine in JSON, not as an attribute
    row_type = msgspec.defstruct(
        "Row",
        [(attribute, Any, None) for attribute in attributes],
        rename=dict(zip(attributes, names, strict=True)),
        frozen=True,
        gc=False,
    )
    decode = msgspec.json.Decoder(row_type).decode
    nothing = row_type()
    with _open(file.path) as stream:
        lines = (line for line in stream if not line.isspace())
        while batch := list(islice(lines, batch_rows)):
            rows: list[Any] = []
            broken: dict[int, tuple[Reason, str]] = {}
            for position, line in enumerate(batch):
                try:
                    rows.append(decode(line))
                except Exception as error:
                    rows.append(nothing)
                    broken[position] = undecodable(error, line)
            columns: dict[str, Column] = {
                name: [getattr(row, attribute) for row in rows]
                for name, attribute in zip(names, attributes, strict=True)
            }
            yield Rows(columns, len(batch), broken)
