"""Ids of users, as arguments of a command or in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams.errors import SettingsError
from streams.events.event import MAX_USER_ID_BYTES, fits, is_blank


def user_ids(named: Sequence[str], file: Path | None) -> list[str]:
    """Those named, then those of a text file, one a line, each once.

    Raises:
        SettingsError: there is none, the file can't be read, or one is no user id; ids are not quoted.
    """
    found = list(named)
    if file is not None:
        try:
            found += file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise SettingsError(f"can't read {file}: {why}") from None
        found = [name for name in found if name]
    if not found:
        raise SettingsError("no user given: name users, or a file with one id a line (--file)")
    for number, name in enumerate(found, start=1):
        if is_blank(name) or not fits(name, MAX_USER_ID_BYTES):
            raise SettingsError(
                f"user {number} is no user id: it is blank, or longer than {MAX_USER_ID_BYTES} bytes"
            )
    return list(dict.fromkeys(found))
