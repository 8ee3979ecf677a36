"""The text that is encoded."""

import pytest

from encoders.prepare import item_text, prepare_text


@pytest.mark.parametrize(
    ("title", "description", "text"),
    [
        ("Apple sauce", "50 oz", "Apple sauce. 50 oz"),
        (" Apple ", "  ", "Apple"),
        (None, "50 oz", "50 oz"),
        ("", None, ""),
    ],
)
def test_item_text_skips_blanks(title: str | None, description: str | None, text: str) -> None:
    """Title and description are joined; a blank one leaves no trace."""
    assert item_text(title, description) == text


def test_prepared_text_fits_utf8_and_the_limit() -> None:
    """What UTF-8 can't hold is replaced, the rest is cut, and doing it again changes nothing."""
    for text in ("  a\ud800b  ", "é" * 50, "x   " * 20, "\0", ""):
        prepared = prepare_text(text, 18)
        prepared.encode("utf-8")
        assert len(prepared) <= 18
        assert prepared == prepared.strip() == prepare_text(prepared, 18)
