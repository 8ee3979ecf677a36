"""What a user names as a log or catalogue -> its checked files, those without a row left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import structlog

from streams.errors import LogError
from streams.files.expand import expand
from streams.files.location import Location
from streams.files.rows import TabularFile
from streams.files.tabular_file import inspect_file

log = structlog.get_logger(__name__)


def check_files(names: Sequence[Location | Path | str]) -> tuple[TabularFile, ...]:
    """All files that are meant (`streams.files.expand`), each of them checked whole.

    An hour without events makes an empty file, which is left out and said; only where there is nothing else is it an error.

    Raises:
        LogError: names the file, and the column, row or line.
    """
    files = [inspect_file(file) for file in expand(names)]
    if len(files) == 1 and not files[0].columns:
        raise LogError(f"{files[0].path}: is empty; was it cut short?")
    filled = [file for file in files if file.rows]
    empty = [file for file in files if not file.rows]
    if not filled:
        if len(files) == 1:
            return tuple(files)
        raise LogError(f"{files[0].path} and {len(files) - 1} other files: have no rows")
    if empty:
        log.info("files without a row", files=len(empty), first=str(empty[0].path))
    return tuple(filled)
