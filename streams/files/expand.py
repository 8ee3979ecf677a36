"""What a user names, files, folders, globs and URLs -> the data files that are meant, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from streams.errors import LogError
from streams.files.config import FilesConfig
from streams.files.kinds import FOREIGN_SUFFIXES, kind_by_name
from streams.files.location import STORE_ERRORS, Location, located, unreadable

log = structlog.get_logger(__name__)
_MAGIC: Final = re.compile(r"[*?\[]")
_TABLES: Final = {"_delta_log": "a Delta Lake table", ".hoodie": "a Hudi table"}
_DIGITS: Final = re.compile(r"(\d+)")


def expand(names: Sequence[Location | Path | str], config: FilesConfig | None = None) -> list[Location]:
    """The files that are meant, in the order given; those of a folder or glob by name, in which numbers count as numbers.

    - A file is taken whatever it is called.
    - A folder is searched to the bottom. Names that begin with "." or "_" and checksums (.crc) are left out, and so are
      files that are no data by their name; a kind that holds data and can't be read is an error.
    - A glob: `*`, `?` and `[abc]` in one name, `**` for any number of folders. What it matches is taken as if it was named,
      but for hidden names, and for files that are no data by their name where the glob names no suffix. A file that exists
      under the glob's own text is that file.

    config: how their text is written.

    Raises:
        LogError: there is nothing of that name, no data file in it, or a file is named twice.
    """
    files: list[Location] = []
    seen: dict[str, str] = {}
    for name in names:
        start = located(name, config)
        for file in _files_of(start):
            identity = file.identity()
            if identity in seen:
                where = (
                    "" if seen[identity] == str(start) == str(file) else f" ({seen[identity]} and {start})"
                )
                raise LogError(f"{file}: is given twice{where}")
            seen[identity] = str(start)
            files.append(file)
    return files


def _files_of(start: Location) -> list[Location]:
    try:
        kind = start.kind()
        if kind == "file":
            return [start]
        if kind == "folder":
            return _data_files(start)
        if not _MAGIC.search(start.path):
            bucket = start.bucket()
            if bucket is not None and bucket.kind() == "nothing":
                raise LogError(f"{bucket}: no such bucket")
            raise LogError(f"{start}: no such file or folder")
        found = sorted(_matches(start), key=_by_name)
        if not found:
            raise LogError(f"{start}: no file matches")
        names_suffix = "." in start.path.rpartition("/")[2]
        files: list[Location] = []
        for match in found:
            if match.kind() == "folder":
                files += _data_files(match)
            elif names_suffix or kind_by_name(match.name) != "other":
                files.append(match)
        if not files:
            raise LogError(f"{start}: no data file matches")
        return files
    except STORE_ERRORS as error:
        raise unreadable(start, error) from None


def _data_files(folder: Location) -> list[Location]:
    """Of a folder, to the bottom; LogError where there are none."""
    found: list[Location] = []
    others: list[str] = []
    for path in folder.files():
        *folders, name = path.split("/")
        table = next((_TABLES[part] for part in folders if part in _TABLES), None)
        if table is None and folders[-1:] == ["metadata"] and name.endswith(".metadata.json"):
            table = "an Iceberg table"
        if table is not None:
            raise LogError(
                f"{folder}: is {table}, or holds one; its files have rows of older versions, too: export its present rows as "
                "Parquet files, and name those"
            )
        if name.endswith(".crc") or any(part.startswith((".", "_")) for part in (*folders, name)):
            continue
        kind = kind_by_name(name)
        if kind == "foreign":
            what = FOREIGN_SUFFIXES[Path(name).suffix.lower()]
            raise LogError(f"{folder.child(path)}: is {what}, or name the other files")
        if kind == "other":
            others.append(name)
        elif name:
            found.append(folder.child(path))
    if not found:
        names = ", ".join(others[:5])
        raise LogError(f"{folder}: has no data files" + (f"; it has {names}" if names else ""))
    if others:
        log.info("files left out of a folder, as no data by their names", files=len(others), first=others[0])
    return sorted(found, key=_by_name)


def _matches(pattern: Location) -> Iterator[Location]:
    """Files and folders that a glob matches, level by level, so that no more is listed than it may match."""
    parts = pattern.path.split("/")
    first = next(n for n, part in enumerate(parts) if _MAGIC.search(part))
    tail = len(parts) - first
    shown = pattern.shown.split("/")
    base = replace(pattern, shown="/".join(shown[: len(shown) - tail]), path="/".join(parts[:first]))
    if first == 1 and not parts[0]:
        base = replace(base, shown="/", path="/")
    elif first == 0:
        base = replace(base, shown=".", path=".")
    yield from _level(base, parts[first:])


def _level(folder: Location, parts: list[str]) -> Iterator[Location]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        if not rest:
            yield from _data_files(folder)
            return
        found = {match.shown: match for match in _level(folder, rest)}
        for child in _children(folder, "*"):
            if child.kind() == "folder":
                found |= {match.shown: match for match in _level(child, parts)}
        yield from found.values()
        return
    if not _MAGIC.search(part):
        child = folder.child(part)
        kind = child.kind()
        if kind == "folder" and rest:
            yield from _level(child, rest)
        elif kind != "nothing" and not rest:
            yield child
        return
    for child in _children(folder, part):
        if not rest:
            yield child
        elif child.kind() == "folder":
            yield from _level(child, rest)


def _children(folder: Location, part: str) -> Iterator[Location]:
    name_of = re.compile(_regex(part), re.DOTALL)
    try:
        listed = sorted(folder.listing())
    except OSError as error:
        if "no such file" in str(error).lower() or "not a directory" in str(error).lower():
            return
        raise
    for name, _ in listed:
        hidden = name.startswith((".", "_")) and not part.startswith(name[0])
        if not hidden and name_of.fullmatch(name):
            yield folder.child(name)


def _regex(part: str) -> str:
    """Of one name of a glob; `fnmatch.translate` would take "[!...]" alike, but is for whole paths."""
    import fnmatch

    return fnmatch.translate(part)


def _by_name(file: Location) -> list[list[tuple[int, int, str]]]:
    """Folder by folder; numbers by their value, so that part-10 comes after part-9."""
    return [
        [
            (0, int(piece), piece) if piece.isdecimal() else (1, 0, piece)
            for piece in _DIGITS.split(name)
            if piece
        ]
        for name in file.path.split("/")
    ]
