"""What a user names, files, folders, globs and URLs -> the data files that are meant, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from streams.errors import LogError
from streams.files.config import FilesConfig
from streams.files.kinds import FOREIGN_SUFFIXES, kind_by_name
from streams.files.location import Location, located, unreadable

_MAGIC: Final = re.compile(r"[*?\[]")
_TABLES: Final = {"_delta_log": "Delta Lake", ".hoodie": "Hudi"}
_DIGITS: Final = re.compile(r"(\d+)")
_MOST_FOLDERS: Final = 64
"""A folder deeper than this is a link that leads back to itself."""


def expand(names: Sequence[Location | Path | str], config: FilesConfig | None = None) -> list[Location]:
    """The files that are meant, in the order given; those of a folder or glob by name, in which numbers count as numbers.

    - A file is taken whatever it is called.
    - A folder is searched to the bottom. Names that begin with "." or "_" and checksums (.crc) are left out, and so are
      files that are no data by their name; a kind that holds data and can't be read is an error.
    - A glob: `*`, `?` and `[abc]` in one name, `**` for any number of folders. What it matches is taken as if it was named;
      a file that exists under the glob's own text is that file.

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
            raise LogError(f"{start}: no such file or folder")
        found = sorted(_matches(start), key=_by_name)
        if not found:
            raise LogError(f"{start}: no file matches")
        files: list[Location] = []
        for match in found:
            files += _data_files(match) if match.kind() == "folder" else [match]
        return files
    except OSError as error:
        raise unreadable(start, error) from None


def _data_files(folder: Location) -> list[Location]:
    """Of a folder, to the bottom; LogError where there are none."""
    found: list[Location] = []
    others: list[Location] = []
    for file in _walk(folder):
        kind = kind_by_name(file.name)
        if kind == "foreign":
            suffix = Path(file.name).suffix
            raise LogError(
                f"{file}: is {FOREIGN_SUFFIXES[suffix.lower()]}, which can't be read in a folder of data files"
            )
        (others if kind == "other" else found).append(file)
    if not found:
        names = ", ".join(file.name for file in others[:5])
        raise LogError(f"{folder}: has no data files" + (f"; it has {names}" if names else ""))
    return sorted(found, key=_by_name)


def _walk(folder: Location, depth: int = 0) -> Iterator[Location]:
    if depth > _MOST_FOLDERS:
        raise LogError(f"{folder}: folders are nested too deep; does a link lead back to one above?")
    listed = list(folder.listing())
    folders = {name for name, is_folder in listed if is_folder}
    for name, table in _TABLES.items():
        if name in folders:
            raise LogError(
                f"{folder}: is a {table} table, whose folder holds rows of older versions, too; export its present rows as "
                "Parquet files, and name those"
            )
    if {"metadata", "data"} <= folders and _is_iceberg(folder.child("metadata")):
        raise LogError(
            f"{folder}: is an Iceberg table, whose folder holds rows of older versions, too; export its present rows as "
            "Parquet files, and name those"
        )
    for name, is_folder in listed:
        if name.startswith((".", "_")) or name.endswith(".crc"):
            continue
        child = folder.child(name)
        if is_folder:
            yield from _walk(child, depth + 1)
        else:
            yield child


def _is_iceberg(folder: Location) -> bool:
    return any(name.endswith(".metadata.json") for name, _ in folder.listing())


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
            yield from (file for file in _walk(folder))
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
    for name, _ in folder.listing():
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
