"""Text and tables for people: nothing is cut, and nothing in them can steer a terminal."""

from __future__ import annotations

import re
from typing import Any, Final

from rich.table import Table

STEERING: Final = re.compile(
    # C0 but for the line end, DEL and C1; line and paragraph separators; what turns the direction of writing;
    # lone surrogates, which no terminal takes.
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that do something to a terminal instead of being shown."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""The text with control characters, terminal escapes and marks of direction written out; line ends stay with `lines`.

    >>> printable("red \x1b[31m, back\u202e"), printable("a\nb"), printable("a\nb", lines=True)
    ('red \\x1b[31m, back\\u202e', 'a\\nb', 'a\nb')
    """
    text = STEERING.sub(_written, text)
    return text if lines else text.replace("\n", "\\n")


def _written(found: re.Match[str]) -> str:
    code = ord(found.group())
    return {9: "\\t", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


class TextTable(Table):
    """A table whose cells are shown whole, over several lines where the terminal is narrow, and as `printable`.

    Cells are strings; styled parts are `rich.text.Text`.
    """

    def __init__(self, *headers: str, title: str | None = None, show_header: bool = True) -> None:
        super().__init__(title=None if title is None else printable(title), show_header=show_header)
        for header in headers:
            self.add_column(printable(header), overflow="fold")

    def add_row(self, *cells: Any, **options: Any) -> None:
        """One cell a column."""
        super().add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in cells), **options)
