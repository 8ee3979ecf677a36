"""Text for people: whole, and harmless to their terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.text_tables import STEERING, TextTable, printable


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    """Whatever an id or a title holds, and what is harmless stays as it is."""
    shown = printable(text)
    assert not STEERING.search(shown) and "\n" not in shown
    if not STEERING.search(text) and "\n" not in text:
        assert shown == text


@pytest.mark.parametrize("width", [20, 40, 80])
def test_an_id_is_never_cut_in_a_table(width: int) -> None:
    """On a narrow terminal it goes on in the next line; every character is there, in order."""
    item = "sku-" + "".join(chr(ord("a") + n % 26) for n in range(120))
    table = TextTable("item", "n")
    table.add_row(item, "1")
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    assert "…" not in out.getvalue()
    cells = [line.split("│")[1].strip() for line in out.getvalue().splitlines() if line.startswith("│")]
    assert "".join(cells) == item


def test_a_cell_can_not_colour_the_terminal() -> None:
    """An escape sequence in an id is shown as text, in cells and titles alike."""
    table = TextTable("item", title="for \x1b[2J")
    table.add_row("\x1b]0;owned\x07\x9b31m\u202e")
    out = io.StringIO()
    Console(file=out, width=100).print(table)
    assert "\x1b" not in out.getvalue() and "\x9b" not in out.getvalue()
    assert "\\x1b]0;owned\\x07\\x9b31m\\u202e" in out.getvalue()
